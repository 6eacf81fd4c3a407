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
