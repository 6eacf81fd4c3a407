"""Support vector machines for histograms, as counts of visual words are: exponential chi-squared, intersection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from neocog.errors import UserError
from neocog.inference.network import Floats
from neocog.probing.fitted import Labels, highest
from neocog.probing.kernel import CACHE, Machine
from neocog.probing.lbfgs import Doubles

if TYPE_CHECKING:
    from neocog.classical.kernels.matrices import Part

Kernel = Callable[[Floats], Floats]
"""rows (m, d) -> (m, n), with the training rows"""


@dataclass(frozen=True)
class OnKernel:
    """A machine behind the kernel of what it is shown with the rows that it was fitted to."""

    kernel: Kernel = field(repr=False)
    machine: Machine

    def scores(self, features: Floats) -> Floats:
        return self.machine.scores(self.kernel(features))

    def predict(self, features: Floats) -> Labels:
        return highest(self.scores(features))


def histogram_machines(
    x: Floats, labels: Labels, classes: int, strengths: Sequence[float], kernel: str
) -> list[OnKernel]:
    """One for each C of `strengths`, each pair of classes, hinge loss; `kernel` is `chi2` or `intersection`.

    exp(-gamma sum((x - y)^2 / (x + y))), gamma one over the mean of the sums between training rows (Zhang et al.
    2007); sum(min(x, y)) over its mean for a training row with itself. Neither changes when all features are multiplied
    by one number. UserError for a feature below 0.
    """
    if x.min() < 0:
        raise UserError(
            f"{kernel}-svm compares histograms, whose numbers are 0 or more, got {x.min():.3g}; "
            "take --scale none, and features that count, as classical:spatial-pyramid"
        )
    from sklearn.svm import SVC

    between = _kernel(kernel, x)
    among = between(x)
    machines = [SVC(C=c, kernel="precomputed", cache_size=CACHE).fit(among, labels) for c in strengths]
    return [OnKernel(between, Machine(svc, classes)) for svc in machines]


def _kernel(name: str, rows: Floats) -> Kernel:
    from neocog.classical.kernels.matrices import OF_DISTANCES, Part, diagonal, mean_distance

    part = Part("features", rows.shape[1], name)
    trained = np.asarray(rows, np.float64)
    if name in OF_DISTANCES:
        return partial(_between, part, 1 / mean_distance(part, trained), 1.0, trained)
    return partial(_between, part, 1.0, float(diagonal(part, trained).mean()) or 1.0, trained)


def _between(part: Part, gamma: float, size: float, trained: Doubles, rows: Floats) -> Floats:
    from neocog.classical.kernels.matrices import matrix

    return np.asarray(matrix(part, gamma, np.asarray(rows, np.float64), trained) / size, np.float32)
