"""Whether two pictures show the same, judged on grey thumbnails; one may be cut a little at its edges."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from neocog.data.checks.hashes import SIDE

Thumbs = NDArray[np.uint8]
"""(n, 32, 32), grey"""
Floats = NDArray[np.float32]
CELLS = 16  # along each side of what is compared
WORST = 1.0  # standard deviations by which a cell of two copies may differ; measured, see docs/data_check.md
FLOOR = 2.0  # grey levels: the least standard deviation that is divided by
CUTS = ((0, 32), (0, 31), (1, 32), (0, 30), (1, 31), (2, 32))
"""first and last of the thumbnail's rows or columns that are left by a cut of at most a sixteenth"""
BLOCK = 1024  # pairs compared at once


def same(one: Thumbs, other: Thumbs, cut: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(n,), for each pair of thumbnails: the same but for scale, compression, brightness and contrast.

    Where `cut` says so, one of the two may be the other without up to 6 % of its height and width.
    """
    found = np.zeros(len(one), bool)
    for start in range(0, len(one), BLOCK):
        block = slice(start, start + BLOCK)
        found[block] = _same(one[block], other[block], cut[block])
    return found


def _same(one: Thumbs, other: Thumbs, cut: NDArray[np.bool_]) -> NDArray[np.bool_]:
    found = _worst(_cells(one), _cells(other)) <= WORST
    for whole, part in ((one, other), (other, one)):
        left = np.flatnonzero(cut & ~found)
        target = _cells(part[left])
        for rows in CUTS:
            for columns in CUTS:
                found[left] |= _worst(_cells(whole[left], rows, columns), target) <= WORST
    return found


def _cells(thumbs: Thumbs, rows: tuple[int, int] = CUTS[0], columns: tuple[int, int] = CUTS[0]) -> Floats:
    """(n, cells), mean 0 and standard deviation 1: brightness and contrast do not count."""
    cells: Floats = (_averages(rows) @ thumbs.astype(np.float32) @ _averages(columns).T).reshape(
        len(thumbs), CELLS * CELLS
    )
    cells -= cells.mean(axis=1, keepdims=True)
    cells /= np.maximum(cells.std(axis=1, keepdims=True), FLOOR)
    return cells


def _worst(one: Floats, other: Floats) -> Floats:
    worst: Floats = np.abs(one - other).max(axis=1, initial=0)
    return worst


@cache
def _averages(cut: tuple[int, int]) -> Floats:
    """The matrix (cells, 32) that scales the rows or columns first to last onto the cells, by area."""
    first, last = cut
    edges = np.linspace(first, last, CELLS + 1)
    pixel = np.arange(SIDE)
    shared = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    return (shared.clip(0) * CELLS / (last - first)).astype(np.float32)
