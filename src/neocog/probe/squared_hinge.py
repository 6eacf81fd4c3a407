"""Linear support vector machines, one for each class against all others, with the squared hinge loss.

The machine of scikit-learn's `LinearSVC` (Fan and others 2008, LIBLINEAR) but for its bias, which is not regularised
here. All classes are solved as one problem of few, large products, by scipy's L-BFGS.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from neocog.inference.network import Floats
from neocog.probe.fitted import Labels

NEAR = 1e-6  # a step that lowers the objective by less than this share of it is the last
MAX_ITERATIONS = 1000


def solve_path(
    x: Floats, labels: Labels, classes: int, strengths: Sequence[float]
) -> list[tuple[Floats, Floats]]:
    """For each C the weight (classes, d) and bias (classes,), each solution the start of the next.

    Class by class they minimise |w|^2 / 2 + C * sum over rows of max(0, 1 - y (w.x + b))^2, y = 1 or -1.
    """
    sides = np.where(labels[:, None] == np.arange(classes), 1, -1).astype(np.float32)
    start = np.zeros((classes, x.shape[1] + 1))
    found = []
    for strength in strengths:
        start = _solve(x, sides, strength, start)
        both = start.astype(np.float32)
        found.append((np.ascontiguousarray(both[:, :-1]), np.ascontiguousarray(both[:, -1])))
    return found


def _solve(x: Floats, sides: Floats, strength: float, start: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.optimize import minimize

    (n, d), classes = x.shape, sides.shape[1]
    penalty = 1 / (2 * strength * n)

    def objective(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        both = flat.astype(np.float32).reshape(classes, d + 1)
        weight, bias = both[:, :d], both[:, d]
        short = np.maximum(1 - sides * (x @ weight.T + bias), 0)
        loss = np.square(short, dtype=np.float64).sum() / n / 2
        pull = -sides * short / n
        gradient = np.empty((classes, d + 1), np.float64)
        gradient[:, :d] = pull.T @ x + penalty * weight
        gradient[:, d] = pull.sum(axis=0)
        return float(loss + 0.5 * penalty * np.square(weight, dtype=np.float64).sum()), gradient.ravel()

    unit = objective(start.ravel())[0]

    def in_units(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Of about 1: what scipy calls relative it measures in ones, where a value is below."""
        value, gradient = objective(flat)
        return value / unit, gradient / unit

    options = {"maxiter": MAX_ITERATIONS, "gtol": 0, "ftol": NEAR, "maxls": 50}
    found = minimize(in_units, start.ravel(), jac=True, method="L-BFGS-B", options=options)
    return np.asarray(found.x.reshape(classes, d + 1), np.float64)
