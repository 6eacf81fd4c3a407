"""The four layers of a stage (Jarrett et al. 2009): maps are float32 (maps, rows, columns)."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

Maps = NDArray[np.float32]
WINDOW = 9  # pixels of the Gaussian window, as the paper is quoted
SIGMA = 0.25 * WINDOW  # no source was found; that of Torch's image.gaussian, the same laboratory's


def filter_bank(maps: Maps, kernels: Maps, gains: Maps) -> Maps:
    """F_CSG: correlation with (filters, maps, k, k), no padding, then tanh, then a gain for each filter."""
    filters, _, size, _ = kernels.shape
    windows = sliding_window_view(maps, (size, size), axis=(1, 2))  # maps, rows, columns, k, k
    rows, columns = windows.shape[1:3]
    patches = np.ascontiguousarray(windows.transpose(0, 3, 4, 1, 2)).reshape(-1, rows * columns)
    answers = np.tanh(kernels.reshape(filters, -1) @ patches) * gains[:, None]
    return np.asarray(answers, np.float32).reshape(filters, rows, columns)


@cache
def gaussian() -> tuple[float, ...]:
    """The window along one axis, its sum 1."""
    away = np.arange(WINDOW) - WINDOW // 2
    bell = np.exp(-0.5 * (away / SIGMA) ** 2)
    return tuple(bell / bell.sum())


def local_sum(maps: NDArray[np.floating]) -> NDArray[np.float64]:
    """Σ_ipq w_pq x_i,j+p,k+q over all maps, (rows, columns); w sums to 1 over the maps and the window."""
    mean = np.asarray(maps, np.float64).mean(axis=0)
    for axis in (0, 1):
        mean = correlate1d(mean, gaussian(), axis=axis, mode="constant")
    return np.asarray(mean)


def normalise(maps: Maps, floor: float | None = None) -> Maps:
    """N: less the local mean, over the local deviation, both across all maps; as many rows and columns come out.

    The deviation counts as at least `floor`; None is its mean over the picture. Of a window that reaches beyond the
    border the part within is averaged.
    """
    within = local_sum(np.ones_like(maps[:1]))
    centred = maps - local_sum(maps) / within
    deviation = np.sqrt(local_sum(centred * centred) / within)
    least = float(deviation.mean()) if floor is None else floor
    return np.asarray(centred / np.maximum(deviation, max(least, 1e-12)), np.float32)


def pool(maps: Maps, size: int, step: int, average: bool) -> Maps:
    """P_A or P_M: the mean or the largest of size x size numbers, windows `step` apart and wholly within the map."""
    reduce = np.mean if average else np.max  # one axis after the other: the same, and fewer numbers are read
    rows = reduce(sliding_window_view(maps, size, axis=1)[:, ::step], axis=3)
    return np.asarray(reduce(sliding_window_view(rows, size, axis=2)[:, :, ::step], axis=3), np.float32)
