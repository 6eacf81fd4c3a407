"""The nearest of many vectors, exactly: memory does not grow with their number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neocog.errors import UserError
from neocog.inference.network import Floats
from neocog.progress import Advance
from neocog.retrieval.space import Doubles, Indices, Space, space

QUERIES, BLOCK = 512, 4096  # rows and columns of the matrix of distances that is held at once
NONE = -1
Contents = tuple[Indices, Indices]
"""numbers (q,) of the queries and (n,) of the base: a pair of equal numbers is the same picture"""


@dataclass(frozen=True)
class Neighbours:
    """The nearest of each query (q, k), the nearest first; of equally near ones the one of the lower number."""

    indices: Indices
    """rows of the base; -1 where there are no more"""
    distances: Doubles
    """1 - cosine, or L2; infinite where there are no more"""

    @property
    def there(self) -> Indices:
        """(q,), how many each query has."""
        return np.asarray((self.indices != NONE).sum(axis=1), np.int64)


def nearest(
    queries: Floats,
    base: Floats,
    k: int,
    metric: str,
    contents: Contents,
    advance: Advance | None = None,
) -> Neighbours:
    """The `k` rows of `base` (n, d) nearest to each of `queries` (q, d), copies of the query left out.

    `contents` says which pictures are copies, and which of two equally near ones comes first: that of the lower
    number, then of the lower row. Whatever the order of the rows, the same pictures are found.
    """
    if not 1 <= k <= len(base):
        raise UserError(f"k must lie between 1 and the number of pictures, {len(base):,}, got {k}")
    within = space(queries, base, metric)
    found = Neighbours(np.full((len(queries), k), NONE), np.full((len(queries), k), np.inf))
    for start in range(0, len(queries), QUERIES):
        some = slice(start, min(start + QUERIES, len(queries)))
        best = found.indices[some], found.distances[some]
        for first in range(0, len(base), BLOCK):
            _look(within, some, slice(first, min(first + BLOCK, len(base))), contents, best)
        if advance:
            advance(some.stop - start)
    return Neighbours(found.indices, within.told(found.distances))


def _look(
    within: Space, some: slice, others: slice, contents: Contents, best: tuple[Indices, Doubles]
) -> None:
    """Bring the nearest of a block of the base into `best`: rows, and squared distances in the unit ball."""
    indices, squares = best
    k = indices.shape[1]
    screened = within.screened(some, others)
    screened[contents[0][some, None] == contents[1][None, others]] = np.inf
    bound = squares[:, -1]
    if k <= screened.shape[1] and not np.isfinite(bound).all():
        bound = np.minimum(bound, np.partition(screened, k - 1, axis=1)[:, k - 1])
    i, j = np.nonzero((screened <= (bound + within.slack)[:, None]) & np.isfinite(screened))
    near = within.exact(i + some.start, j + others.start)
    there, place = np.nonzero(indices != NONE)
    i, j = np.append(there, i), np.append(indices[there, place], j + others.start)
    near = np.append(squares[there, place], near)
    order = np.lexsort((j, contents[1][j], near, i))
    i, j, near = i[order], j[order], near[order]
    rank = np.arange(len(i)) - np.searchsorted(i, i)
    kept = rank < k
    indices[i[kept], rank[kept]], squares[i[kept], rank[kept]] = j[kept], near[kept]
