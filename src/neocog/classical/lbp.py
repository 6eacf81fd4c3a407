"""Local binary patterns (Ojala, Pietikäinen and Mäenpää 2002), computed by scikit-image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neocog.classical.pictures import Floats, Picture, TooSmall, grey, skimage_feature
from neocog.classical.transformer import PictureTransformer

POINTS = 8  # on the circle around a pixel


class LocalBinaryPatterns(PictureTransformer):
    """Pictures -> (n, cells^2 x patterns): how often each uniform pattern occurs in each cell, adding up to 1.

    A pattern says which of 8 points on a circle are as bright as its centre; uniform ones change at most twice
    around the circle, all others count as one. `turning` joins the patterns that are rotations of each other: 10 in
    all (the paper's riu2); else there are 59. The rim as wide as the circle, where points lie outside, is left
    out.
    """

    def __init__(self, radius: int = 1, cells: int = 4, turning: bool = False):
        self.radius = radius
        self.cells = cells
        self.turning = turning

    def describe(self, picture: Picture) -> Floats:
        least = 2 * self.radius + self.cells
        if min(picture.shape[:2]) < least:
            raise TooSmall(
                f"{picture.shape[0]} x {picture.shape[1]} pixels are too few: {self.cells} x {self.cells} cells of "
                f"local binary patterns need {least} x {least}; give larger pictures or fewer cells"
            )
        luma = np.rint(grey(picture) * 255).astype(np.uint8)
        method = "uniform" if self.turning else "nri_uniform"
        found = skimage_feature().local_binary_pattern(luma, POINTS, self.radius, method)
        inner = found[self.radius : -self.radius, self.radius : -self.radius].astype(np.int64)
        return self._histograms(inner, POINTS + 2 if self.turning else POINTS * (POINTS - 1) + 3)

    def _histograms(self, codes: NDArray[np.int64], patterns: int) -> Floats:
        row, col = (np.arange(extent) * self.cells // extent for extent in codes.shape)
        cell = row[:, None] * self.cells + col
        counts = np.bincount((cell * patterns + codes).ravel(), minlength=self.cells**2 * patterns)
        table = counts.reshape(self.cells**2, patterns)
        return np.asarray(table / table.sum(axis=1, keepdims=True), np.float32).ravel()
