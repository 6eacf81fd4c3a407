"""Probabilities of every picture by a classifier that has not seen it: cross-validated logistic regression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neocog.errors import UserError
from neocog.inference.network import Floats, Head
from neocog.probing.choose import dealt
from neocog.probing.logistic import GRID, folded, solve_path, standardised
from neocog.progress import Advance
from neocog.retrieval.space import Doubles, Indices

FOLDS = 5
TRAINED = -1  # in place of a fold: always learned from, never judged
LEAST = 1e-12  # of a probability in the log loss


@dataclass(frozen=True)
class HeldOut:
    """Out-of-sample probabilities."""

    probabilities: Doubles
    """(n, classes); NaN of a picture that is not judged"""
    fold: Indices
    """(n,), in which each picture was held out; -1 of those whose class has fewer contents than there are folds"""
    strength: float
    """C of the logistic regression, that of the least held-out log loss"""
    losses: dict[float, float]
    """mean held-out log loss by C"""

    @property
    def judged(self) -> Indices:
        """Rows that have probabilities."""
        return np.flatnonzero(self.fold != TRAINED)


def held_out(
    features: Floats,
    labels: Indices,
    classes: int,
    contents: Indices,
    seed: int = 0,
    advance: Advance | None = None,
) -> HeldOut:
    """Probabilities of the pictures (n, d), fold by fold, from a classifier of the other folds.

    `labels` (n,) lie in 0..classes - 1. Copies, of which `contents` (n,) has one number, lie in one fold. C is the one
    of least log loss over all folds. Raises UserError where fewer than two classes can be judged.
    """
    fold = folds_of(labels, contents, seed)
    judged = fold != TRAINED
    if len(np.unique(labels[judged])) < 2:
        raise UserError(
            f"doubtful labels need two classes of {FOLDS} different pictures each, got "
            f"{len(np.unique(labels[judged]))} in {len(np.unique(labels))}; add pictures"
        )
    heads: list[dict[float, Head]] = []
    losses = dict.fromkeys(GRID, 0.0)
    for k in range(FOLDS):
        held = fold == k
        heads.append(_heads(features[~held], labels[~held], classes))
        for strength, head in heads[-1].items():
            losses[strength] += _log_loss(head.probabilities(features[held]), labels[held])
        if advance:
            advance(1)
    best = min(losses, key=lambda strength: losses[strength])
    probabilities = np.full((len(labels), classes), np.nan)
    for k in range(FOLDS):
        probabilities[fold == k] = heads[k][best].probabilities(features[fold == k])
    n = int(judged.sum())
    return HeldOut(probabilities, fold, best, {c: loss / n for c, loss in losses.items()})


def folds_of(labels: Indices, contents: Indices, seed: int) -> Indices:
    """(n,), the fold of each picture, 0 to `FOLDS` - 1, dealt out class by class; all copies of one in the same.

    A class with fewer different contents than folds gets -1: its pictures are always learned from. The deal follows
    from the contents and the seed, not from the order of the pictures.
    """
    return dealt(labels, FOLDS, seed, contents, least=FOLDS)


def _heads(features: Floats, labels: Indices, classes: int) -> dict[float, Head]:
    """A classifier of the raw features for each C."""
    standard, mean, spread = standardised(features)
    path = solve_path(standard, labels, classes, GRID)
    return {c: folded(*layer, mean, spread) for c, layer in zip(GRID, path, strict=True)}


def _log_loss(probabilities: Floats, labels: NDArray[np.int64]) -> float:
    likelihood = probabilities[np.arange(len(labels)), labels]
    return -float(np.log(np.maximum(likelihood, LEAST), dtype=np.float64).sum())
