"""Support vector machines on a kernel matrix, one class against the rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.svm import SVC

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Machine:
    """One row a class; of two classes one machine does, and the other row is its negative."""

    pulls: Floats
    """(machines, n): label, 1 or -1, times the multiplier α of each training row"""
    offsets: Floats

    def scores(self, kernel: Floats) -> Floats:
        """(rows, classes) of a kernel (rows, n) with the training rows."""
        values = kernel @ self.pulls.T + self.offsets
        return np.hstack([-values, values]) if len(self.pulls) == 1 else values


def fit_machine(kernel: Floats, labels: NDArray[np.int64], strength: float) -> Machine:
    """`labels` are 0.. without a gap, at least two; `strength` is C."""
    classes = int(labels.max()) + 1
    positive = [1] if classes == 2 else range(classes)
    pulls, offsets = np.zeros((len(positive), len(labels))), np.zeros(len(positive))
    for row, name in enumerate(positive):
        found = SVC(kernel="precomputed", C=strength, tol=1e-4).fit(kernel, labels == name)
        pulls[row, found.support_] = found.dual_coef_[0]
        offsets[row] = found.intercept_[0]
    return Machine(pulls, offsets)
