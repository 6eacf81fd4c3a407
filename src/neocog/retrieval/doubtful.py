"""Labels that are probably wrong: confident learning.

Northcutt, Jiang and Chuang 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels", Journal of Artificial
Intelligence Research 70, section 3. From probabilities of every picture by a classifier that has not seen it, the
joint distribution of the given label and the true one is estimated; the pictures that are counted off its diagonal are
the candidates ("CL method 2").
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neocog.errors import UserError
from neocog.retrieval.space import Doubles, Indices

RANKS = ("self-confidence", "margin")
PRUNES = ("joint", "class")
HELD = 1 << 20  # probabilities that are copied at once
EQUAL = 1e-12  # by which a probability may miss a threshold that is the mean of probabilities


@dataclass(frozen=True)
class Doubts:
    """What the probabilities say about the labels."""

    thresholds: Doubles
    """(classes,), mean probability of the class where it is the given label (equation 2); NaN where it is none"""
    counted: Indices
    """(given, true), the confident joint: pictures whose true label is told with confidence (equation 1)"""
    joint: Doubles
    """(given, true), the confident joint so scaled that each row sums to the pictures with that label (equation 3)"""
    candidates: Indices
    """rows of the pictures in doubt, the most doubtful first"""
    suggested: Indices
    """of each candidate the class that it is counted as, or the most probable one beside the given"""
    self_confidence: Doubles
    """(n,), the probability of the given label"""
    margin: Doubles
    """(n,), that less the largest probability of another class (-1 to 1)"""

    @property
    def estimated(self) -> float:
        """How many labels are wrong: the sum of the joint off its diagonal."""
        return float(self.joint.sum() - np.trace(self.joint))

    def given_if_true(self) -> Doubles:
        """(given, true), how likely each label is given to a picture of each true class; columns sum to 1, or 0."""
        totals = self.joint.sum(axis=0, keepdims=True)
        return np.asarray(np.divide(self.joint, totals, out=np.zeros_like(self.joint), where=totals > 0))


def confident(
    probabilities: Doubles, labels: Indices, rank: str = "self-confidence", prune: str = "joint"
) -> Doubts:
    """The doubts about `labels` (n,) from out-of-sample `probabilities` (n, classes).

    Candidates are chosen as `prune` of `PRUNES` says and ordered by `rank` of `RANKS`: the probability of the given
    label, or that less the largest other.
    """
    _demand(probabilities, labels, rank, prune)
    classes = probabilities.shape[1]
    own = probabilities[np.arange(len(labels)), labels]
    thresholds = _thresholds(own, labels, classes)
    guess, other, margin = _each(probabilities, labels, thresholds)
    counted = _counts(labels, guess, classes)
    joint = _calibrated(counted, np.bincount(labels, minlength=classes))
    if prune == "joint":
        candidates, suggested = np.flatnonzero((guess >= 0) & (guess != labels)), guess
    else:
        candidates, suggested = _least_confident(own, labels, joint), other
    least = (own if rank == "self-confidence" else margin)[candidates]
    candidates = candidates[np.argsort(least, kind="stable")]
    return Doubts(thresholds, counted, joint, candidates, suggested[candidates], own, margin)


def _least_confident(own: Doubles, labels: Indices, joint: Doubles) -> Indices:
    """Of each given label as many rows as the joint says are wrong, those of the lowest self-confidence."""
    wrong = np.rint(joint.sum(axis=1) - np.diagonal(joint)).astype(np.int64)
    order = np.lexsort((own, labels))
    place = np.arange(len(labels)) - np.searchsorted(labels[order], labels[order])
    return np.sort(order[place < wrong[labels[order]]])


def _demand(probabilities: Doubles, labels: Indices, rank: str, prune: str) -> None:
    if rank not in RANKS:
        raise UserError(f"doubtful labels are ranked by {' or '.join(RANKS)}, got {rank!r}")
    if prune not in PRUNES:
        raise UserError(f"doubtful labels are chosen by {' or '.join(PRUNES)}, got {prune!r}")
    if probabilities.ndim != 2 or len(probabilities) != len(labels) or not len(labels):
        raise UserError(
            f"each label needs a row of probabilities, got {probabilities.shape} for {len(labels):,} labels"
        )
    if (
        not np.isfinite([probabilities.min(), probabilities.max()]).all()
        or labels.min() < 0
        or labels.max() >= probabilities.shape[1]
    ):
        raise UserError(
            f"probabilities must be finite and labels lie between 0 and {probabilities.shape[1] - 1}; leave others out"
        )


def _thresholds(own: Doubles, labels: Indices, classes: int) -> Doubles:
    """Equation 2; NaN for a class that is nowhere given."""
    counts = np.bincount(labels, minlength=classes)
    totals = np.bincount(labels, own, classes)
    return np.asarray(np.divide(totals, counts, out=np.full(classes, np.nan), where=counts > 0))


def _each(probabilities: Doubles, labels: Indices, thresholds: Doubles) -> tuple[Indices, Indices, Doubles]:
    """Of each picture the confident class, the most probable one beside the given, and the margin to it.

    Some pictures at a time, so that no second matrix of all probabilities is held.
    """
    n, classes = probabilities.shape
    guess, other, margin = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n)
    step = max(1, HELD // classes)
    for start in range(0, n, step):
        part = slice(start, start + step)
        rows = np.array(probabilities[part])
        at, given = np.arange(len(rows)), labels[part]
        guess[part] = _confident_class(rows, thresholds)
        own = rows[at, given]
        rows[at, given] = -np.inf
        other[part] = rows.argmax(axis=1)
        margin[part] = own - rows[at, other[part]]
    return guess, other, margin


def _confident_class(probabilities: Doubles, thresholds: Doubles) -> Indices:
    """(n,), of the classes that reach their thresholds the most probable one (equation 1); -1 where none does."""
    reached = probabilities >= thresholds - EQUAL  # never where the threshold is NaN
    best = np.where(reached, probabilities, -1).argmax(axis=1)
    return np.where(reached.any(axis=1), best, -1)


def _counts(labels: Indices, guess: Indices, classes: int) -> Indices:
    sure = guess >= 0
    flat = np.bincount(labels[sure] * classes + guess[sure], minlength=classes * classes)
    return np.asarray(flat.reshape(classes, classes), np.int64)


def _calibrated(counted: Indices, given: Indices) -> Doubles:
    """Equation 3 times n. The surest picture of a given label is always counted: only labels not given have none."""
    totals = counted.sum(axis=1, keepdims=True)
    shares = np.divide(counted, totals, out=np.zeros(counted.shape), where=totals > 0)
    return np.asarray(shares * given[:, None])


def shares_wrong(doubts: Doubts) -> NDArray[np.float64]:
    """(classes,), of the pictures with each given label the share of another true class; 0 where there are none."""
    totals = doubts.joint.sum(axis=1)
    wrong = totals - np.diagonal(doubts.joint)
    return np.asarray(np.divide(wrong, totals, out=np.zeros(len(totals)), where=totals > 0))
