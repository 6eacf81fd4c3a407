"""How well probabilities put pictures of a class before all others, whatever the threshold."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from neocog.evaluation.per_picture import demand_answers


def average_precision(scores: NDArray[np.float32], shown: NDArray[np.bool_]) -> float | None:
    """The sum over falling thresholds of precision times the recall gained; None where nothing is shown.

    Equal scores pass a threshold together, as in scikit-learn: no interpolation.
    """
    if not shown.any():
        return None
    return float(weighted_precision(scores, shown)(np.ones((len(scores), 1), np.float32))[0])


def weighted_precision(
    scores: NDArray[np.float32], shown: NDArray[np.bool_]
) -> Callable[[NDArray[np.float32]], NDArray[np.float64]]:
    """`average_precision` (draws,) as a function of how often each picture counts (n, draws); NaN where none is shown.

    The pictures are sorted once, and only thresholds that a shown picture passes are looked at: no other adds recall.
    """
    order = np.argsort(-scores, kind="stable")
    there = shown[order]
    after = np.append(
        np.flatnonzero(np.diff(scores[order])) + 1, len(order)
    )  # places after each run of equal ones
    passing = np.diff(np.cumsum(there)[after - 1], prepend=0)
    gains = passing > 0
    named = _sums(order, after[gains], len(order))
    hits = _sums(order[there], np.cumsum(passing[gains]), len(order))

    def precision(weights: NDArray[np.float32]) -> NDArray[np.float64]:
        gained, added = hits(weights), named(weights)
        if not gained.size:
            return np.full(weights.shape[1], np.nan)
        right = gained.cumsum(axis=1)
        areas = (gained * right / np.maximum(added.cumsum(axis=1), 1)).sum(axis=1)
        found = np.divide(areas, right[:, -1], out=np.full(len(areas), np.nan), where=right[:, -1] > 0)
        return np.asarray(found)

    return precision


def _sums(
    pictures: NDArray[np.int64], ends: NDArray[np.int64], n: int
) -> Callable[[NDArray[np.float32]], NDArray[np.float64]]:
    """Sums (draws, len(ends)) of the weights (n, draws) of `pictures` up to each end from the one before."""
    from scipy.sparse import csr_array

    starts = np.append(0, ends)
    ones = np.ones(starts[-1], np.float32)
    parts = csr_array((ones, pictures[: starts[-1]], starts), shape=(len(ends), n))
    return lambda weights: np.ascontiguousarray((parts @ weights).T, np.float64)


def auroc(scores: NDArray[np.float32], shown: NDArray[np.bool_]) -> float | None:
    """The area under the ROC curve: how often a picture that shows the class scores above one that does not, equal
    scores counting half (Mann and Whitney 1947; Hanley and McNeil 1982). None where all pictures show it, or none."""
    others, ours = np.sort(scores[~shown]), scores[shown]
    if not len(others) or not len(ours):
        return None
    twice = np.searchsorted(others, ours, "left").sum() + np.searchsorted(others, ours, "right").sum()
    return float(twice / (2 * len(others) * len(ours)))


def aurocs(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """`auroc` of each column of `probabilities` (n, k) against all other classes (k,); NaN where it has none."""
    demand_answers(probabilities, labels)
    found = [auroc(column, labels == i) for i, column in enumerate(np.ascontiguousarray(probabilities.T))]
    return np.array([np.nan if area is None else area for area in found])


def macro_auroc(areas: NDArray[np.float64]) -> float | None:
    """The mean of `aurocs` over the classes that have one; None where none has."""
    there = areas[~np.isnan(areas)]
    return float(there.mean()) if len(there) else None
