"""Features on one scale, so that none outweighs the others where they are laid side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted

from neocog.classical.pictures import Floats, TooSmall
from neocog.classical.transformer import takes_pictures
from neocog.errors import UserError


class Balanced(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """What the transformer `feature` says, divided by the root mean square of the training rows' lengths; float32.

    A linear machine on several of these side by side has the sum of their kernels, each scaled as by
    `KernelCombination(scale="mean")`. A picture too small for `feature` teaches nothing.
    """

    def __init__(self, feature: Any):
        self.feature = feature

    def fit(self, X: Sequence[Any], y: object = None) -> Balanced:
        self.feature_ = clone(self.feature).fit(X, y)
        squares = [square for i in range(len(X)) if (square := self._square(X, i)) is not None]
        if not squares:
            raise UserError(f"there must be pictures large enough to learn from, got none among {len(X)}")
        self.length_ = float(np.sqrt(np.mean(squares))) or 1.0
        return self

    def fit_transform(self, X: Sequence[Any], y: object = None) -> Floats:
        """TooSmall where a picture is; else what `fit` and `transform` give, of features that are computed once."""
        self.feature_ = clone(self.feature)
        rows = np.asarray(self.feature_.fit_transform(X, y), np.float64)
        self.length_ = float(np.sqrt((rows * rows).sum(axis=1).mean())) or 1.0
        return self._scaled(rows)

    def transform(self, X: Sequence[Any]) -> Floats:
        check_is_fitted(self)
        return self._scaled(self.feature_.transform(X))

    def _square(self, X: Sequence[Any], i: int) -> float | None:
        """The squared length of one row: all rows together may be too much for the memory."""
        try:
            row = np.asarray(self.feature_.transform(X[i : i + 1]), np.float64)
        except TooSmall:
            return None
        except UserError as error:
            raise UserError(f"picture {i}: {str(error).removeprefix('picture 0: ')}") from None
        return float((row * row).sum())

    def _scaled(self, rows: NDArray[np.floating[Any]]) -> Floats:
        return np.asarray(rows, np.float32) / np.float32(self.length_)

    def __sklearn_tags__(self) -> Any:
        return takes_pictures(super().__sklearn_tags__())
