"""Which of many 64-bit hashes differ in few bits, found without comparing all pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Hash = NDArray[np.uint64]
Pairs = NDArray[np.int64]
"""(n, 2) of indices"""
Accepts = Callable[[Pairs], NDArray[np.bool_]]
BANDS, BAND_BITS = 4, 16
MOST_PAIRS = 1 << 20  # kept at once before they are joined into groups


class Groups:
    """Indices 0 to n - 1, joined pair by pair; memory does not grow with the pairs."""

    def __init__(self, n: int):
        self._n = n
        self._group = np.arange(n)
        self._waiting: list[Pairs] = []
        self._count = 0

    def add(self, pairs: Pairs) -> None:
        self._waiting.append(pairs)
        self._count += len(pairs)
        if self._count > MOST_PAIRS:
            self._join()

    def labels(self) -> NDArray[np.int64]:
        """(n,), equal for indices that a chain of pairs connects."""
        self._join()
        return self._group

    def members(self) -> list[NDArray[np.int64]]:
        """The groups of two or more, each in ascending order, by their first index."""
        return equal_rows(self.labels())

    def _join(self) -> None:
        if not self._count:
            return
        first, second = self._group[np.concatenate(self._waiting)].T
        graph = coo_array((np.ones(len(first), bool), (first, second)), shape=(self._n, self._n))
        self._group = connected_components(graph, directed=False)[1][self._group].astype(np.int64)
        self._waiting, self._count = [], 0


def equal_rows(keys: NDArray[np.generic]) -> list[NDArray[np.int64]]:
    """The indices of each value that two or more rows of `keys` (n,) or (n, bytes) have."""
    flat = (
        keys if keys.ndim == 1 else np.ascontiguousarray(keys).view(f"V{keys.itemsize * keys.shape[1]}")[:, 0]
    )
    _, inverse = np.unique(flat, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    ends = np.flatnonzero(np.diff(inverse[order])) + 1
    return sorted(
        (group for group in np.split(order, ends) if len(group) > 1), key=lambda group: int(group[0])
    )


def near_pairs(hashes: Hash, others: Hash, most: int) -> Iterator[Pairs]:
    """Pairs (i, j), i < j, for which `hashes[i]` and `others[j]` differ in at most `most` bits; some of them twice.

    Of 64 bits in 4 bands, one band differs in at most most // 4 of its 16 bits (Norouzi, Punjani and Fleet 2012), so
    only pictures whose band lies that near are compared. Give `others` the hashes themselves, or the mirrors'.
    """
    for band in range(BANDS):
        own, its = (_band(values, band) for values in (hashes, others))
        order = np.argsort(its, kind="stable")
        starts = np.searchsorted(its[order], np.arange((1 << BAND_BITS) + 1))
        for flip in _flips(most // BANDS):
            keys = own ^ np.uint16(flip)
            yield from _matches(hashes, others, most, (keys, starts, order))


def _band(values: Hash, band: int) -> NDArray[np.uint16]:
    return (values >> np.uint64(BAND_BITS * band)).astype(np.uint16)


def _flips(radius: int) -> Iterator[int]:
    """Every 16-bit number with at most `radius` ones."""
    for n in range(radius + 1):
        for bits in combinations(range(BAND_BITS), n):
            yield sum(1 << bit for bit in bits)


Table = tuple[NDArray[np.uint16], NDArray[np.intp], NDArray[np.intp]]


def _matches(hashes: Hash, others: Hash, most: int, table: Table) -> Iterator[Pairs]:
    keys, starts, order = table
    first, last = starts[keys.astype(np.int64)], starts[keys.astype(np.int64) + 1]
    counts = np.cumsum(last - first)
    begin = 0
    while begin < len(
        keys
    ):  # a common value may hold every picture: never more than a block of its pairs at once
        done = counts[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(counts, done + MOST_PAIRS, "right")))
        sizes = (last - first)[begin:end]
        left = np.repeat(np.arange(begin, end), sizes)
        place = (
            np.arange(len(left))
            - np.repeat(np.cumsum(sizes) - sizes, sizes)
            + np.repeat(first[begin:end], sizes)
        )
        right = order[place]
        near = (left < right) & (np.bitwise_count(hashes[left] ^ others[right]) <= most)
        if near.any():
            yield np.stack([left[near], right[near]], axis=1)
        begin = end
