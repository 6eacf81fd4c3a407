"""The two kinds of descriptors as scikit-learn objects: of a whole picture, and of places in it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from neocog.classical.pictures import Floats, Picture, Pictures, described


def takes_pictures(tags: Any) -> Any:
    """scikit-learn's tags of an estimator whose X is a list of pictures."""
    tags.input_tags.two_d_array = False
    tags.input_tags.three_d_array = True
    return tags


class PictureTransformer(TransformerMixin, BaseEstimator, ABC):  # type: ignore[misc]
    """Describes each picture on its own; nothing is learned.

    `X` is a sequence of uint8 pictures (height, width) or (height, width, 3) of any sizes.
    """

    def fit(self, X: Pictures, y: object = None) -> Self:
        return self

    def transform(self, X: Pictures) -> Floats:
        """(n, d); UserError for a picture that is none or has too few pixels."""
        return described(X, self.describe)

    @abstractmethod
    def describe(self, picture: Picture) -> Floats:
        """(d,) numbers of one picture."""

    def __sklearn_tags__(self) -> Any:
        tags = takes_pictures(super().__sklearn_tags__())
        tags.requires_fit = False
        return tags


@dataclass(frozen=True)
class Local:
    """What an extractor found in a picture: n descriptors and the squares that they describe."""

    descriptors: Floats
    """(n, d)"""
    places: Floats
    """(n, 2) row and column of each centre in pixels of the picture; the first pixel's centre is (.5, .5)"""
    radii: Floats
    """(n,) half the side of each square in pixels"""
    shape: tuple[int, int]
    """height and width of the picture"""

    def cells(self, rows: int, cols: int) -> NDArray[np.int64]:
        """(n,) which cell of a grid of rows x cols over the picture each centre lies in, counted row by row."""
        scaled = self.places / np.array(self.shape) * (rows, cols)
        row, col = np.clip(scaled, 0, (rows - 1, cols - 1)).astype(np.int64).T
        return np.asarray(row * cols + col)

    def seen_in(self, picture: Picture) -> Local:
        """The same in the pixels of the picture as it was before it was brought to another size."""
        height, width = picture.shape[:2]
        factors = np.array((height / self.shape[0], width / self.shape[1]), np.float32)
        return Local(self.descriptors, self.places * factors, self.radii * factors.mean(), (height, width))


class Extractor(BaseEstimator, ABC):  # type: ignore[misc]
    """Finds places in a picture and describes each; its settings can be searched as `extractor__NAME`."""

    @abstractmethod
    def extract(self, picture: Picture) -> Local:
        """None found is no error: n is 0. TooSmall for a picture that has too few pixels to look at."""
