"""Pictures by what they are made of: copies have one number, and an order that no file name decides."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
Hashes = NDArray[np.uint8]
"""(n, 32), SHA-256 of each picture"""


def numbered(hashes: Hashes) -> Indices:
    """(n,), a number for each content from 0, in the order of the hashes: copies have the same."""
    keys = np.ascontiguousarray(hashes).view(f"V{hashes.shape[1]}")[:, 0]
    return np.asarray(np.unique(keys, return_inverse=True)[1], np.int64)


def numbered_together(queries: Hashes, base: Hashes) -> tuple[Indices, Indices]:
    """`numbered` of two sets of pictures at once, so that equal numbers are copies across them, too."""
    both = numbered(np.concatenate([queries, base]))
    return both[: len(queries)], both[len(queries) :]


def labels_of_copies(queries: Indices, base: Indices, labels: Indices) -> Indices:
    """(q,), the label of the copies of each query among `base` (n,) with `labels` (n,); -1 without copies, or where
    they differ. `queries` and `base` are numbers of contents."""
    room = int(max(queries.max(initial=-1), base.max(initial=-1))) + 1
    least, most = np.full(room, np.iinfo(np.int64).max), np.full(room, -1)
    np.minimum.at(least, base, labels)
    np.maximum.at(most, base, labels)
    return np.asarray(np.where(least == most, most, -1)[queries], np.int64)
