"""Tiny images: the picture itself, very small (Torralba, Fergus and Freeman 2008)."""

from __future__ import annotations

import numpy as np

from neocog.classical.pictures import Floats, Picture, coloured, resized
from neocog.classical.transformer import PictureTransformer


class TinyImages(PictureTransformer):
    """Pictures -> (n, 3 size^2): size x size pixels in colour, mean 0 and norm 1.

    A picture of one colour becomes zeros.
    """

    def __init__(self, size: int = 32):
        self.size = size

    def describe(self, picture: Picture) -> Floats:
        pixels = resized(coloured(picture), self.size, self.size).ravel().astype(np.float32)
        pixels -= pixels.mean()
        norm = np.linalg.norm(pixels)
        return pixels / norm if norm else pixels
