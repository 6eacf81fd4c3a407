"""The k largest of each channel over a stream of pictures; memory does not grow with their number."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]
NONE = np.iinfo(np.int64).max
"""in place of a picture, where there were fewer than k"""


class Top:
    """The k pictures with the largest value, of each channel; of equal values those of the lowest index.

    What comes out depends neither on the order in which pictures are added nor on how many at once.
    """

    def __init__(self, k: int, channels: int):
        self.values: Floats = np.full((k, channels), -np.inf, np.float32)
        """(k, channels), largest first"""
        self.pictures: Indices = np.full((k, channels), NONE, np.int64)
        """(k, channels)"""

    def add(self, values: Floats, pictures: Indices) -> None:
        """Finite `values` (n, channels) of `pictures` (n,), none of which was added before."""
        own = pictures[:, None]
        least, last = self.values[-1], self.pictures[-1]
        enters = ((values > least) | ((values == least) & (own < last))).any(axis=0)
        where = np.flatnonzero(enters)  # soon few: the n-th picture enters with probability k / n
        if not len(where):
            return
        new = np.broadcast_to(own, (len(own), len(where)))
        candidates = np.concatenate([self.values[:, where], values[:, where]])
        named = np.concatenate([self.pictures[:, where], new])
        order = np.lexsort((named, -candidates), axis=0)[: len(self.values)]
        self.values[:, where] = np.take_along_axis(candidates, order, 0)
        self.pictures[:, where] = np.take_along_axis(named, order, 0)
