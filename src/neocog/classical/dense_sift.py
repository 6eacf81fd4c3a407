"""SIFT descriptors on a grid, without looking for points (Lazebnik, Schmid and Ponce 2006, section 4).

Each is Lowe's (2004, section 6): 4x4 histograms of 8 orientations of the gradient, upright, a pixel shared between
the neighbouring bins by its distance to them, weighted with a Gaussian over the patch of twice a bin's width.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import pi, sqrt

import numpy as np
from scipy.ndimage import gaussian_filter

from neocog.classical.descriptors import lowe, rooted
from neocog.classical.pictures import Floats, Picture, TooSmall, grey, within
from neocog.classical.transformer import Extractor, Local

BINS, ORIENTATIONS = 4, 8
MAGNIFICATION = 6  # a bin's width over the blur that goes with it, as in VLFeat's vl_phow
SHARP = 0.5  # the blur that a picture is taken to have already
FLAT = 0.005  # mean gradient, of a brightness range of 1 a pixel, below which a patch is described by zeros


class DenseSift(Extractor):
    """Picture -> SIFT (n, 128) of square patches, 4 `bins` wide, whose corners lie `step` pixels apart.

    Several widths of `bins` give several scales. `root` makes it RootSIFT. A patch with next to no gradient is
    described by zeros. Pictures whose longer side is not within `sides` are enlarged or shrunk to it first.
    The order of a descriptor is row, column, orientation, counted from the direction of the columns to that of the
    rows.
    """

    def __init__(
        self,
        step: int = 8,
        bins: Sequence[int] = (4,),
        root: bool = False,
        sides: tuple[int, int] | None = (128, 300),
    ):
        self.step = step
        self.bins = bins
        self.root = root
        self.sides = sides

    def extract(self, picture: Picture) -> Local:
        image = grey(within(picture, self.sides))
        patch = BINS * max(self.bins)
        if min(image.shape) < patch:
            raise TooSmall(
                f"a picture looked at with {image.shape[0]} x {image.shape[1]} pixels is too small: a patch of dense "
                f"SIFT has {patch} x {patch}; give larger pictures, narrower bins or larger sides"
            )
        parts = [self._scale(image, width) for width in self.bins]
        descriptors, places, radii = (np.concatenate(part) for part in zip(*parts, strict=True))
        found = rooted(descriptors) if self.root else descriptors
        return Local(found, places, radii, image.shape).seen_in(picture)

    def _scale(self, image: Floats, width: int) -> tuple[Floats, Floats, Floats]:
        blur = (width / MAGNIFICATION) ** 2 - SHARP**2
        smooth = gaussian_filter(image, sqrt(blur)) if blur > 0 else image
        patch = BINS * width
        rows, cols = (centres(extent, patch, self.step) for extent in image.shape)
        places = np.stack(np.meshgrid(rows, cols, indexing="ij"), axis=-1).reshape(-1, 2)
        return described_at(smooth, rows, cols, width), places, np.full(len(places), patch / 2, np.float32)


def centres(extent: int, patch: int, step: int) -> Floats:
    """Where patches lie along one side: as many as fit, what is left over shared between both ends."""
    number = (extent - patch) // step + 1
    first = (extent - patch - (number - 1) * step) // 2
    return (first + patch / 2 + step * np.arange(number)).astype(np.float32)


def described_at(image: Floats, rows: Floats, cols: Floats, width: float) -> Floats:
    """SIFT (rows x columns, 128) at every crossing of centres; a bin is `width` pixels wide."""
    down, across = window(len(image), rows, width), window(image.shape[1], cols, width)
    sums = down @ oriented(image) @ across.T  # orientations, rows x 4, columns x 4
    table = sums.reshape(ORIENTATIONS, len(rows), BINS, len(cols), BINS).transpose(1, 3, 2, 4, 0)
    histograms = table.reshape(len(rows) * len(cols), -1)
    weight = np.outer(*(side.reshape(-1, BINS, side.shape[1]).sum(axis=(1, 2)) for side in (down, across)))
    mean = histograms.sum(axis=1) / weight.ravel()
    return lowe(np.where(mean[:, None] < FLAT, np.float32(0), histograms))


def window(extent: int, centres: Floats, width: float) -> Floats:
    """(centres x 4, extent): how much each pixel of a line counts in each of a patch's four bins.

    The share between neighbouring bins times the Gaussian of the patch, both of which are products of a row's and a
    column's part.
    """
    pixel = np.arange(extent) + 0.5
    off = (pixel - centres[:, None]) / width  # centres, pixels; in bins
    bins = np.arange(BINS) - (BINS - 1) / 2
    share = np.maximum(1 - np.abs(off[:, None] - bins[:, None]), 0)
    gauss = np.exp(-((off / (BINS / 2)) ** 2) / 2)
    return np.asarray((share * gauss[:, None]).reshape(-1, extent), np.float32)


def oriented(image: Floats) -> Floats:
    """(8, height, width): each pixel's gradient, shared between the two orientations nearest to its own."""
    down, across = np.gradient(image)
    magnitude = np.hypot(down, across).ravel()
    turn = (np.arctan2(down, across).ravel() / (2 * pi) * ORIENTATIONS) % ORIENTATIONS
    lower = turn.astype(np.int64) % ORIENTATIONS
    share = turn - np.floor(turn)
    maps = np.zeros((ORIENTATIONS, image.size), np.float32)
    pixel = np.arange(image.size)
    maps[lower, pixel] = magnitude * (1 - share)
    maps[(lower + 1) % ORIENTATIONS, pixel] = magnitude * share
    return maps.reshape(ORIENTATIONS, *image.shape)
