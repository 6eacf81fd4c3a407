"""Logistic regression on features, its strength of regularisation chosen by stratified cross-validation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neocog.inference.network import Floats, Head

GRID = (3e-5, 3e-4, 3e-3, 3e-2, 3e-1, 3.0)  # inverse strengths C for standardised features
FOLDS = 3
TOLERANCE = 1e-3  # of the gradient; tighter changes no decision and doubles the time
MAX_ITERATIONS = 500


@dataclass(frozen=True)
class Fit:
    """The classifier as one linear layer on the raw features, and how its C was found."""

    head: Head
    C: float
    losses: dict[float, float]
    """mean held-out log loss of each C; empty where there were too few pictures to hold any out"""


def fit_logistic(features: Floats, labels: NDArray[np.int64], classes: int, seed: int) -> Fit:
    """Multinomial logistic regression on standardised features; the standardisation is folded into the layer."""
    with single_thread():
        return _fit(features, labels, classes, seed)


def _fit(features: Floats, labels: NDArray[np.int64], classes: int, seed: int) -> Fit:
    mean = features.mean(axis=0, dtype=np.float64).astype(np.float32)
    spread = features.std(axis=0, dtype=np.float64).astype(np.float32)
    spread[spread < 1e-6 * max(float(spread.max()), 1e-30)] = np.inf  # a constant feature tells nothing
    standard = np.ascontiguousarray((features - mean) / spread)
    losses = cross_validate(standard, labels, classes, seed)
    strength = min(losses, key=lambda c: losses[c]) if losses else GRID[2]
    weight, bias = _solve(standard, labels, classes, strength)
    weight = weight / spread
    return Fit(Head(weight, (bias - weight @ mean).astype(np.float32)), strength, losses)


@contextmanager
def single_thread() -> Iterator[None]:
    """One BLAS thread: the products are small; threads that wait for each other made fits 5 to 70 times slower."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield


def cross_validate(
    standard: Floats, labels: NDArray[np.int64], classes: int, seed: int
) -> dict[float, float]:
    """Mean held-out log loss per C. Classes with fewer pictures than folds always train and are never held out."""
    from sklearn.model_selection import StratifiedKFold

    counts = np.bincount(labels, minlength=classes)
    enough = np.flatnonzero(counts[labels] >= FOLDS)
    if len(np.unique(labels[enough])) < 2:
        return {}
    totals = dict.fromkeys(GRID, 0.0)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    for _, position in folds.split(enough, labels[enough]):
        held = np.zeros(len(labels), dtype=bool)
        held[enough[position]] = True
        start = None
        train, judge, truth = standard[~held], standard[held], labels[held]
        for c in GRID:
            start = _solve(train, labels[~held], classes, c, start)
            likelihood = Head(*start).probabilities(judge)[np.arange(len(truth)), truth]
            totals[c] -= float(np.log(np.maximum(likelihood, 1e-12), dtype=np.float64).sum())
    return {c: total / len(enough) for c, total in totals.items()}


def _solve(
    x: Floats, labels: NDArray[np.int64], classes: int, c: float, start: tuple[Floats, Floats] | None = None
) -> tuple[Floats, Floats]:
    """Weight (classes, features) and bias (classes), from `start` where a neighbour's solution is at hand."""
    from sklearn.linear_model import LogisticRegression

    two = classes == 2
    model = LogisticRegression(C=c, tol=TOLERANCE, max_iter=MAX_ITERATIONS, warm_start=start is not None)
    if start is not None:
        model.classes_ = np.arange(classes)
        model.coef_ = start[0][1:] - start[0][:1] if two else start[0].copy()
        model.intercept_ = start[1][1:] - start[1][:1] if two else start[1].copy()
    model.fit(x, labels)
    weight, bias = np.asarray(model.coef_, np.float32), np.asarray(model.intercept_, np.float32)
    if two:  # scikit-learn keeps one row, the second class against the first
        half = np.float32(0.5)
        weight, bias = np.concatenate([-weight, weight]) * half, np.concatenate([-bias, bias]) * half
    return weight, bias
