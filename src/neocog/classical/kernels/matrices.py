"""Kernels between rows of features: linear, RBF, exponential chi-squared, histogram intersection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.metrics.pairwise import additive_chi2_kernel

from neocog.classical.histogram_kernels import histogram_intersection
from neocog.errors import UserError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Part:
    """One kind of features: `width` columns of the whole matrix, and the kernel on them."""

    name: str
    width: int
    kernel: str = "linear"
    """one of `KERNELS`"""
    gamma: float | None = None
    """of rbf and chi2; None is one over the mean distance between training rows (Zhang et al. 2007)"""


def side_by_side(
    features: Mapping[str, NDArray[np.floating]], kernel: str = "linear"
) -> tuple[Floats, tuple[Part, ...]]:
    """Named matrices (n, d) as one, and what its columns are: what `KernelCombination` is given."""
    lengths = {name: len(matrix) for name, matrix in features.items()}
    if not features or len(set(lengths.values())) > 1:
        raise UserError(f"features of the same pictures must have as many rows each, got {lengths}")
    parts = tuple(Part(name, matrix.shape[1], kernel) for name, matrix in features.items())
    return np.hstack([np.asarray(matrix, np.float64) for matrix in features.values()]), parts


def squared(a: Floats, b: Floats) -> Floats:
    """‖x - y‖² of each pair of rows."""
    return np.asarray(cdist(a, b, "sqeuclidean"))


def chi_squared(a: Floats, b: Floats) -> Floats:
    """Σ (x - y)² / (x + y) of each pair of rows, 0/0 being 0."""
    return np.asarray(-additive_chi2_kernel(a, b))


def linear(a: Floats, b: Floats) -> Floats:
    return np.asarray(a @ b.T)


def intersection(a: Floats, b: Floats) -> Floats:
    return np.asarray(histogram_intersection(a, b), np.float64)


KERNELS: dict[str, Callable[[Floats, Floats], Floats]] = {
    "linear": linear,
    "rbf": squared,
    "chi2": chi_squared,
    "intersection": intersection,
}
"""the kernel, or of rbf and chi2 the distance whose negative exponential it is"""
OF_DISTANCES = ("rbf", "chi2")
OF_COUNTS = ("chi2", "intersection")


def mean_distance(part: Part, rows: Floats) -> float:
    """Between different rows; 1 where all are the same."""
    apart = KERNELS[part.kernel](rows, rows)
    mean = apart.sum() / max(len(rows) * (len(rows) - 1), 1)
    return float(mean) if mean > 0 else 1.0


def matrix(part: Part, gamma: float, a: Floats, b: Floats) -> Floats:
    """(len(a), len(b)); `gamma` is read where the kernel is of distances."""
    values = KERNELS[part.kernel](a, b)
    return np.exp(-gamma * values) if part.kernel in OF_DISTANCES else values


def diagonal(part: Part, rows: Floats) -> Floats:
    """k(x, x) of each row, without the whole matrix."""
    if part.kernel in OF_DISTANCES:
        return np.ones(len(rows))
    return np.asarray((rows * rows).sum(axis=1) if part.kernel == "linear" else rows.sum(axis=1))
