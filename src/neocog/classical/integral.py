"""Sums over boxes from four numbers each (Viola and Jones 2001), which is what makes SURF fast."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Box = tuple[int, int, int, int]
"""top, left, bottom, right; the last two not included"""


def integral(image: NDArray[np.floating]) -> Doubles:
    """(height + 1, width + 1): at [r, c] the sum of the picture's first r rows and c columns."""
    table = np.zeros((image.shape[0] + 1, image.shape[1] + 1))
    np.cumsum(image, axis=0, dtype=np.float64, out=table[1:, 1:])
    np.cumsum(table[1:, 1:], axis=1, out=table[1:, 1:])
    return table


def sums_around(table: Doubles, rows: range, cols: range, box: Box) -> Doubles:
    """(rows, columns): the sum over a box laid around each pixel of a grid; all boxes must lie in the picture."""
    top, left, bottom, right = box

    def corner(down: int, over: int) -> Doubles:
        return table[
            rows.start + down : rows.stop + down : rows.step,
            cols.start + over : cols.stop + over : cols.step,
        ]

    return corner(bottom, right) - corner(top, right) - corner(bottom, left) + corner(top, left)
