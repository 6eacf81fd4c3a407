"""Where on the picture the tokens of a network lie, derived from what each of them sees before any attention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from neocog.analysis.field import Field
from neocog.analysis.op import Op
from neocog.analysis.receptive_field import extent, receptive_fields
from neocog.analysis.trace import trace


@dataclass(frozen=True, eq=False)
class Patches:
    """The grid of patches among the tokens."""

    tokens: NDArray[np.int64]
    """(rows, columns): which token each patch is"""
    others: tuple[int, ...]
    """tokens without a place: the class token is the first of them"""
    step: tuple[int, int]
    """pixels from one patch to the next, down and across"""

    @property
    def grid(self) -> tuple[int, int]:
        return self.tokens.shape[0], self.tokens.shape[1]

    @property
    def class_token(self) -> int | None:
        return self.others[0] if self.others else None

    def box_of(self, token: int) -> tuple[int, int, int, int] | None:
        """The box of the patch that a token is; None of one without a place."""
        row, column = np.nonzero(self.tokens == token)
        return self.box(int(row[0]), int(column[0])) if len(row) else None

    def box(self, row: int, column: int) -> tuple[int, int, int, int]:
        """Top, left, bottom and right of a patch, in pixels."""
        height, width = self.step
        return row * height, column * width, (row + 1) * height, (column + 1) * width


def patches_of(net: nn.Module, size: Sequence[int], count: int) -> Patches | None:
    """The places of the `count` tokens of `net` on a picture of `size` (channels, height, width).

    Found where these tokens first stand side by side; None where they are no grid of patches. UserError where the
    network cannot be traced.
    """
    plain = trace(net, size)
    maps: tuple[int, ...] = ()
    for op, seen in zip(plain.ops, receptive_fields(plain), strict=True):
        if seen is None:
            continue
        if len(op.shape) == 4 and seen.is_map(4):
            maps = op.shape[2:]
        found = _in_a_grid(op, seen, count, maps, tuple(size[1:]))
        if found is not None:
            return found
    return None


def _in_a_grid(
    op: Op, seen: Field, count: int, maps: tuple[int, ...], size: tuple[int, ...]
) -> Patches | None:
    """The grid that a tensor of tokens is, by what each sees; where they see too much for that, by the maps before."""
    side = next((s for s in (1, 0) if len(op.shape) == 3 and op.shape[s] == count), None)
    if side is None or op.shape[1 - side] != 1 or seen.axes != 2:
        return None
    (top, bottom), (left, right) = (extent(seen, axis, side, count) for axis in (0, 1))
    some = (top <= bottom) & (left <= right)
    if not some.any():  # a class token by itself, which has seen nothing yet
        return None
    rows, columns = (_ranks((low + high)[some]) for low, high in ((top, bottom), (left, right)))
    grid = (int(rows.max(initial=-1)) + 1, int(columns.max(initial=-1)) + 1)
    others = tuple(np.flatnonzero(~some).tolist())
    if len(set(zip(rows.tolist(), columns.tolist(), strict=True))) == some.sum() == grid[0] * grid[1]:
        tokens = np.empty(grid, np.int64)
        tokens[rows, columns] = np.flatnonzero(some)
        step = _step(np.unique(top[some]), size[0]), _step(np.unique(left[some]), size[1])
        return Patches(tokens, others, step)
    if maps and some.sum() == maps[0] * maps[1] > 1:
        tokens = np.flatnonzero(some).reshape(maps)
        return Patches(tokens, others, (size[0] // maps[0], size[1] // maps[1]))
    return None


def in_maps(grid: Sequence[int], size: Sequence[int]) -> Patches | None:
    """Positions of maps (rows, columns) as tokens, row by row, on a picture (height, width); None of other grids."""
    if len(grid) != 2:
        return None
    rows, columns = grid
    tokens = np.arange(rows * columns).reshape(rows, columns)
    return Patches(tokens, (), (size[0] // rows, size[1] // columns))


def _ranks(values: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.unique(values, return_inverse=True)[1].reshape(-1)


def _step(starts: NDArray[np.int64], side: int) -> int:
    """Between patches that follow each other; where padding cuts the first, the others count."""
    return int(np.median(np.diff(starts))) if len(starts) > 1 else side
