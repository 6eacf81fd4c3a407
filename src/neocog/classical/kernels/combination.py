"""A classifier on a weighted sum of kernels, as a scikit-learn estimator."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from neocog.classical.kernels.machine import fit_machine
from neocog.classical.kernels.matrices import (
    KERNELS,
    OF_COUNTS,
    Floats,
    Part,
    diagonal,
    matrix,
    mean_distance,
)
from neocog.classical.kernels.weights import WEIGHTINGS, Setting
from neocog.errors import UserError, unknown

SCALES = ("none", "mean", "cosine")


class KernelCombination(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Support vector machines, one class against the rest, on a sum of kernels (Yang et al. 2009, Xiao et al. 2010).

    X is one matrix (n, d) whose columns are those of the `parts` one after another; `side_by_side` makes both from
    named matrices. After `fit`, `weights_` has what each part counts.

    parts: what the columns are; () takes all as one linear kernel
    weighting: `uniform`, `accuracy`, `alignment` or `margin` (`kernels/weights.py`)
    scale: `mean` divides each kernel by the mean of its training diagonal, so that all have the same size; `cosine`
        by the lengths of both rows; `none`
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
        self._check(rows)
        self.classes_, labels = np.unique(names, return_inverse=True)
        if len(self.classes_) < 2:
            raise UserError(f"a classifier needs two classes, got {len(self.classes_)} class")
        self.rows_: Floats = rows
        self.gammas_ = [self._gamma(part, block) for part, block in self._blocks(rows)]
        self.sizes_ = [float(diagonal(part, block).mean()) or 1.0 for part, block in self._blocks(rows)]
        kernels = self._kernels(rows)
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
        self._check(rows)
        return self.machine_.scores(np.tensordot(self.weights_, self._kernels(rows), 1))

    def _parts(self, width: int) -> tuple[Part, ...]:
        return self.parts or (Part("features", width),)

    def _blocks(self, rows: Floats) -> list[tuple[Part, Floats]]:
        parts = self._parts(rows.shape[1])
        ends = np.cumsum([part.width for part in parts])
        return [(part, rows[:, end - part.width : end]) for part, end in zip(parts, ends, strict=True)]

    def _kernels(self, rows: Floats) -> Floats:
        """(parts, len(rows), training rows), scaled."""
        found = np.empty((len(self.gammas_), len(rows), len(self.rows_)))
        pairs = zip(self._blocks(rows), self._blocks(self.rows_), strict=True)
        for i, ((part, new), (_, old)) in enumerate(pairs):
            found[i] = matrix(part, self.gammas_[i], new, old)
            if self.scale == "mean":
                found[i] /= self.sizes_[i]
            elif self.scale == "cosine":
                lengths = np.sqrt(np.outer(diagonal(part, new), diagonal(part, old)))
                found[i] /= np.where(lengths > 0, lengths, 1)
        return found

    @staticmethod
    def _gamma(part: Part, block: Floats) -> float:
        return part.gamma if part.gamma is not None else 1 / mean_distance(part, block)

    def _check(self, rows: Floats) -> None:
        if self.weighting not in WEIGHTINGS:
            raise unknown("weighting", self.weighting, WEIGHTINGS)
        if self.scale not in SCALES:
            raise unknown("scale", self.scale, SCALES)
        if not self.strength > 0:
            raise UserError(f"strength, the machines' C, must be above 0, got {self.strength}")
        parts = self._parts(rows.shape[1])
        if sum(part.width for part in parts) != rows.shape[1]:
            widths = ", ".join(f"{part.name} {part.width}" for part in parts)
            raise UserError(f"the parts must have the matrix's {rows.shape[1]} columns, got {widths}")
        for part, block in self._blocks(rows):
            if part.kernel not in KERNELS:
                raise unknown("kernel", part.kernel, KERNELS)
            if part.kernel in OF_COUNTS and (block < 0).any():
                raise UserError(
                    f"{part.kernel} compares histograms; {part.name} has numbers below 0: linear or rbf"
                )
