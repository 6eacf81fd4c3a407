"""Pictures whose vectors point the same way: near duplicates as a network sees them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from neocog.data.checks.copies import Copies, Members
from neocog.data.checks.near import Groups, Pairs
from neocog.errors import UserError

ROWS = 1024  # of the matrix of cosines that are computed at once, in each direction


def alike_groups(
    vectors: NDArray[np.floating], readable: NDArray[np.bool_], threshold: float, copies: Copies
) -> Members:
    """Groups of readable pictures linked by cosines of at least `threshold` that no hash has found."""
    if vectors.ndim != 2 or len(vectors) != len(readable):
        raise UserError(
            f"vectors must be one row for each of {len(readable):,} pictures, got {vectors.shape}"
        )
    if not 0 < threshold <= 1:
        raise UserError(f"the cosine threshold must be above 0 and at most 1, got {threshold}")
    known, groups = Groups(len(vectors)), Groups(len(vectors))
    for members in (group for kind in vars(copies).values() for group in kind):
        known.add(np.stack([members[:-1], members[1:]], axis=1))
    labels = known.labels()
    for pairs in similar_pairs(vectors, readable, threshold):
        groups.add(pairs)
    return tuple(group for group in groups.members() if len(set(labels[group].tolist())) > 1)


def similar_pairs(
    vectors: NDArray[np.floating], wanted: NDArray[np.bool_], threshold: float
) -> Iterator[Pairs]:
    """Pairs (i, j), i < j, with a cosine of at least `threshold`; a vector of length 0 is like no other."""
    norms = np.linalg.norm(vectors.astype(np.float32, copy=False), axis=1)
    usable = np.flatnonzero(wanted & np.isfinite(norms) & (norms > 0))
    for start in range(0, len(usable), ROWS):
        mine = usable[start : start + ROWS]
        one = vectors[mine].astype(np.float32) / norms[mine, None]
        for other_start in range(start, len(usable), ROWS):
            its = usable[other_start : other_start + ROWS]
            cosines = one @ (vectors[its].astype(np.float32) / norms[its, None]).T
            i, j = np.nonzero(cosines >= np.float32(threshold - 1e-6))
            pairs = np.stack([mine[i], its[j]], axis=1)
            yield pairs[pairs[:, 0] < pairs[:, 1]]
