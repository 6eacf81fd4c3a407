"""Confident learning, equation by equation as Northcutt, Jiang and Chuang (2021) write it, with loops."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def thresholds(p: NDArray[np.float64], given: NDArray[np.int64]) -> list[float | None]:
    """Equation 2: the mean probability of j over the examples with the given label j."""
    found: list[float | None] = []
    for j in range(p.shape[1]):
        own = [p[x, j] for x in range(len(p)) if given[x] == j]
        found.append(sum(own) / len(own) if own else None)
    return found


def confident_class(row: NDArray[np.float64], t: list[float | None]) -> int | None:
    """The j of equation 1: of those with p_j >= t_j the one of the largest p_j."""
    reached = [j for j, least in enumerate(t) if least is not None and row[j] >= least - 1e-12]
    return max(reached, key=lambda j: (row[j], -j)) if reached else None


def confident_joint(p: NDArray[np.float64], given: NDArray[np.int64]) -> list[list[int]]:
    """Equation 1: C[i][j]."""
    m, t = p.shape[1], thresholds(p, given)
    counts = [[0] * m for _ in range(m)]
    for x in range(len(p)):
        j = confident_class(p[x], t)
        if j is not None:
            counts[int(given[x])][j] += 1
    return counts


def calibrated(counts: list[list[int]], given: NDArray[np.int64]) -> list[list[float]]:
    """Equation 3, not divided by n: row i sums to the number of given labels i."""
    m = len(counts)
    scaled = []
    for i in range(m):
        n_i = int((given == i).sum())
        total = sum(counts[i])
        scaled.append(
            [counts[i][j] / total * n_i for j in range(m)]
            if total
            else [float(n_i) if j == i else 0.0 for j in range(m)]
        )
    return scaled


def off_diagonal(p: NDArray[np.float64], given: NDArray[np.int64]) -> dict[int, int]:
    """Example -> the class it is counted as, of those counted off the diagonal ("CL method 2")."""
    t = thresholds(p, given)
    found = {x: confident_class(p[x], t) for x in range(len(p))}
    return {x: j for x, j in found.items() if j is not None and j != given[x]}


def pruned_by_class(p: NDArray[np.float64], given: NDArray[np.int64]) -> list[int]:
    """Method 3: of each class as many examples as are estimated to be wrong, those of the lowest self-confidence; all
    of them in that order."""
    joint, found = calibrated(confident_joint(p, given), given), []
    for i in range(p.shape[1]):
        own = sorted((p[x, i], x) for x in range(len(p)) if given[x] == i)
        wrong = round(sum(joint[i]) - joint[i][i])
        found += own[:wrong]
    return [x for _, x in sorted(found)]
