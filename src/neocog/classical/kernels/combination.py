"""A classifier on a weighted sum of kernels, as a scikit-learn estimator."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from neocog.classical.kernels.machine import fit_machine
from neocog.classical.kernels.matrices import Floats, Part
from neocog.classical.kernels.several import Kernels
from neocog.classical.kernels.weights import WEIGHTINGS, Setting
from neocog.errors import UserError, unknown


class KernelCombination(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Support vector machines, one class against the rest, on a weighted sum of kernels (Xiao et al. 2010).

    A kernel counts the same for all pictures; the weights by groups of pictures of Yang et al. (2009) are not built.

    X is one matrix (n, d) whose columns are those of the `parts` one after another; `side_by_side` makes both from
    named matrices. After `fit`, `weights_` has what each part counts.

    parts: what the columns are; () takes all as one linear kernel
    weighting: `uniform`, `accuracy`, `alignment` or `margin` (`kernels/weights.py`)
    scale: what the kernels are divided by, of `kernels.several.SCALES`
    strength: C of the machines
    folds: of the cross-validation that `accuracy` needs, cut by `random_state`
    """

    def __init__(
        self,
        parts: tuple[Part, ...] = (),
        weighting: str = "uniform",
        scale: str = "mean",
        strength: float = 1.0,
        folds: int = 5,
        random_state: int = 0,
    ) -> None:
        self.parts = parts
        self.weighting = weighting
        self.scale = scale
        self.strength = strength
        self.folds = folds
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> KernelCombination:
        rows, names = validate_data(self, X, y, dtype=np.float64)
        self._check()
        self.kernels_ = Kernels.of(self.parts or (Part("features", rows.shape[1]),), self.scale, rows)
        self.classes_, labels = np.unique(names, return_inverse=True)
        if len(self.classes_) < 2:
            raise UserError(f"a classifier needs two classes, got {len(self.classes_)} class")
        kernels = self.kernels_(rows)
        setting = Setting(self.strength, self.folds, self.random_state)
        self.weights_: Floats = WEIGHTINGS[self.weighting](kernels, labels, setting)
        self.machine_ = fit_machine(np.tensordot(self.weights_, kernels, 1), labels, self.strength)
        return self

    def decision_function(self, X: ArrayLike) -> Floats:
        """(n, classes), larger is more likely; of two classes (n,), positive for the second."""
        scores = self._scores(X)
        return scores[:, 1] if len(self.classes_) == 2 else scores

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        return np.asarray(self.classes_[self._scores(X).argmax(axis=1)])

    def _scores(self, X: ArrayLike) -> Floats:
        check_is_fitted(self)
        rows = validate_data(self, X, dtype=np.float64, reset=False)
        return self.machine_.scores(np.tensordot(self.weights_, self.kernels_(rows), 1))

    def _check(self) -> None:
        if self.weighting not in WEIGHTINGS:
            raise unknown("weighting", self.weighting, WEIGHTINGS)
        if not self.strength > 0:
            raise UserError(f"strength, the machines' C, must be above 0, got {self.strength}")
