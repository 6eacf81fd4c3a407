"""One label from several annotators': majority, Dawid and Skene's estimate, and how far the annotators agree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neocog.data.dataset import UNLABELLED
from neocog.errors import UserError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Votes:
    """Who said what of which item, one vote an entry; an annotator may look at an item several times."""

    items: Ints
    annotators: Ints
    labels: Ints
    n_items: int
    n_annotators: int
    n_classes: int

    def counts(self) -> Ints:
        """(items, classes): how many votes each class got."""
        flat = np.bincount(self.items * self.n_classes + self.labels, minlength=self.n_items * self.n_classes)
        return flat.reshape(self.n_items, self.n_classes).astype(np.int64)


@dataclass(frozen=True)
class Consensus:
    """One label per item."""

    labels: Ints
    """the likeliest class, of equals the first; `UNLABELLED` where nobody voted"""
    probabilities: Floats
    """(items, classes): shares of the votes, or what Dawid and Skene's model estimates"""
    agreement: Floats
    """share of the item's votes that are for its label; NaN where nobody voted"""
    disputed: NDArray[np.bool_]
    """whether no more than half of the item's votes are for its label"""
    confusion: Floats | None = None
    """(annotators, true class, said class), estimated by Dawid and Skene's model"""
    prevalence: Floats | None = None
    """(classes,), how often each is the true one, as the model estimates"""
    log_likelihood: float = float("nan")
    rounds: int = 0
    converged: bool = True


def majority(votes: Votes) -> Consensus:
    """The class with the most votes."""
    counts = votes.counts()
    return _consensus(counts, counts / np.maximum(counts.sum(1, keepdims=True), 1))


def dawid_skene(
    votes: Votes, smoothing: float = 0.0, tolerance: float = 1e-6, rounds: int = 1000
) -> Consensus:
    """The maximum-likelihood estimate of the true classes, by EM (Dawid and Skene 1979, Applied Statistics 28(1)).

    Every annotator has a confusion matrix of their own, and votes are independent given the true class. EM starts
    at the shares of the votes (eq. 3.1), alternates eqs. 2.3, 2.4 and 2.5, and ends when no probability of a class
    moves by more than `tolerance`. `smoothing` is added to every cell of the confusion counts (the paper: 0). An
    annotator without a vote on items of a class says all classes equally often there.
    """
    counts = votes.counts()
    truth = majority(votes).probabilities
    voted = counts.sum(1) > 0
    done, moved, log_likelihood = 0, np.inf, float("nan")
    prevalence, confusion = _maximise(votes, truth, voted, smoothing)
    while done < rounds and moved > tolerance:
        new, log_likelihood = _expect(votes, prevalence, confusion, voted)
        moved = float(np.abs(new - truth).max(initial=0))
        truth, done = new, done + 1
        prevalence, confusion = _maximise(votes, truth, voted, smoothing)
    found = _consensus(counts, truth)
    return Consensus(
        found.labels,
        truth,
        found.agreement,
        found.disputed,
        confusion,
        prevalence,
        log_likelihood,
        done,
        moved <= tolerance,
    )


RULES: dict[str, Callable[[Votes], Consensus]] = {"majority": majority, "dawid-skene": dawid_skene}


def _maximise(
    votes: Votes, truth: Floats, voted: NDArray[np.bool_], smoothing: float
) -> tuple[Floats, Floats]:
    """Prevalence (eq. 2.4) and confusion matrices (eq. 2.3) given each item's class probabilities."""
    k = votes.n_classes
    cells = votes.annotators * k + votes.labels
    sums = [np.bincount(cells, truth[votes.items, j], votes.n_annotators * k) for j in range(k)]
    confusion = np.reshape(sums, (k, votes.n_annotators, k)).transpose(1, 0, 2) + smoothing
    totals = confusion.sum(2, keepdims=True)
    rates: Floats = np.where(totals > 0, confusion / np.where(totals > 0, totals, 1), 1 / k)
    prevalence: Floats = truth[voted].mean(0) if voted.any() else np.full(k, 1 / k)
    return prevalence, rates


def _expect(
    votes: Votes, prevalence: Floats, confusion: Floats, voted: NDArray[np.bool_]
) -> tuple[Floats, float]:
    """Each item's class probabilities (eq. 2.5), and the logarithm of the likelihood (eq. 2.7)."""
    with np.errstate(
        divide="ignore"
    ):  # what never happens has the logarithm -inf, but for no item all classes do
        logs = np.log(confusion)
        joint = np.tile(np.log(prevalence), (votes.n_items, 1))
    for j in range(votes.n_classes):
        joint[:, j] += np.bincount(votes.items, logs[votes.annotators, j, votes.labels], votes.n_items)
    top = joint.max(1, keepdims=True)
    share = np.exp(joint - top)
    total = share.sum(1, keepdims=True)
    log_likelihood = float((top + np.log(total))[voted].sum())
    return np.where(voted[:, None], share / total, 0.0), log_likelihood


def _consensus(counts: Ints, probabilities: Floats) -> Consensus:
    n = counts.sum(1)
    labels = np.where(n > 0, probabilities.argmax(1), UNLABELLED)
    chosen = counts[np.arange(len(counts)), labels]
    agreement = np.where(n > 0, chosen / np.maximum(n, 1), np.nan)
    return Consensus(labels, probabilities, agreement, (n > 0) & (2 * chosen <= n))


def fleiss_kappa(counts: Ints) -> float:
    """Agreement beyond chance of items (n, classes) with equally many votes each (Fleiss 1971, Psychol. Bull. 76).

    1 is full agreement, 0 what chance gives; NaN where all votes are for one class.
    """
    votes = counts.sum(1)
    if not len(counts) or votes.min() != votes.max() or votes[0] < 2:
        raise UserError(
            "Fleiss' kappa needs equally many votes per item, two or more; take Krippendorff's alpha"
        )
    m = float(votes[0])
    observed = ((counts**2).sum(1) - m).mean() / (m * (m - 1))
    chance = float(((counts.sum(0) / counts.sum()) ** 2).sum())
    return _beyond_chance(float(observed), chance)


def krippendorff_alpha(counts: Ints) -> float:
    """Agreement beyond chance for nominal classes and any number of votes an item (Krippendorff 2004, ch. 11).

    Items with one vote say nothing. NaN where nothing is left, or all votes are for one class.
    """
    paired = counts[counts.sum(1) > 1].astype(np.float64)
    n = paired.sum()
    if not n:
        return float("nan")
    agreeing = (paired * (paired - 1) / (paired.sum(1, keepdims=True) - 1)).sum()
    chance = ((paired.sum(0) * (paired.sum(0) - 1)).sum()) / (n * (n - 1))
    return _beyond_chance(float(agreeing / n), float(chance))


def cohen_kappa(first: Ints, second: Ints) -> float:
    """Agreement beyond chance of two annotators on the same items (Cohen 1960, Educ. Psychol. Meas. 20)."""
    if len(first) != len(second):
        raise UserError(
            f"two annotators must have labelled the same items, got {len(first)} and {len(second)}"
        )
    if not len(first):
        return float("nan")
    k = int(max(first.max(), second.max())) + 1
    chance = np.bincount(first, minlength=k) @ np.bincount(second, minlength=k) / len(first) ** 2
    return _beyond_chance(float((first == second).mean()), float(chance))


def pairwise_kappa(votes: Votes) -> tuple[Floats, Ints]:
    """(annotators, annotators): Cohen's kappa of each pair on the items that both saw, and how many these are.

    Of several votes of one annotator on one item the first counts.
    """
    seen = []
    for who in range(votes.n_annotators):
        mine = votes.annotators == who
        items, first = np.unique(votes.items[mine], return_index=True)
        seen.append((items, votes.labels[mine][first]))
    kappa = np.full((votes.n_annotators, votes.n_annotators), np.nan)
    shared = np.zeros(kappa.shape, dtype=np.int64)
    for a, (items, labels) in enumerate(seen):
        for b, (others, theirs) in enumerate(seen):
            both, i, j = np.intersect1d(items, others, assume_unique=True, return_indices=True)
            kappa[a, b], shared[a, b] = cohen_kappa(labels[i], theirs[j]), len(both)
    return kappa, shared


def _beyond_chance(observed: float, chance: float) -> float:
    return (observed - chance) / (1 - chance) if chance < 1 else float("nan")
