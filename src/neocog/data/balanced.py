"""Some pictures of many, the same at each call, with as many of each kind as there are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


def balanced(kinds: NDArray[Any], most: int) -> Indices:
    """Places, ascending, of at most `most` of the pictures whose kinds (n,) are given; all where there are no more.

    Rare kinds keep all of theirs, the others get equally many, evenly spaced, but for a remainder of one each.
    """
    if len(kinds) <= most:
        return np.arange(len(kinds))
    _, places = np.unique(kinds, return_inverse=True)
    places = places.reshape(-1)
    shares = _shares(np.bincount(places), most)
    chosen = []
    for kind, share in enumerate(shares):
        members = np.flatnonzero(places == kind)
        chosen.append(members[np.arange(share) * len(members) // max(share, 1)])
    return np.sort(np.concatenate(chosen))


def _shares(counts: Indices, most: int) -> Indices:
    """How many of each kind: as near to equal as their numbers allow."""
    shares = np.zeros(len(counts), np.int64)
    left, order = most, np.argsort(counts, kind="stable")
    for position, kind in enumerate(order):
        shares[kind] = min(int(counts[kind]), left // (len(order) - position))
        left -= shares[kind]
    return shares
