"""A logistic regression for each class, of pictures that may show several: this class or not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neocog.inference.network import Floats, Head, sigmoid
from neocog.probing.logistic import (
    FOLDS,
    GRID,
    Fit,
    deal,
    folded,
    parts,
    standardised,
)
from neocog.probing.losses import AnyClasses, minimiser
from neocog.runtime import single_thread

NEAR = 1e-6  # of the objective, from its least: what a rare class adds is small


def fit_one_vs_rest(features: Floats, targets: Floats, classes: int, seed: int) -> Fit:
    """The regressions of all `classes` on standardised features, with one C that is best for all of them together.

    `targets` (n, classes) is 1 where a picture shows the class. A class that all pictures show, or none, leaves
    nothing to fit: whatever the features are, its probability is that of Laplace's rule of succession,
    (pictures that show it + 1) / (pictures + 2).
    """
    with single_thread(with_scipy=False):
        standard, mean, spread = standardised(features)
        fitted = np.flatnonzero((targets > 0).any(axis=0) & ~(targets > 0).all(axis=0))
        share = (targets.sum(axis=0) + 1) / (len(targets) + 2)
        weight = np.zeros((classes, features.shape[1]), np.float32)
        bias = np.log(share / (1 - share)).astype(np.float32)
        losses: dict[float, float] = {}
        strength = GRID[2]
        if len(fitted):
            chosen = np.ascontiguousarray(targets[:, fitted])
            losses = cross_validate(standard, chosen, seed)
            strength = min(losses, key=lambda c: losses[c]) if losses else strength
            weight[fitted], bias[fitted] = solve(standard, chosen, strength)
        layer = folded(weight, bias, mean, spread)
        return Fit(Head(layer.weight, layer.bias, "sigmoid"), strength, losses)


def cross_validate(standard: Floats, targets: Floats, seed: int) -> dict[float, float]:
    """Held-out log loss per C, the mean over pictures and classes; folds are dealt by the rarest class a picture shows.

    Pictures of which there are fewer than folds always train.
    """
    fold = deal(_rarest(targets), seed)
    judged = int((fold >= 0).sum())
    if not judged:
        return {}
    totals = dict.fromkeys(GRID, 0.0)
    for k in range(FOLDS):
        held = fold == k
        start = None
        for c in GRID:  # each solution is the start of the next, weaker one
            start = solve(standard[~held], targets[~held], c, start)
            said = sigmoid(Head(*start).logits(standard[held]))
            right = np.where(targets[held] > 0, said, 1 - said)
            totals[c] -= float(np.log(np.maximum(right, 1e-12), dtype=np.float64).sum())
    return {c: total / (judged * targets.shape[1]) for c, total in totals.items()}


def solve(
    x: Floats, targets: Floats, c: float, start: tuple[Floats, Floats] | None = None
) -> tuple[Floats, Floats]:
    """Weight (classes, d) and bias (classes) that minimise, class by class, mean log loss + |weight|^2 / (2 c n).

    The classes have nothing to do with each other, but one problem of all is solved with fewer, larger products.
    """
    loss = AnyClasses(x, np.ascontiguousarray(targets.T))
    first = np.zeros(loss.shape) if start is None else np.column_stack(start).astype(np.float64)
    return parts(minimiser(loss, 1 / (c * len(x)), first, NEAR))


def _rarest(targets: Floats) -> NDArray[np.int64]:
    """Of the classes that each picture shows, the one that fewest pictures show; `classes` where it shows none."""
    counts = np.where(targets > 0, targets.sum(axis=0), np.inf)
    bare = ~(targets > 0).any(axis=1)
    return np.asarray(np.where(bare, targets.shape[1], counts.argmin(axis=1)), np.int64)
