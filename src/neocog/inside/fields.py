"""What the middle unit of a layer sees of the picture: in theory, inside the picture, and in effect."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

from torch import Tensor, nn

from neocog.analysis.effective_field import EffectiveField, effective_field_at
from neocog.analysis.field import Affine
from neocog.inside.tokens import Patches
from neocog.inside.units import Layer, Window


@dataclass(frozen=True, eq=False)
class Sight:
    """The receptive field of one unit."""

    layer: Layer
    at: tuple[int, ...]
    """the middle: (row, column) of maps, (token,) of tokens, () of a vector"""
    window: Window
    """what it reads, beyond the picture's edge too"""
    inside: Window
    """the pixels of the picture on which it depends, exactly"""
    triple: tuple[Affine, Affine] | None
    """size, stride and padding down and across; None where no such triple holds"""
    cause: str
    """the operation that lets every unit see everything; empty where none does"""
    effective: EffectiveField | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the window."""
        return self.window.bottom - self.window.top, self.window.right - self.window.left

    @property
    def share(self) -> float:
        """Of the picture's pixels, those on which the unit depends."""
        height, width = self.inside.bottom - self.inside.top, self.inside.right - self.inside.left
        return height * width / prod(self.layer.size)

    @property
    def side(self) -> float:
        """Of a square as large as the window."""
        return float(prod(self.size) ** 0.5)

    @property
    def effective_side(self) -> float | None:
        """Of a square as large as the fewest pixels that hold 95 % of the influence."""
        if self.effective is None:
            return None
        (top, bottom), (left, right) = self.effective.theoretical
        return float((self.effective.share * (bottom - top + 1) * (right - left + 1)) ** 0.5)


def sight(layer: Layer, patches: Patches | None = None) -> Sight:
    """What the middle unit of `layer` sees in theory; of tokens the one that is the middle one of `patches`."""
    triple, cause = None, ""
    if layer.field is not None:
        cause = layer.field.cause
        ends = layer.field.affine
        if len(ends) == 2 and ends[0] is not None and ends[1] is not None and layer.kind == "maps":
            triple = ends[0], ends[1]
    if layer.kind == "maps":
        at = layer.shape[1] // 2, layer.shape[2] // 2
        return Sight(layer, at, layer.window(at), layer.reads(at), triple, cause)
    middle = layer.shape[0] // 2
    if patches is not None:
        middle = int(patches.tokens[patches.grid[0] // 2, patches.grid[1] // 2])
    place = (middle,) if layer.kind == "tokens" else ()
    window = layer.window()
    return Sight(layer, place, window, window.within(layer.size), None, cause)


def in_effect(net: nn.Module, pictures: Tensor, seen: Sight) -> Sight:
    """`seen` with the effective field over `pictures`, a batch. UserError where no pixel moves the unit."""
    inside = seen.inside
    theoretical = (inside.top, inside.bottom - 1), (inside.left, inside.right - 1)
    found = effective_field_at(net, pictures, seen.layer.place, seen.at, theoretical)
    return replace(seen, effective=found)
