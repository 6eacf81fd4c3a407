"""Drops of water or mud on the lens."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.ndimage import correlate, label, uniform_filter

from neocog.data.corruptions.blur import smooth
from neocog.data.corruptions.noise import Floats, Strength
from neocog.data.corruptions.weather import grey

WATER = np.array([175, 238, 238]) / 255  # pale turquoise
MUD = np.array([63, 42, 20]) / 255
RELIEF = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], np.float64)
FARTHEST = 20.0  # pixels from the rim of a drop; beyond it, all is as far
STEPS = {
    (0, 1): 1.0,
    (1, 0): 1.0,
    (1, 1): 1.4,
    (1, 2): 2.1969,
    (2, 1): 2.1969,
}  # Borgefors (1986), as in OpenCV
Bytes = NDArray[np.uint8]


def spatter(x: Floats, strength: Strength, rng: Generator) -> Floats:
    """Smoothed normal noise above a threshold is liquid: water adds light, mud covers.

    `strength` = (mean, standard deviation, smoothness, threshold, amount, 1 for mud).
    """
    mean, deviation, smoothness, threshold, amount, is_mud = strength
    liquid = smooth(rng.normal(mean, deviation, size=x.shape[:2]), smoothness)
    if is_mud:
        cover = smooth((liquid > threshold).astype(np.float64), amount)[..., None]
        cover = np.where(cover < 0.8, 0, cover)
        return x * (1 - cover) + _coloured(MUD, x) * cover
    liquid = np.where(liquid < threshold, 0, liquid)
    light = shine(np.clip(liquid * 255, 0, 255).astype(np.uint8))
    return x + light[..., None] * amount * _coloured(WATER, x)


def _coloured(colour: Floats, x: Floats) -> Floats:
    """`colour` as the picture can show it."""
    return colour if x.shape[2] == 3 else grey(colour[None, None])


def shine(liquid: Bytes) -> Floats:
    """(h, w) in 0..1: how bright water is, lit from one side; 0 everywhere where there is none."""
    rim = edges(liquid, 50, 150)
    if not rim.any():
        return np.zeros(liquid.shape)
    height = equalised(np.floor(_mean3(distance(rim)) + 1e-5).astype(np.uint8))  # whole numbers stay whole
    lit = np.clip(correlate(height.astype(np.float64), RELIEF, mode="mirror"), 0, 255)
    light = liquid * np.rint(_mean3(lit))
    return np.asarray(light / max(light.max(), 1.0))


def _mean3(x: Floats) -> Floats:
    return np.asarray(uniform_filter(x, 3, mode="mirror"))


def distance(rim: NDArray[np.bool_]) -> Floats:
    """Pixels to the nearest point of `rim` in steps of a 5 x 5 chamfer, at most `FARTHEST`."""
    far = np.where(rim, 0, FARTHEST)
    height, width = rim.shape
    while True:
        wide = np.pad(far, 2, constant_values=FARTHEST)
        nearer = far
        for (dy, dx), length in STEPS.items():
            for y, x in {(dy, dx), (-dy, dx), (dy, -dx), (-dy, -dx)}:
                nearer = np.minimum(nearer, wide[2 + y : 2 + y + height, 2 + x : 2 + x + width] + length)
        if np.array_equal(nearer, far):
            return far
        far = nearer


def equalised(x: Bytes) -> Bytes:
    """Histogram equalisation as OpenCV does it: the darkest level becomes 0, the brightest 255."""
    counts = np.bincount(x.ravel(), minlength=256)
    darkest = int(x.min())
    rest = x.size - counts[darkest]
    if rest == 0:
        return x
    levels = np.rint((np.cumsum(counts) - counts[darkest]) * (255 / rest))
    return np.asarray(np.clip(levels, 0, 255).astype(np.uint8)[x])


def edges(x: Bytes, low: int, high: int) -> NDArray[np.bool_]:
    """Canny's (1986) edges as OpenCV finds them: Sobel, sum of absolute derivatives, ridges, two thresholds."""
    sobel = np.outer([1, 2, 1], [-1, 0, 1]).astype(np.float64)
    right, down = (correlate(x.astype(np.float64), k, mode="nearest") for k in (sobel, sobel.T))
    size = np.abs(right) + np.abs(down)
    ridge = _ridge(size, right, down) & (size > low)
    parts, _ = label(ridge, np.ones((3, 3)))
    return np.asarray(ridge & np.isin(parts, np.unique(parts[ridge & (size > high)])))


def _ridge(size: Floats, right: Floats, down: Floats) -> NDArray[np.bool_]:
    """Where the derivative is no smaller than its two neighbours across the edge."""
    around = np.pad(size, 1)
    height, width = size.shape

    def at(dy: int, dx: int) -> Floats:
        return around[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]

    flat, steep = np.tan(np.radians(22.5)), np.tan(np.radians(67.5))
    along = np.where(right * down < 0, 1, -1)  # which diagonal
    lies, stands = np.abs(down) < flat * np.abs(right), np.abs(down) > steep * np.abs(right)
    first = np.where(along > 0, at(-1, 1), at(-1, -1))
    second = np.where(along > 0, at(1, -1), at(1, 1))
    horizontal = (size > at(0, -1)) & (size >= at(0, 1))
    vertical = (size > at(-1, 0)) & (size >= at(1, 0))
    return np.select([lies, stands], [horizontal, vertical], (size > first) & (size > second))
