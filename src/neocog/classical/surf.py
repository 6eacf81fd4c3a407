"""SURF: blobs by the fast Hessian, described by sums of Haar wavelets (Bay, Ess, Tuytelaars and Van Gool 2008)."""

from __future__ import annotations

from math import pi

import numpy as np
from numpy.typing import NDArray

from neocog.classical.descriptors import unit
from neocog.classical.fast_hessian import Blobs, fast_hessian
from neocog.classical.integral import Doubles, integral
from neocog.classical.pictures import Floats, Picture, grey, within
from neocog.classical.transformer import Extractor, Local

SIDE, REGIONS = 20, 4  # samples and regions along a side of the square described
WINDOW = pi / 3  # of angles whose responses are added up to find the main orientation
NEAR, SPREAD = 6, 2.0  # radius and Gaussian weight of the samples for it, in scales (section 4.1)
REGION_SPREAD = 3.3  # Gaussian weight of the samples that are described, in scales (section 4.2)


class Surf(Extractor):
    """Picture -> SURF (n, 64) of square areas, 20 scales wide, around blobs.

    `upright` leaves the areas unturned (U-SURF). `threshold` is of the determinant for brightness in 0..1; the
    strongest `most` blobs are kept. Pictures whose longer side is not within `sides` are enlarged or shrunk to it
    first. A descriptor's order is row, column of its 4 x 4 regions, then the sums of dx, dy, |dx|, |dy|.
    """

    def __init__(
        self,
        threshold: float = 1e-3,
        octaves: int = 3,
        upright: bool = False,
        most: int = 1000,
        sides: tuple[int, int] | None = (128, 300),
    ):
        self.threshold = threshold
        self.octaves = octaves
        self.upright = upright
        self.most = most
        self.sides = sides

    def extract(self, picture: Picture) -> Local:
        image = grey(within(picture, self.sides))
        blobs = fast_hessian(image, self.threshold, self.octaves, self.most)
        table = integral(image)
        angles = np.zeros(len(blobs.scales)) if self.upright else orientations(table, blobs)
        radii = (SIDE / 2 * blobs.scales).astype(np.float32)
        found = Local(describe(table, blobs, angles), blobs.places.astype(np.float32), radii, image.shape)
        return found.seen_in(picture)


def orientations(table: Doubles, blobs: Blobs) -> Doubles:
    """(n,) angles, from the direction of the columns to that of the rows, of the steepest rise around each blob.

    The longest sum of responses over any window of 60 degrees: only windows that begin at a response can be it.
    """
    down, over = np.mgrid[-NEAR : NEAR + 1, -NEAR : NEAR + 1]
    disc = down**2 + over**2 <= NEAR**2
    steps = np.column_stack([down[disc], over[disc]])  # 113 samples
    where = blobs.places[:, None] + blobs.scales[:, None, None] * steps
    rise = haar(table, where, 2 * blobs.scales) * np.exp(-(steps**2).sum(axis=1) / (2 * SPREAD**2))[:, None]
    best = longest_sum(rise)
    return np.arctan2(best[:, 1], best[:, 0])


def longest_sum(rise: Doubles) -> Doubles:
    """(n, 2): of (n, samples, 2) responses the longest sum of those within a window of angles.

    Samples in order of their angles, twice around, so that a window is a run of them.
    """
    angle = np.arctan2(rise[..., 1], rise[..., 0])
    order = angle.argsort(axis=1)
    once, turned = np.take_along_axis(angle, order, 1), np.take_along_axis(rise, order[..., None], 1)
    twice = np.concatenate([once, once + 2 * pi], axis=1)
    sums = np.pad(np.concatenate([turned, turned], axis=1).cumsum(axis=1), ((0, 0), (1, 0), (0, 0)))
    end = np.array([np.searchsorted(row, row[: once.shape[1]] + WINDOW) for row in twice], int)
    totals = np.take_along_axis(sums, end.reshape(*once.shape, 1), 1) - sums[:, : once.shape[1]]
    longest = np.hypot(totals[..., 0], totals[..., 1]).argmax(axis=1)
    return np.asarray(totals[np.arange(len(totals)), longest])


def describe(table: Doubles, blobs: Blobs, angles: Doubles) -> Floats:
    """(n, 64) of norm 1, or 0 where there is nothing to see or the area lies outside of the picture."""
    line = np.arange(SIDE) - (SIDE - 1) / 2
    down, over = (axis.ravel() for axis in np.meshgrid(line, line, indexing="ij"))
    cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]
    turned = np.stack([sin * over + cos * down, cos * over - sin * down], axis=-1)
    where = blobs.places[:, None] + blobs.scales[:, None, None] * turned
    rise = haar(table, where, blobs.scales)
    rise *= np.exp(-(down**2 + over**2) / (2 * REGION_SPREAD**2))[:, None]
    dx, dy = rise[..., 0], rise[..., 1]
    along = np.stack([cos * dx + sin * dy, cos * dy - sin * dx], axis=-1)
    width = SIDE // REGIONS
    regions = np.concatenate([along, np.abs(along)], axis=-1).reshape(-1, REGIONS, width, REGIONS, width, 4)
    return unit(regions.sum(axis=(2, 4)).reshape(-1, REGIONS * REGIONS * 4).astype(np.float32))


def haar(table: Doubles, where: Doubles, half: Doubles) -> Doubles:
    """(n, samples, 2) rises along columns and rows: right minus left half, lower minus upper half of a square.

    `where` (n, samples, 2) are the squares' centres, moved to the nearest corner between pixels, `half` (n,) half
    their sides in pixels, rounded. Squares that leave the picture count as flat.
    """
    reach = np.maximum(np.rint(half), 1).astype(np.int64)[:, None, None]
    corner = np.rint(where).astype(np.int64)
    extent = np.array(table.shape) - 1
    inside = np.asarray(((corner >= reach) & (corner + reach <= extent)).all(axis=-1))
    lines = np.clip(np.stack([corner - reach, corner, corner + reach]), 0, extent)
    return haar_between(table, lines[..., 0], lines[..., 1]) * inside[..., None]


def haar_between(table: Doubles, rows: NDArray[np.int64], cols: NDArray[np.int64]) -> Doubles:
    """Both wavelets from the top, middle, bottom `rows` and the left, middle, right `cols` of their squares."""
    (top, middle, bottom), (left, centre, right) = rows, cols
    whole = table[bottom, right] - table[top, right] - table[bottom, left] + table[top, left]
    left_half = table[bottom, centre] - table[top, centre] - table[bottom, left] + table[top, left]
    upper_half = table[middle, right] - table[top, right] - table[middle, left] + table[top, left]
    return np.stack([whole - 2 * left_half, whole - 2 * upper_half], axis=-1)
