"""Blurs. Each function: floats (h, w, c) in 0..1, the strength as the authors give it, a generator -> floats."""

from __future__ import annotations

from functools import lru_cache
from math import ceil, cos, radians, sin

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.ndimage import correlate1d, gaussian_filter
from scipy.signal import fftconvolve
from scipy.sparse import csr_array

from neocog.data.corruptions.noise import Floats, Strength, as_bytes


def gaussian_blur(x: Floats, strength: Strength, rng: Generator) -> Floats:
    """A Gaussian of standard deviation `strength` pixels, the border repeated."""
    (sigma,) = strength
    return smooth(x, sigma)


def defocus_blur(x: Floats, strength: Strength, rng: Generator) -> Floats:
    """Each point becomes a disk of `strength` = (radius, softness of its rim), in pixels."""
    kernel = disk(*strength)[..., None]
    reach = len(kernel) // 2
    wide = np.pad(x, ((reach, reach), (reach, reach), (0, 0)), mode="reflect")
    return np.asarray(fftconvolve(wide, kernel, mode="valid", axes=(0, 1)))


def glass_blur(x: Floats, strength: Strength, rng: Generator) -> Floats:
    """Frosted glass: `strength` = (sigma, most displacement, rounds): blurred, displaced in each round, blurred."""
    sigma, most, rounds = strength[0], int(strength[1]), int(strength[2])
    pixels = as_bytes(smooth(x, sigma)) / 255
    for _ in range(rounds):
        pixels = displaced(pixels, most, rng.integers(-most, most, size=(2, x.shape[0], x.shape[1])))
    return smooth(pixels, sigma)


def motion_blur(x: Floats, strength: Strength, rng: Generator) -> Floats:
    """`strength` = (radius, sigma) in pixels, in a direction of -45 to 45 degrees."""
    radius, sigma = strength
    return moved(x, int(radius), sigma, rng.uniform(-45, 45))


def zoom_blur(x: Floats, strength: Strength, rng: Generator) -> Floats:
    """The mean of the picture and of it zoomed by 1, 1 + step, ... below `strength` = (limit, step)."""
    limit, step = strength
    factors = np.arange(1, limit, step)
    return np.asarray((x + sum(zoomed(x, factor) for factor in factors)) / (len(factors) + 1))


def smooth(x: Floats, sigma: float) -> Floats:
    """scikit-image's `gaussian`, which the authors use: four sigmas wide, the border repeated."""
    axes = (sigma, sigma, 0)[: x.ndim]
    return np.asarray(gaussian_filter(x, axes, mode="nearest", truncate=4))


@lru_cache(maxsize=16)
def disk(radius: float, softness: float) -> Floats:
    """A disk, its rim softened by a small Gaussian, as the authors make it with OpenCV.

    Its sum is 1, save where the disk touches the border and is mirrored there: 1.013 at radius 8, 1.011 at 10.
    """
    reach, taps = (8, 1) if radius <= 8 else (int(radius), 2)
    side = np.arange(-reach, reach + 1)
    kernel = (side[:, None] ** 2 + side**2 <= radius**2).astype(np.float64)
    kernel /= kernel.sum()
    soft = np.exp(-(np.arange(-taps, taps + 1) ** 2) / (2 * softness**2))
    for axis in (0, 1):
        kernel = correlate1d(kernel, soft / soft.sum(), axis=axis, mode="mirror")
    return kernel


def moved(x: Floats, radius: int, sigma: float, angle: float) -> Floats:
    """ImageMagick's MotionBlurImage: half a Gaussian, 2 `radius` + 1 steps in whole pixels along `angle` degrees."""
    width = 2 * radius + 1
    weights = np.exp(-(np.arange(width) ** 2) / (2 * sigma**2))
    wide = np.pad(x, ((width, width), (width, width), (0, 0)), mode="edge")
    blurred = np.zeros_like(x)
    for i, weight in enumerate(weights / weights.sum()):
        down, right = (width + ceil(i * f(radians(angle)) - 0.5) for f in (sin, cos))
        blurred += weight * wide[down : down + x.shape[0], right : right + x.shape[1]]
    return blurred


def zoomed(x: Floats, factor: float) -> Floats:
    """The middle of `x`, `factor` times as large, bilinear, in the size of `x`."""
    for _ in range(2):  # down, then across
        line = _stretch(len(x), float(factor)) @ x.reshape(len(x), -1)
        x = line.reshape(x.shape).swapaxes(0, 1)
    return np.asarray(x)


@lru_cache(maxsize=256)
def _stretch(side: int, factor: float) -> csr_array:
    """(side, side): what each point of a zoomed line takes from the points of the line."""
    kept = ceil(side / factor)
    long = round(kept * factor)
    start, trim = (side - kept) // 2, (long - side) // 2
    at = start + (np.arange(side) + trim) * (kept - 1) / max(long - 1, 1)
    return csr_array(np.maximum(0, 1 - np.abs(at[:, None] - np.arange(side))))


def displaced(x: Floats, most: int, shift: NDArray[np.int64]) -> Floats:
    """Row by row from the last point to the first, each takes the value of a point nearby, as it is by then.

    `shift` (2, h, w) says how far down and right, at most `most`; a rim of about `most` points stays.
    The authors mean to swap the two, but both sides of their assignment are views of one array: the second point
    keeps its value. The published pictures are made so. Where a value comes from at last is found by following
    each point to its source, and that to its own where it had been displaced before.
    """
    height, width = x.shape[:2]
    place = np.arange(height * width).reshape(height, width)
    inner = np.zeros((height, width), bool)
    inner[most + 1 : height - most + 1, most + 1 : width - most + 1] = True
    source = np.where(inner, place + shift[0] * width + shift[1], place).ravel()
    earlier = (source > place.ravel()) & inner.ravel()[source]
    follow = np.where(earlier, source, place.ravel())
    while not np.array_equal(further := follow[follow], follow):
        follow = further
    return x.reshape(-1, x.shape[2])[source[follow]].reshape(x.shape)
