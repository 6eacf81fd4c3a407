"""Features on one scale, so that none outweighs the others where they are laid side by side."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from neocog.errors import UserError


class Balanced(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Divides by the root mean square of the training rows' lengths; (n, d) float32.

    A linear machine on several such matrices side by side has the sum of their kernels, each scaled as by
    `KernelCombination(scale="mean")`.
    """

    def fit(self, X: ArrayLike, y: object = None) -> Balanced:
        rows = np.asarray(X, np.float64)
        if rows.ndim != 2 or not len(rows):
            raise UserError(f"features must be a matrix (n, d) with a row, got shape {rows.shape}")
        self.length_ = float(np.sqrt((rows * rows).sum(axis=1).mean())) or 1.0
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        check_is_fitted(self)
        return np.asarray(X, np.float32) / np.float32(self.length_)
