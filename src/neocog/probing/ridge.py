"""Ridge regression on targets of 1 and -1, one for each class, in closed form; with dropout in closed form, too.

Squared loss has a mean over dropout's masks that can be written down: with features dropped at rate p and the others
divided by 1 - p, it is the loss itself plus a penalty of p / (1 - p) * sum of x_j^2 on the weight of feature j (Wager,
Wang and Liang 2013, section 2). So no mask is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from neocog.inference.network import Floats
from neocog.probing.fitted import Labels

Wide = NDArray[np.float64]


def solve_path(
    x: Floats, labels: Labels, classes: int, strengths: Sequence[float], rate: float = 0.0
) -> list[tuple[Floats, Floats]]:
    """For each alpha the weight (classes, d) and bias (classes,) of scikit-learn's `RidgeClassifier`.

    They minimise the sum of squares plus alpha * |w|^2, its mean over dropout at `rate`; the bias is free.
    """
    targets = np.where(labels[:, None] == np.arange(classes), 1.0, -1.0)
    wide = x.astype(np.float64)
    mean, level = wide.mean(axis=0), targets.mean(axis=0)
    noise = rate / (1 - rate) * np.square(wide).sum(axis=0)
    solve = _by_features if x.shape[1] <= len(x) else _by_rows
    found = []
    for weight in solve(wide - mean, targets - level, noise, strengths):
        found.append((weight.astype(np.float32), (level - weight @ mean).astype(np.float32)))
    return found


def _by_features(x: Wide, targets: Wide, noise: Wide, strengths: Sequence[float]) -> list[Wide]:
    from scipy.linalg import solve

    gram, cross = x.T @ x, x.T @ targets
    return [solve(gram + np.diag(noise + alpha), cross, assume_a="pos").T for alpha in strengths]


def _by_rows(x: Wide, targets: Wide, noise: Wide, strengths: Sequence[float]) -> list[Wide]:
    """The same where there are fewer rows than features: (x'x + D)^-1 x' = D^-1 x' (x D^-1 x' + 1)^-1."""
    from scipy.linalg import solve

    found = []
    for alpha in strengths:
        shrunk = x / (noise + alpha)
        found.append(solve(shrunk @ x.T + np.eye(len(x)), targets, assume_a="pos").T @ shrunk)
    return found
