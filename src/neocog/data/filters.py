"""The filters of antialiased resizing, and their weights in whole numbers over a power of two."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Kernel:
    """A filter: how much a source pixel at some distance counts, up to `support` result pixels away."""

    support: float
    weight: Callable[[Doubles], Doubles]
    signed: bool
    """has negative lobes, so that a sum can leave 0..255"""

    @property
    def bits(self) -> int:
        """Of a weight: 255 times the sum of a row's magnitudes (1, or below 2 with lobes) stays below 2**24."""
        return 15 if self.signed else 16


def _triangle(x: Doubles) -> Doubles:
    return np.asarray(np.maximum(0, 1 - np.abs(x)))


def _cubic(x: Doubles, a: float = -0.5) -> Doubles:
    """Keys, "Cubic convolution interpolation for digital image processing" (1981); a as in Pillow."""
    x = np.abs(x)
    near, far = ((a + 2) * x - (a + 3)) * x * x + 1, (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def _lanczos(x: Doubles, lobes: int = 3) -> Doubles:
    return np.where(np.abs(x) < lobes, np.sinc(x) * np.sinc(x / lobes), 0)


KERNELS = {
    "bilinear": Kernel(1, _triangle, signed=False),
    "bicubic": Kernel(2, _cubic, signed=True),
    "lanczos": Kernel(3, _lanczos, signed=True),
}


def weights_of(
    extent: int, low: float, high: float, size: int, interpolation: str
) -> tuple[NDArray[np.int64], Doubles]:
    """The first source line (size) of each result line and the weights (size, taps) of those from there on.

    Which lines count, and how much, is as in Pillow's `precompute_coeffs` (src/libImaging/Resample.c).
    """
    kernel = KERNELS[interpolation]
    scale = (high - low) / size
    stretch = max(scale, 1.0)
    reach = kernel.support * stretch
    centre = low + (np.arange(size) + 0.5) * scale
    first = np.maximum(centre - reach + 0.5, 0).astype(np.int64)
    last = np.minimum((centre + reach + 0.5).astype(np.int64), extent)
    places = first[:, None] + np.arange(int((last - first).max()))
    weights = kernel.weight((places - centre[:, None] + 0.5) / stretch) * (places < last[:, None])
    shares = weights.cumsum(axis=1) / weights.sum(axis=1, keepdims=True)
    # rounding the running sums keeps each row's total at 1, and errors from adding up
    whole = np.rint(shares * 2.0**kernel.bits)
    return first, np.diff(whole, axis=1, prepend=0) / 2.0**kernel.bits
