"""Jarrett et al. 2009, number by number as the formulas read: maps (maps, rows, columns), doubles."""

from math import exp, sqrt, tanh

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def window(size: int, sigma: float) -> list[list[float]]:
    """A Gaussian on size x size, its sum 1."""
    middle = size // 2
    bell = [
        [exp(-((p - middle) ** 2 + (q - middle) ** 2) / (2 * sigma**2)) for q in range(size)]
        for p in range(size)
    ]
    total = sum(map(sum, bell))
    return [[value / total for value in row] for row in bell]


def filter_bank(x: Floats, kernels: Floats, gains: Floats) -> Floats:
    """y_j = g_j tanh(Σ_i k_ij * x_i), where the kernel lies wholly within the map."""
    count, maps, size, _ = kernels.shape
    out = np.zeros((count, x.shape[1] - size + 1, x.shape[2] - size + 1))
    for j, r, c in np.ndindex(*out.shape):
        total = 0.0
        for i in range(maps):
            for p in range(size):
                for q in range(size):
                    total += kernels[j, i, p, q] * x[i, r + p, c + q]
        out[j, r, c] = gains[j] * tanh(total)
    return out


def local(x: Floats, w: list[list[float]], r: int, c: int) -> float:
    """Σ_ipq w_pq x_i,r+p,c+q over the maps' mean and the part of the window within, whose weights are raised to 1."""
    maps, rows, columns = x.shape
    half = len(w) // 2
    total = weight = 0.0
    for p in range(-half, half + 1):
        for q in range(-half, half + 1):
            if 0 <= r + p < rows and 0 <= c + q < columns:
                weight += w[p + half][q + half]
                for i in range(maps):
                    total += w[p + half][q + half] * x[i, r + p, c + q] / maps
    return total / weight


def normalise(x: Floats, w: list[list[float]], floor: float | None) -> Floats:
    """v = x - the local mean; y = v / max(c, the local deviation of v), c its mean over the picture or `floor`."""
    maps, rows, columns = x.shape
    v = np.zeros_like(x)
    for i, r, c in np.ndindex(maps, rows, columns):
        v[i, r, c] = x[i, r, c] - local(x, w, r, c)
    deviation = np.zeros((rows, columns))
    for r, c in np.ndindex(rows, columns):
        deviation[r, c] = sqrt(local(v**2, w, r, c))
    least = sum(map(float, deviation.ravel())) / (rows * columns) if floor is None else floor
    out = np.zeros_like(x)
    for i, r, c in np.ndindex(maps, rows, columns):
        out[i, r, c] = v[i, r, c] / max(least, deviation[r, c])
    return out


def pool(x: Floats, size: int, step: int, average: bool) -> Floats:
    """The mean, or the largest, of size x size numbers, `step` apart."""
    tops = range(0, x.shape[1] - size + 1, step)
    lefts = range(0, x.shape[2] - size + 1, step)
    out = np.zeros((x.shape[0], len(tops), len(lefts)))
    for i in range(x.shape[0]):
        for r, top in enumerate(tops):
            for c, left in enumerate(lefts):
                numbers = [x[i, top + p, left + q] for p in range(size) for q in range(size)]
                out[i, r, c] = sum(numbers) / len(numbers) if average else max(numbers)
    return out
