"""Corruptions point by point, as the authors' scripts read: slow, from the random numbers that they are given."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def glass(x: Floats, most: int, shift: NDArray[np.int64]) -> Floats:
    """make_imagenet_c.glass_blur's loop. Its two sides are views of one array, so nothing is swapped."""
    x = x.copy()
    height, width = x.shape[:2]
    for row in range(height - most, most, -1):
        for column in range(width - most, most, -1):
            down, right = row + shift[0, row, column], column + shift[1, row, column]
            x[row, column], x[down, right] = x[down, right], x[row, column]
    return x


def plasma(side: int, decay: float, rng: np.random.Generator) -> Floats:
    """Diamond-square on a torus: middles of squares, then of their edges, each level `decay` times as smooth."""
    heights = np.zeros((side, side))
    step, wobble = side, 100.0
    while step >= 2:
        half = step // 2
        diagonal = [(-half, -half), (-half, half), (half, -half), (half, half)]
        straight = [(-half, 0), (half, 0), (0, -half), (0, half)]
        for top, left, around in ((half, half, diagonal), (0, half, straight), (half, 0, straight)):
            rough = rng.uniform(-(wobble**2), wobble**2, (side // step, side // step))
            for i, j in np.ndindex(*rough.shape):
                y, x = top + i * step, left + j * step
                ends = [heights[(y + dy) % side, (x + dx) % side] for dy, dx in around]
                heights[y, x] = sum(ends) / 4 + rough[i, j]
        step, wobble = half, wobble / decay
    heights -= heights.min()
    return np.asarray(heights / heights.max())


def correlated(x: Floats, kernel: Floats) -> Floats:
    """OpenCV's filter2D: the border mirrored without its last point."""
    reach = len(kernel) // 2
    out = np.zeros_like(x)
    height, width = x.shape[:2]
    for row, column in np.ndindex(height, width):
        for y, k in np.ndindex(*kernel.shape):
            down, right = mirrored(row + y - reach, height), mirrored(column + k - reach, width)
            out[row, column] += kernel[y, k] * x[down, right]
    return out


def mirrored(place: int, side: int) -> int:
    """-1 is 1, `side` is `side` - 2."""
    place = abs(place) % (2 * side - 2)
    return 2 * side - 2 - place if place >= side else place
