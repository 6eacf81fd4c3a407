"""Support vector machines with a kernel: scikit-learn's `SVC`, one for each pair of classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from neocog.inference.network import Floats
from neocog.probing.fitted import Labels, highest

DEGREE = 4
CACHE = 500  # MB for rows of the kernel


@dataclass(frozen=True)
class Machine:
    """Scores are pairwise votes with their margins (`decision_function_shape="ovr"`), so that few are equal."""

    svc: Any
    classes: int

    def scores(self, features: Floats) -> Floats:
        found = self.svc.decision_function(features)
        if found.ndim == 1:
            found = np.stack([-found, found], axis=1)
        scores = np.full((len(features), self.classes), -np.inf, np.float32)
        scores[:, self.svc.classes_] = found
        return scores

    def predict(self, features: Floats) -> Labels:
        return highest(self.scores(features))


def gaussian_machine(x: Floats, labels: Labels, classes: int, strength: float, gamma: float) -> Machine:
    """exp(-gamma |x - x'|^2), hinge loss with C = `strength`."""
    from sklearn.svm import SVC

    return Machine(SVC(C=strength, gamma=gamma, cache_size=CACHE).fit(x, labels), classes)


def polynomial_machine(x: Floats, labels: Labels, classes: int, strength: float, gamma: float) -> Machine:
    """(gamma x·x' + 1)^4, the degree of LeCun et al. (1998) for digits, hinge loss with C = `strength`."""
    from sklearn.svm import SVC

    svc = SVC(C=strength, kernel="poly", degree=DEGREE, gamma=gamma, coef0=1, cache_size=CACHE)
    return Machine(svc.fit(x, labels), classes)


def usual_gamma(x: Floats) -> float:
    """1 / (d * variance of all numbers in x): scikit-learn's `gamma="scale"`."""
    return float(1 / (x.shape[1] * (x.var(dtype=np.float64) or 1.0)))
