"""SURF's filters and descriptor as the paper draws them (Bay et al. 2008), as loops over pixels and without tables."""

from math import atan2, cos, exp, hypot, pi, sin, sqrt

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def filter_weights(size: int) -> tuple[Floats, Floats, Floats]:
    """The boxes of figure 2, grown to `size`: Dyy, Dxx, Dxy."""
    lobe, middle = size // 3, size // 2
    dyy, dxy = np.zeros((size, size)), np.zeros((size, size))
    for r, c in np.ndindex(size, size):
        if abs(c - middle) <= lobe - 1:
            dyy[r, c] = (1, -2, 1)[r // lobe]
        if 1 <= abs(r - middle) <= lobe and 1 <= abs(c - middle) <= lobe:
            dxy[r, c] = 1 if (r < middle) == (c < middle) else -1
    return dyy, dyy.T.copy(), dxy


def determinant(image: Floats, r: int, c: int, size: int) -> float:
    dyy, dxx, dxy = filter_weights(size)
    sums = [0.0, 0.0, 0.0]
    for i, j in np.ndindex(size, size):
        pixel = image[r - size // 2 + i, c - size // 2 + j]
        for k, weights in enumerate((dyy, dxx, dxy)):
            sums[k] += weights[i, j] * pixel / size**2
    return sums[0] * sums[1] - (0.9 * sums[2]) ** 2


def wavelets(image: Floats, r: int, c: int, half: int) -> tuple[float, float]:
    """dx and dy of the square of side 2 half around the corner above and left of pixel (r, c)."""
    height, width = image.shape
    if r < half or c < half or r + half > height or c + half > width:
        return 0.0, 0.0
    dx = dy = 0.0
    for i, j in np.ndindex(2 * half, 2 * half):
        pixel = image[r - half + i, c - half + j]
        dx += pixel if j >= half else -pixel
        dy += pixel if i >= half else -pixel
    return dx, dy


def rounded(x: float) -> int:
    return int(np.rint(x))


def orientation(image: Floats, place: tuple[float, float], scale: float) -> float:
    responses = []
    for i in range(-6, 7):
        for j in range(-6, 7):
            if i * i + j * j <= 36:
                r, c = rounded(place[0] + scale * i), rounded(place[1] + scale * j)
                dx, dy = wavelets(image, r, c, max(rounded(2 * scale), 1))
                weight = exp(-(i * i + j * j) / (2 * 2**2))
                responses.append((dx * weight, dy * weight))
    best = (0.0, 0.0)
    for first in responses:
        inside = [
            other
            for other in responses
            if (atan2(other[1], other[0]) - atan2(first[1], first[0])) % (2 * pi) < pi / 3
        ]
        total = sum(x for x, _ in inside), sum(y for _, y in inside)
        if hypot(*total) > hypot(*best):
            best = total
    return atan2(best[1], best[0])


def descriptor(image: Floats, place: tuple[float, float], scale: float, angle: float) -> Floats:
    table = np.zeros((4, 4, 4))
    for i, j in np.ndindex(20, 20):
        v, u = i - 9.5, j - 9.5
        r = rounded(place[0] + scale * (sin(angle) * u + cos(angle) * v))
        c = rounded(place[1] + scale * (cos(angle) * u - sin(angle) * v))
        dx, dy = wavelets(image, r, c, max(rounded(scale), 1))
        weight = exp(-(u * u + v * v) / (2 * 3.3**2))
        along, across = cos(angle) * dx + sin(angle) * dy, cos(angle) * dy - sin(angle) * dx
        for k, number in enumerate((along, across, abs(along), abs(across))):
            table[i // 5, j // 5, k] += weight * number
    return table.ravel() / sqrt((table**2).sum())
