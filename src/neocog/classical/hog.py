"""Histograms of oriented gradients (Dalal and Triggs 2005), computed by scikit-image."""

from __future__ import annotations

import numpy as np

from neocog.classical.pictures import Floats, Picture, resized, skimage_feature
from neocog.classical.transformer import PictureTransformer
from neocog.errors import UserError


class Hog(PictureTransformer):
    """Pictures -> (n, d): gradients' orientations (unsigned, 9 of them) in cells, normalised in overlapping blocks.

    As in the paper: square roots of the colours, per pixel the colour with the steepest gradient, cells of 8x8 pixels,
    blocks of 2x2 cells at every cell, L2-Hys. Not as there: pixels count for the nearest orientation and cell only,
    and the block has no Gaussian window. d = (size / cell - block + 1)^2 block^2 orientations.
    """

    def __init__(self, size: int = 128, cell: int = 8, block: int = 2, orientations: int = 9):
        self.size = size
        self.cell = cell
        self.block = block
        self.orientations = orientations

    def describe(self, picture: Picture) -> Floats:
        if self.size < self.cell * self.block:
            raise UserError(
                f"size must hold a block of {self.cell * self.block} pixels (cell x block), got {self.size}"
            )
        found = skimage_feature().hog(
            resized(picture, self.size, self.size).astype(np.float32),
            orientations=self.orientations,
            pixels_per_cell=(self.cell, self.cell),
            cells_per_block=(self.block, self.block),
            block_norm="L2-Hys",
            transform_sqrt=True,
            channel_axis=2 if picture.ndim == 3 else None,
        )
        return np.asarray(found, np.float32)
