"""Hashes that stay nearly the same when a picture is scaled, recompressed or a little brighter."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Box = tuple[float, float, float, float]
SIDE = 32  # pixels of the grey picture that is hashed
LOW = 8  # of its frequencies in each direction


def cosines(n: int) -> NDArray[np.float64]:
    """The DCT-II as a matrix (n, n): row k holds cos(pi (2x + 1) k / 2n)."""
    x = np.arange(n)
    return np.cos(np.pi * (2 * x + 1) * x[:, None] / (2 * n))


BASIS = cosines(SIDE)[:LOW]


class Hashes(NamedTuple):
    """64 bits each: of the picture, and of its mirror image."""

    phash: int
    dhash: int
    phash_mirror: int
    dhash_mirror: int


def thumbnail(image: Image.Image, box: Box) -> NDArray[np.uint8]:
    """(32, 32), of a grey picture (mode L), of which `box` holds the pixels.

    Not Pillow's box filter: where its windows end between pixels, a mirror image gives other values.
    """
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box))


def hashes(image: Image.Image, box: Box) -> Hashes:
    """Of a grey picture (mode L), of which `box` holds the pixels."""
    grey = thumbnail(image, box).astype(np.float64)
    steps = np.asarray(image.resize((9, 8), Image.Resampling.BILINEAR, box), np.int16)
    return Hashes(phash(grey), dhash(steps), phash(grey[:, ::-1]), dhash(steps[:, ::-1]))


def phash(grey: NDArray[np.float64]) -> int:
    """Which of the 64 lowest DCT coefficients of a 32x32 picture lie above their median (Zauner 2010, 3.2.1).

    The first coefficient, the mean brightness, takes part as a bit but not in the median.
    """
    low = (BASIS @ grey @ BASIS.T).ravel()
    return _packed(low > np.median(low[1:]))


def dhash(steps: NDArray[np.int16]) -> int:
    """Where brightness rises from left to right in 8 rows of 9 pixels (Krawetz 2013)."""
    return _packed((steps[:, 1:] > steps[:, :-1]).ravel())


def _packed(bits: NDArray[np.bool_]) -> int:
    return int.from_bytes(np.packbits(bits).tobytes(), "big")
