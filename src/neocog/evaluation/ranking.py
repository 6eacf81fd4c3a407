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
    return weighted_precision(scores, shown)(np.ones(len(scores), np.int64))


def weighted_precision(
    scores: NDArray[np.float32], shown: NDArray[np.bool_]
) -> Callable[[NDArray[np.int64]], float | None]:
    """`average_precision` as a function of how often each picture counts (n,): the pictures are sorted once."""
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    there = shown[order]

    def precision(weights: NDArray[np.int64]) -> float | None:
        drawn = weights[order]
        hits, named = np.cumsum(drawn * there)[ends], np.cumsum(drawn)[ends]
        if not hits[-1]:
            return None
        return float((np.diff(hits, prepend=0) * hits / np.maximum(named, 1)).sum() / hits[-1])

    return precision


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
