"""Distances of many vectors: screened in single precision by matrix products, then computed in double precision."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log2

import numpy as np
from numpy.typing import NDArray

from neocog.errors import UserError, unknown
from neocog.inference.network import Floats

Doubles = NDArray[np.float64]
Indices = NDArray[np.int64]
METRICS = ("cosine", "l2")
ROUNDING = 2.0**-24  # of a float32, relative
NUMBERS = 1 << 22  # that are held in double precision at once


@dataclass(frozen=True)
class Vectors:
    """Rows with the factors that bring them into the unit ball, where the squared distances rank as those asked for."""

    rows: Floats
    """(n, d)"""
    scales: Doubles
    """(n,), 1 / length for cosine; for L2 1 / a power of two that no length exceeds"""
    squares: Floats
    """(n,), the squared lengths in the unit ball"""
    bare: Doubles
    """(n,), 1 where a vector has no direction: it is at right angles to every other"""

    def __len__(self) -> int:
        return len(self.rows)

    def single(self, which: slice) -> Floats:
        """Some of the rows in the unit ball, in single precision."""
        return _float32(self.rows[which] * _float32(self.scales[which, None]))

    def double(self, which: Indices) -> Doubles:
        return np.asarray(self.rows[which], np.float64) * self.scales[which, None]


@dataclass(frozen=True)
class Space:
    """Two sets of vectors under one metric."""

    queries: Vectors
    base: Vectors
    metric: str

    @property
    def slack(self) -> float:
        """By how much two squared distances of `screened` may lie the wrong way round.

        A product of d terms in any order is off by at most d u |a| |b| (Higham 2002, section 3.1), u being `ROUNDING`,
        and no length exceeds 1; the rest covers the squares, the sum of the three terms and the scaling.
        """
        return 2 * (2 * int(self.base.rows.shape[1]) + 24) * ROUNDING

    def screened(self, some: slice, others: slice) -> Floats:
        """Squared distances in the unit ball, in single precision, of some queries (rows) to some of the base."""
        found = self.queries.single(some) @ self.base.single(others).T
        found *= -2
        found += self.queries.squares[some, None]
        found += self.base.squares[others]
        return found

    def exact(self, i: Indices, j: Indices) -> Doubles:
        """The squared distances of pairs (query, row of the base) in double precision; equal vectors have 0."""
        found = np.empty(len(i))
        step = max(1, NUMBERS // max(1, self.base.rows.shape[1]))
        for start in range(0, len(i), step):
            here = slice(start, start + step)
            apart = self.queries.double(i[here]) - self.base.double(j[here])
            found[here] = (
                np.einsum("ij,ij->i", apart, apart) + self.queries.bare[i[here]] + self.base.bare[j[here]]
            )
        return found

    def told(self, squares: Doubles) -> Doubles:
        """Squared distances in the unit ball as what the metric calls a distance: 1 - cosine, or the L2 length."""
        if self.metric == "cosine":
            return squares / 2
        return np.asarray(np.sqrt(squares) / self.base.scales[0])


def space(queries: Floats, base: Floats, metric: str) -> Space:
    """The space of `queries` (q, d) and `base` (n, d), d numbers of one kind. Raises UserError in words."""
    if metric not in METRICS:
        raise unknown("metric", metric, METRICS)
    if queries.ndim != 2 or base.ndim != 2 or queries.shape[1] != base.shape[1] or not len(base):
        raise UserError(
            f"features must be rows of one length, got {queries.shape} to look for among {base.shape}"
        )
    lengths = [_lengths(rows) for rows in (queries, base)]
    greatest = max(float(length.max(initial=0)) for length in lengths) or 1.0
    unit = 2.0 ** ceil(log2(greatest))  # dividing by a power of two loses no digit
    first, second = (
        _vectors(rows, length, None if metric == "cosine" else unit)
        for rows, length in zip((queries, base), lengths, strict=True)
    )
    return Space(first, second, metric)


def _vectors(rows: Floats, lengths: Doubles, unit: float | None) -> Vectors:
    """Scaled by `unit`, or each by its own length."""
    if unit is not None:
        scales = np.full(len(rows), 1 / unit)
        return Vectors(rows, scales, _float32((lengths * scales) ** 2), np.zeros(len(rows)))
    bare = lengths == 0
    scales = 1 / np.where(bare, np.inf, lengths)
    return Vectors(rows, scales, np.ones(len(rows), np.float32), bare.astype(np.float64))


def _float32(values: NDArray[np.floating]) -> Floats:
    return np.asarray(values, np.float32)


def _lengths(rows: Floats) -> Doubles:
    """The length of each row; UserError where a number is none."""
    found = np.empty(len(rows))
    step = max(1, NUMBERS // max(1, rows.shape[1]))
    for start in range(0, len(rows), step):
        block = np.asarray(rows[start : start + step], np.float64)
        found[start : start + step] = np.sqrt(np.einsum("ij,ij->i", block, block))
    if (odd := np.flatnonzero(~np.isfinite(found))).size:
        raise UserError(
            f"features must be finite numbers, those of row {odd[0]:,} are not; compute them anew"
        )
    return found
