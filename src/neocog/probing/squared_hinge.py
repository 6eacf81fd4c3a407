"""Linear support vector machines, one for each class against all others, with the squared hinge loss.

The machine of scikit-learn's `LinearSVC` (Fan and others 2008, LIBLINEAR) but for its bias, which is not regularised
here. All classes are solved as one problem of few, large products.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neocog.inference.network import Floats
from neocog.probing.fitted import Labels
from neocog.probing.lbfgs import Doubles
from neocog.probing.logistic import parts
from neocog.probing.losses import minimiser

NEAR = 1e-5  # of the objective, from its least


def solve_path(
    x: Floats, labels: Labels, classes: int, strengths: Sequence[float]
) -> list[tuple[Floats, Floats]]:
    """For each C the weight (classes, d) and bias (classes,), each solution the start of the next.

    Class by class they minimise |w|^2 / 2 + C * sum over rows of max(0, 1 - y (w.x + b))^2, y = 1 or -1.
    """
    sides = np.where(labels == np.arange(classes)[:, None], 1, -1).astype(np.float32)
    loss = SquaredHinge(x, sides)
    layer, found = np.zeros(loss.shape), []
    for strength in strengths:
        layer = minimiser(loss, 1 / (2 * strength * len(x)), layer, NEAR)
        found.append(parts(layer))
    return found


@dataclass(frozen=True)
class SquaredHinge:
    """Half the mean over pictures of the squared hinges of all classes; a layer is (classes, d + 1), bias last."""

    x: Floats
    """(n, d)"""
    sides: Floats
    """(classes, n), 1 where a picture is of the class, else -1"""

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.sides), self.x.shape[1] + 1

    def __call__(self, layer: Doubles) -> tuple[float, Doubles]:
        short, n = self._short(layer), len(self.x)
        pull = -self.sides * short / n
        gradient = np.column_stack([pull @ self.x, pull.sum(axis=1, dtype=np.float64)])
        return float(np.square(short, dtype=np.float64).sum()) / n / 2, gradient

    def curvature(self, layer: Doubles) -> Doubles:
        """(classes,), the share of pictures whose hinge pulls."""
        return np.asarray((self._short(layer) > 0).mean(axis=1), np.float64)

    def _short(self, layer: Doubles) -> Floats:
        """(classes, n), by how much each picture falls short of a margin of 1."""
        single = layer.astype(np.float32)
        scores = single[:, :-1] @ self.x.T + single[:, -1:]
        return np.asarray(np.maximum(1 - self.sides * scores, 0), np.float32)
