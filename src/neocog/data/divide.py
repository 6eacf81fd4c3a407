"""Pictures dealt out to parts or folds: balanced in every class, what belongs together never parted."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from math import fsum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array, hstack
from scipy.sparse.csgraph import connected_components

Indices = NDArray[np.int64]
Row = list[tuple[int, int]]
"""the classes of a unit, each with the number of its pictures that show it"""
FINE = 1 << 20  # steps of a share of a picture, so that quotas are whole numbers


def units_of(hashes: NDArray[np.uint8], groupings: Sequence[NDArray[Any]] = ()) -> Indices:
    """For each picture the number of the unit that it must not be parted from.

    Copies of one picture (`hashes` (n, 32) are content hashes) belong together, and so do pictures to which any of
    `groupings` (n,) gives the same value; an empty text or a number below 0 means no group. Units are numbered by
    the least hash in each, so that neither names nor order play a part.
    """
    n = len(hashes)
    if not n:
        return np.empty(0, dtype=np.int64)
    words = np.ascontiguousarray(hashes).view(">u8")
    order = np.lexsort(words.T[::-1])
    content = np.empty(n, dtype=np.int64)
    content[order] = np.append(0, np.cumsum((words[order[1:]] != words[order[:-1]]).any(axis=1)))
    nodes, pictures, end = [], [], n
    for values in (content, *map(_numbered, groupings)):
        there = np.flatnonzero(values >= 0)
        pictures.append(there)
        nodes.append(values[there] + end)
        end += int(values.max()) + 1
    edges = (np.ones(sum(map(len, nodes)), bool), (np.concatenate(pictures), np.concatenate(nodes)))
    joined = connected_components(coo_array(edges, shape=(end, end)), directed=False)[1][:n]
    _, first, number = np.unique(joined[order], return_index=True, return_inverse=True)
    unit = np.empty(n, dtype=np.int64)
    unit[order] = np.argsort(np.argsort(first))[number]
    return unit


def _numbered(values: NDArray[Any]) -> Indices:
    """Groups as numbers from 0, -1 where there is none."""
    none = values < 0 if values.dtype.kind in "if" else values.astype(str) == ""
    numbers: Indices = np.unique(values, return_inverse=True)[1].astype(np.int64)
    numbers[none] = -1
    return numbers


def divide(
    classes: csr_array, hashes: NDArray[np.uint8], unit: Indices, weights: Sequence[int], seed: int
) -> Indices:
    """The part of each picture, 0 to len(weights) - 1, so that every part has its share of every class.

    `classes` (n, classes) is 1 where a picture shows a class; pictures without one count as a class of their own.
    `unit` (n,) is what stays together (`units_of`). After the iterative stratification of Sechidis, Tsoumakas and
    Vlahavas 2011 (section 3): units of rare classes come first, and each goes to the part that lacks its classes most.
    Here a unit may be many pictures, so large ones come early, too: both follow from going down the sum over parts
    and classes of (what is lacking / size of the class)^2. Where units are single pictures of one class, every part
    gets its share of it to less than one picture, and at least one where there are as many as parts. The draw depends
    on contents and seed alone, and is the same on every machine.
    """
    least = np.full(int(unit.max(initial=-1)) + 1, -1)
    order = np.lexsort(np.ascontiguousarray(hashes).view(">u8").T[::-1])
    least[unit[order[::-1]]] = order[::-1]  # the last one written is the least
    drawn = [hashlib.sha256(str(seed).encode() + hashes[i].tobytes()).digest() for i in least]
    gather = csr_array((np.ones(len(unit), np.int64), (unit, np.arange(len(unit)))))
    table = (gather @ _with_one_more(classes)).tocsr()
    cells = list(zip(table.indices.tolist(), table.data.tolist(), strict=True))
    rows = [cells[start:stop] for start, stop in pairwise(table.indptr.tolist())]
    sizes = np.bincount(unit).tolist()
    wanted = _Wanted(rows, weights)
    parts = np.empty(len(rows), dtype=np.int64)
    for u in _in_turn(rows, wanted, drawn):
        parts[u] = wanted.take(rows[u], sizes[u], drawn[u])
    return parts[unit]


def _in_turn(rows: Sequence[Row], wanted: _Wanted, drawn: Sequence[bytes]) -> list[int]:
    """Units by how much of their classes they are; of equals those of one class after another, as drawn."""
    first: dict[int, bytes] = {}
    for row, draw in zip(rows, drawn, strict=True):
        for label, _ in row:
            first[label] = min(first.get(label, draw), draw)
    keys = [
        (-wanted.weight(row), min(first[label] for label, _ in row), draw)
        for row, draw in zip(rows, drawn, strict=True)
    ]
    return sorted(range(len(rows)), key=keys.__getitem__)


def class_table(labels: Indices, targets: NDArray[np.bool_] | None, classes: int) -> csr_array:
    """(n, classes), 1 where a picture shows a class: from `targets` (n, classes), else from `labels` (n,)."""
    if targets is not None:
        return csr_array(targets.astype(np.int64))
    there = np.flatnonzero(labels >= 0)
    cells = (np.ones(len(there), np.int64), (there, labels[there]))
    return csr_array(cells, shape=(len(labels), classes))


def _with_one_more(classes: csr_array) -> csr_array:
    """`classes` with a class of the pictures that have none; where some have several, with one of all pictures.

    Else the parts could have their shares of every class and yet not of the pictures.
    """
    several = classes.sum(axis=1)
    more = np.ones(len(several)) if several.max(initial=0) > 1 else several == 0
    column = csr_array(more.astype(np.int64).reshape(-1, 1))
    return hstack([classes.astype(np.int64), column], format="csr")


class _Wanted:
    """What each part still lacks of each class, in steps of a picture: whole numbers, so that ties are ties."""

    def __init__(self, rows: Sequence[Row], weights: Sequence[int]):
        self._weights, self._picture = weights, sum(weights) * FINE
        self._pictures: Counter[int] = Counter()
        units: Counter[int] = Counter()
        for row in rows:
            self._pictures.update(dict(row))
            units.update(label for label, _ in row)
        self._quotas = {label: quotas(n, units[label], weights) for label, n in self._pictures.items()}
        self._lacking = {label: list(quota) for label, quota in self._quotas.items()}
        self._left = Counter(self._pictures)
        self._behind = [0] * len(weights)

    def weight(self, row: Row) -> float:
        """How much of its classes a unit is: the sum of squares, so that rare classes and large units count."""
        shares = [count / self._pictures[label] for label, count in row]
        return fsum(share * share for share in shares)

    def take(self, row: Row, size: int, draw: bytes) -> int:
        """The part that a unit goes to, which now lacks that much less."""
        missing = self._missing(row)
        most = max(missing)
        near = [part for part, value in enumerate(missing) if value == most]
        if size == len(row) == 1 and most < self._picture:
            # a matter of rounding: what is left behind in many classes must not add up
            near = [part for part, value in enumerate(missing) if value > 0]
        self._behind = [b + size * w * FINE for b, w in zip(self._behind, self._weights, strict=True)]
        furthest = max(self._behind[part] for part in near)
        near = [part for part in near if self._behind[part] == furthest]
        chosen = near[int.from_bytes(draw[:8]) % len(near)]
        for label, count in row:
            self._lacking[label][chosen] -= count * self._picture
            self._left[label] -= count
        self._behind[chosen] -= size * self._picture
        return chosen

    def _missing(self, row: Row) -> list[int] | list[float]:
        """How much each part lacks of the unit's classes: of one class all that it is still to get.

        Of several what it should have got by now, relative to their sizes. All that is lacking would draw units to
        the largest part for the sake of common classes, until too much of the rare ones is there.
        """
        if len(row) == 1:
            return self._lacking[row[0][0]]
        terms = []
        for label, count in row:
            size, rest = self._pictures[label], self._left[label] - count
            scale = count / (size * size * size)
            pairs = zip(self._lacking[label], self._quotas[label], strict=True)
            terms.append([scale * (lacking * size - quota * rest) for lacking, quota in pairs])
        return [fsum(part) for part in zip(*terms, strict=True)]


def quotas(pictures: int, units: int, weights: Sequence[int]) -> list[int]:
    """Pictures of a class that each part is to have, times sum(weights) * FINE; one at least where units suffice."""
    picture = sum(weights) * FINE
    raised: set[int] = set()
    while True:
        rest = pictures - len(raised)
        free = sum(weight for part, weight in enumerate(weights) if part not in raised)
        shares = [
            picture if part in raised else weight * rest * picture // free
            for part, weight in enumerate(weights)
        ]
        low = {part for part, share in enumerate(shares) if share < picture}
        if units < len(weights) or not low:
            return shares
        raised |= low
