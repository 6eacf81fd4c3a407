"""Which tokens of a transformer stand for which part of the picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from neocog.inside.units import Layer

BESIDE = 8
"""tokens that stand for no patch, at most: class, distillation, registers"""


class PatchGrid(NamedTuple):
    """Patches in rows and columns; their tokens follow `before` others."""

    rows: int
    columns: int
    before: int

    def token(self, row: int, column: int) -> int:
        """The number of the token of a patch."""
        return self.before + row * self.columns + column

    def place(self, token: int) -> tuple[int, int] | None:
        """Row and column of a token's patch; None of one that stands for no patch."""
        if token < self.before:
            return None
        return divmod(token - self.before, self.columns)


def patch_grid(layer: Layer, layers: Sequence[Layer]) -> PatchGrid | None:
    """The patches of a layer of tokens: those that the maps among `layers` before it made. None where none fit."""
    for earlier in layers:
        if earlier.kind == "maps" and earlier.op < layer.op and layer.kind == "tokens":
            rows, columns = earlier.shape[1:]
            before = layer.shape[0] - rows * columns
            if 0 <= before <= BESIDE:
                return PatchGrid(rows, columns, before)
    return None
