"""One SIFT descriptor as Lowe's section 6 reads (2004), pixel by pixel and bin by bin, without turning the patch."""

from math import atan2, exp, hypot, pi, sqrt

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def slopes(image: Floats, r: int, c: int) -> tuple[float, float]:
    """Differences across two pixels, across one at the rim: (by rows, by columns)."""
    height, width = image.shape
    up, down = max(r - 1, 0), min(r + 1, height - 1)
    left, right = max(c - 1, 0), min(c + 1, width - 1)
    return (image[down, c] - image[up, c]) / (down - up), (image[r, right] - image[r, left]) / (right - left)


def histograms(image: Floats, centre: tuple[float, float], bin_width: float) -> tuple[Floats, float]:
    """(4, 4, 8) of the patch around `centre`, and the weight that all pixels had in it together."""
    table, weights = np.zeros((4, 4, 8)), 0.0
    for r, c in np.ndindex(*image.shape):
        down, over = (r + 0.5 - centre[0]) / bin_width, (c + 0.5 - centre[1]) / bin_width
        by_row, by_col = slopes(image, r, c)
        gauss = exp(-(down**2 + over**2) / (2 * 2**2))  # half the patch's width of four bins
        turn = atan2(by_row, by_col) % (2 * pi) / (2 * pi / 8)
        for i, j in np.ndindex(4, 4):
            near = max(0.0, 1 - abs(down - (i - 1.5))) * max(0.0, 1 - abs(over - (j - 1.5)))
            weights += near * gauss
            for k in range(8):
                apart = min(abs(turn - k), 8 - abs(turn - k))
                table[i, j, k] += hypot(by_row, by_col) * gauss * near * max(0.0, 1 - apart)
    return table, weights


def descriptor(table: Floats) -> Floats:
    flat = [float(number) for number in table.ravel()]
    norm = sqrt(sum(number**2 for number in flat))
    clipped = [min(number / norm, 0.2) for number in flat]
    again = sqrt(sum(number**2 for number in clipped))
    return np.array([number / again for number in clipped])
