"""Logistic regression on features, its strength of regularisation chosen by stratified cross-validation.

The objective is scikit-learn's, minimised by scipy's L-BFGS: scikit-learn itself would do, but its import alone takes a
second, a third of what a run on cached features may take.
"""

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
    standard, mean, spread = standardised(features)
    losses = cross_validate(standard, labels, classes, seed)
    strength = min(losses, key=lambda c: losses[c]) if losses else GRID[2]
    weight, bias = solve(standard, labels, classes, strength)
    return Fit(folded(weight, bias, mean, spread), strength, losses)


def standardised(features: Floats) -> tuple[Floats, Floats, Floats]:
    """Features of mean 0 and deviation 1 over the pictures; and what was subtracted, and divided by."""
    mean = features.mean(axis=0, dtype=np.float64).astype(np.float32)
    spread = features.std(axis=0, dtype=np.float64).astype(np.float32)
    spread[spread < 1e-6 * max(float(spread.max()), 1e-30)] = np.inf  # a constant feature tells nothing
    return np.ascontiguousarray((features - mean) / spread), mean, spread


def folded(weight: Floats, bias: Floats, mean: Floats, spread: Floats) -> Head:
    """The layer on raw features that says what `weight` and `bias` say of standardised ones."""
    weight = weight / spread
    return Head(weight, (bias - weight @ mean).astype(np.float32))


@contextmanager
def single_thread() -> Iterator[None]:
    """One BLAS thread: the products are small; threads that wait for each other made fits 5 to 70 times slower."""
    import scipy.optimize  # noqa: F401  # brings a BLAS of its own, which can be limited only once it is loaded
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield


def cross_validate(
    standard: Floats, labels: NDArray[np.int64], classes: int, seed: int
) -> dict[float, float]:
    """Mean held-out log loss per C. Classes with fewer pictures than folds always train and are never held out."""
    fold = deal(labels, seed)
    judged = fold >= 0
    if len(np.unique(labels[judged])) < 2:
        return {}
    totals = dict.fromkeys(GRID, 0.0)
    for k in range(FOLDS):
        held = fold == k
        train, judge, truth = standard[~held], standard[held], labels[held]
        start = None
        for c in GRID:  # each solution is the start of the next, weaker one
            start = solve(train, labels[~held], classes, c, start)
            likelihood = Head(*start).probabilities(judge)[np.arange(len(truth)), truth]
            totals[c] -= float(np.log(np.maximum(likelihood, 1e-12), dtype=np.float64).sum())
    return {c: total / int(judged.sum()) for c, total in totals.items()}


def deal(labels: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """The fold of each picture, dealt out class by class in a drawn order; -1 for classes with fewer than `FOLDS`."""
    rng = np.random.default_rng(seed)
    fold = np.full(len(labels), -1)
    dealt = 0
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        if len(members) >= FOLDS:
            fold[members] = (dealt + np.arange(len(members))) % FOLDS
            dealt += len(members)
    return fold


def solve(
    x: Floats, labels: NDArray[np.int64], classes: int, c: float, start: tuple[Floats, Floats] | None = None
) -> tuple[Floats, Floats]:
    """Weight (classes, d) and bias (classes) that minimise mean cross-entropy + |weight|^2 / (2 c n).

    `start` is a solution for a neighbouring `c`. With two classes the penalty counts twice, which makes it
    scikit-learn's penalty on the difference of the two rows.
    """
    from scipy.optimize import minimize

    n, d = x.shape
    rows = np.arange(n)
    penalty = (2 if classes == 2 else 1) / (c * n)

    def loss_and_gradient(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        both = flat.astype(np.float32).reshape(classes, d + 1)
        weight, bias = both[:, :d], both[:, d]
        logits = x @ weight.T + bias
        logits -= logits.max(axis=1, keepdims=True)
        residual = np.exp(logits)
        total = residual.sum(axis=1)
        loss = (np.log(total) - logits[rows, labels]).mean(dtype=np.float64)
        residual /= total[:, None]
        residual[rows, labels] -= 1
        residual /= n
        gradient = np.empty((classes, d + 1), np.float64)
        gradient[:, :d] = residual.T @ x + penalty * weight
        gradient[:, d] = residual.sum(axis=0)
        return float(loss + 0.5 * penalty * np.square(weight, dtype=np.float64).sum()), gradient.ravel()

    first = np.zeros((classes, d + 1)) if start is None else np.column_stack(start).astype(np.float64)
    options = {"maxiter": MAX_ITERATIONS, "gtol": TOLERANCE, "ftol": 64 * np.finfo(float).eps, "maxls": 50}
    found = minimize(loss_and_gradient, first.ravel(), jac=True, method="L-BFGS-B", options=options)
    both = found.x.reshape(classes, d + 1).astype(np.float32)
    return np.ascontiguousarray(both[:, :d]), np.ascontiguousarray(both[:, d])
