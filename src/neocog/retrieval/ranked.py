"""How well nearness finds pictures of the same class: recall, precision and mean average precision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neocog.evaluation.intervals import Interval, wilson
from neocog.inference.network import Floats
from neocog.progress import Advance
from neocog.retrieval.nearest import NONE, Neighbours
from neocog.retrieval.space import Doubles, Indices, space

ROWS_OF = 1 << 24  # distances that are held at once
BLOCK = 4096


@dataclass(frozen=True)
class ClassFound:
    """The pictures of one class as queries."""

    n: int
    """pictures"""
    recall_at_1: float | None
    """None where no query has another picture of its class"""
    recall_at_k: float | None
    map: float | None
    confused: str
    """the class that most often has the nearest picture where that is of another; nothing where there is none"""


@dataclass(frozen=True)
class Found:
    """What the neighbours of all pictures say about their classes."""

    n: int
    """queries: pictures with a label of whose class there is another that is no copy"""
    alone: int
    """pictures with a label of whose class there is no other: they count for nothing"""
    k: int
    recall: dict[int, float]
    """share of queries with a picture of their class among the first 1, 5, k neighbours"""
    intervals: dict[int, Interval]
    """95 %, Wilson's, of each recall"""
    precision: float
    """mean share of the first k neighbours that are of the query's class"""
    map: float
    """mean average precision of all other pictures in the order of their distances"""
    per_class: dict[str, ClassFound]

    def to_json(self) -> dict[str, Any]:
        return {
            "n": self.n,
            "alone": self.alone,
            "recall": {
                str(k): {"value": value, "interval": list(self.intervals[k])}
                for k, value in self.recall.items()
            },
            "precision": self.precision,
            "map": self.map,
            "per_class": {name: asdict(row) for name, row in self.per_class.items()},
        }


def judged(
    neighbours: Neighbours, precisions: Doubles, labels: Indices, classes: Sequence[str]
) -> Found | None:
    """The figures of every picture's neighbours among the others; None where no class has two pictures.

    `precisions` are those of `average_precisions`; a label of -1 is no class.
    """
    queries = ~np.isnan(precisions)
    if not queries.any():
        return None
    k = neighbours.indices.shape[1]
    same = (labels[neighbours.indices] == labels[:, None]) & (neighbours.indices != NONE)
    hits = {depth: same[:, :depth].any(axis=1) for depth in sorted({1, min(5, k), k})}
    n = int(queries.sum())
    counts = {depth: int(hit[queries].sum()) for depth, hit in hits.items()}
    precision = same.sum(axis=1) / np.maximum(neighbours.there, 1)
    return Found(
        n=n,
        alone=int((labels >= 0).sum()) - n,
        k=k,
        recall={depth: right / n for depth, right in counts.items()},
        intervals={depth: wilson(right, n) for depth, right in counts.items()},
        precision=float(precision[queries].mean()),
        map=float(precisions[queries].mean()),
        per_class={
            name: _of_class(
                labels == i, queries, hits, precisions, _nearest_other(neighbours, labels, i, classes)
            )
            for i, name in enumerate(classes)
        },
    )


def _of_class(
    members: NDArray[np.bool_],
    queries: NDArray[np.bool_],
    hits: dict[int, NDArray[np.bool_]],
    precisions: Doubles,
    confused: str,
) -> ClassFound:
    counted = members & queries
    n = int(members.sum())
    if not counted.any():
        return ClassFound(n, None, None, None, confused)
    first, last = hits[1][counted].mean(), hits[max(hits)][counted].mean()
    return ClassFound(n, float(first), float(last), float(precisions[counted].mean()), confused)


def _nearest_other(neighbours: Neighbours, labels: Indices, label: int, classes: Sequence[str]) -> str:
    """The class of most nearest pictures of the queries of class `label`, other than itself."""
    first = neighbours.indices[labels == label, 0]
    found = labels[first[first != NONE]]
    counts = np.bincount(found[(found >= 0) & (found != label)], minlength=len(classes))
    return classes[int(counts.argmax())] if counts.any() else ""


def average_precisions(
    features: Floats, labels: Indices, contents: Indices, metric: str, advance: Advance | None = None
) -> Doubles:
    """(n,): of each picture as a query, the mean over the others of its class of their precision where they come in.

    All others stand in the order of their distance; equally far ones come in together, as in scikit-learn's
    `average_precision_score`. NaN for a picture without a label, or the only one of its class. `contents` (n,) has one
    number for copies, which are left out. Distances are in single precision: others would take twice the time.
    """
    within = space(features, features, metric)
    n = len(features)
    found = np.full(n, np.nan)
    step = max(1, min(512, ROWS_OF // n))
    for start in range(0, n, step):
        some = slice(start, min(start + step, n))
        blocks = [within.screened(some, slice(first, min(first + BLOCK, n))) for first in range(0, n, BLOCK)]
        far = np.concatenate(blocks, axis=1)
        for row, i in zip(far, range(some.start, some.stop), strict=True):
            if labels[i] >= 0:
                found[i] = _average_precision(row, labels == labels[i], contents != contents[i])
        if advance:
            advance(some.stop - start)
    return found


def _average_precision(far: Floats, same: NDArray[np.bool_], others: NDArray[np.bool_]) -> float:
    """Of one query: `far` (n,) are the distances of all pictures, `others` those that are no copies of it."""
    wanted = np.sort(far[same & others])
    if not len(wanted):
        return float("nan")
    every = np.sort(far[others])
    right = np.searchsorted(wanted, wanted, "right")
    return float((right / np.searchsorted(every, wanted, "right")).mean())
