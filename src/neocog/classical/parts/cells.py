"""Pictures of 64 x 128 pixels, such as two parts brought to fixed places, described cell by cell."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from neocog.classical.parts.aligned import HEIGHT, WIDTH, cells, gradients, nearest_colour, palette
from neocog.classical.pictures import Floats, Picture, Pictures, checked, coloured, described, resized
from neocog.classical.transformer import takes_pictures
from neocog.errors import UserError, unknown

BASES = ("gradients", "colours")
SIZES = (8, 16)  # pixels of a cell: the two grids that the paper is quoted for; its text was not at hand


class AlignedCells(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """What `PartOneVsOne` reads of an aligned patch (Berg and Belhumeur 2013); other pictures are squashed to 64 x 128.

    X is a sequence of pictures; (n, rows * columns * numbers of a cell) float32 come out, each cell of length 1.

    base: what a cell is described by, `gradients` (8 directions) or `colours` (32, learned from all pictures)
    cell: pixels of a cell, one of `SIZES`
    """

    def __init__(self, base: str = "gradients", cell: int = 8, random_state: Any = 0) -> None:
        self.base = base
        self.cell = cell
        self.random_state = random_state

    def fit(self, X: Pictures, y: object = None) -> AlignedCells:
        demand_cells(self.base, self.cell)
        if self.base == "colours":
            if not len(X):
                raise UserError("colours need a picture to learn from, got none")
            seed = int(check_random_state(self.random_state).randint(2**31 - 1))
            self.palette_ = palette((_patch(checked(X[i])) for i in range(len(X))), seed)
        return self

    def transform(self, X: Pictures) -> Floats:
        """Without `fit`, too, where nothing is learned."""
        demand_cells(self.base, self.cell)
        if self.base == "colours":
            check_is_fitted(self)
        return described(X, self._describe)

    def _describe(self, picture: Picture) -> Floats:
        patch = _patch(picture)
        values = gradients(patch) if self.base == "gradients" else nearest_colour(patch, self.palette_)
        return cells(values, self.cell).astype(np.float32).ravel()

    def __sklearn_tags__(self) -> Any:
        tags = takes_pictures(super().__sklearn_tags__())
        tags.requires_fit = self.base == "colours"
        return tags


def demand_cells(base: str, cell: int) -> None:
    """UserError for a base or a size of cells that there is not."""
    if base not in BASES:
        raise unknown("base", base, BASES)
    if cell not in SIZES:
        raise UserError(f"cell must be {' or '.join(map(str, SIZES))} pixels, got {cell}")


def _patch(picture: Picture) -> NDArray[np.float64]:
    return coloured(resized(picture, HEIGHT, WIDTH)).astype(np.float64)
