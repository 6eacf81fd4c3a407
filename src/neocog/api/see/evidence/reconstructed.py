"""A unit with what comes back from it to the pixels: as pictures, in a table, in words, in figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neocog.api.see.evidence.tried import rank_text
from neocog.api.see.opened import View
from neocog.api.see.wording import channels_of
from neocog.draw.gallery import Plate, Room, file_stem
from neocog.draw.text import in_percent
from neocog.draw.tiles import Box, around_grey, cut, enlarged, mosaic, outlined, resized, rgb

if TYPE_CHECKING:
    from neocog.inside.evidence.brought_back import Back
    from neocog.inside.strongest import Unit as Chosen
    from neocog.inside.units import Layer

TILE, LINE = 224, 2
ROUNDING = 1e-4  # between two passes that should give the same
CLIPPED = 99.5  # percentile of what is not 0
SCALE = "Grey is 0; each by itself on a symmetric scale, up to the 99.5th percentile of what is not 0"
HEADER = ("unit", "activation", "random weights", "in its field")
SILENT = "no unit answers this picture"


@dataclass(frozen=True, eq=False)
class Unit:
    """A unit, how strongly it answers the picture, and what a deconvnet makes of that."""

    layer: str
    channel: int
    at: tuple[int, ...]
    """row and column in a map, the number of a token, () in a vector"""
    activation: float
    answer: float
    """the activation, before a ceiling such as ReLU6's cuts it off"""
    window: Box
    """what it reads of the picture: top, left, bottom, right, ends excluded, beyond the edge too"""
    reconstruction: NDArray[np.float32]
    """(channels, height, width), in the units of the network's input"""
    support: float | None
    """the share of the reconstruction's absolute sum that lies on pixels on which the unit depends"""
    rank: float | None
    """partial rank correlation with what comes back in a network with weights drawn anew; None where undefined"""

    @classmethod
    def of(cls, layer: Layer, chosen: Chosen, back: Back) -> Unit:
        return cls(
            layer.name,
            chosen.channel,
            chosen.at,
            back.activation,
            chosen.value,
            (*layer.window(chosen.at),),
            back.pixels,
            back.support,
            back.rank,
        )

    @property
    def name(self) -> str:
        """Its channel and place."""
        return f"channel {self.channel}" + (f" at {','.join(map(str, self.at))}" if self.at else "")

    @property
    def said(self) -> str:
        """What it answers."""
        cut_off = f", cut from {self.answer:.3g}" if self.answer > self.activation * (1 + ROUNDING) else ""
        return f"{self.activation:.3g}{cut_off}"

    def to_json(self) -> dict[str, Any]:
        return {
            "layer": self.layer,
            "channel": self.channel,
            "at": list(self.at),
            "activation": self.activation,
            "answer": self.answer,
            "window": list(self.window),
            "share_on_what_it_depends_on": self.support,
            "rank_correlation_with_random_weights": self.rank,
        }


def room(view: View, layer: Layer, units: Sequence[Unit]) -> Room:
    """The units of one layer on a sheet, a row each, and their figures below."""
    if not units:
        return Room(title=layer.name, words=f"{channels_of(layer)}; {SILENT}.")
    plate = Plate(
        name=file_stem(layer.name),
        title="the strongest first" if len(units) > 1 else "the unit",
        caption="In each row a unit: its window on the picture, grey where that reaches beyond the edge; the "
        f"reconstruction there; both in the whole picture. Of reconstructions {SCALE[0].lower()}{SCALE[1:]}.",
        pixels=mosaic([tile for unit in units for tile in _tiles(view, unit)], 4, gap=4),
    )
    rows = tuple((unit.name, unit.said, rank_text(unit.rank), _share(unit.support)) for unit in units)
    return Room(title=layer.name, words=f"{channels_of(layer)}.", plates=(plate,), header=HEADER, rows=rows)


def words(units: Sequence[Unit]) -> str:
    """Of the units of one layer, in one line."""
    ranks = [unit.rank for unit in units if unit.rank is not None]
    mean = f"; correlation with random weights {np.mean(ranks):.2f} on average" if ranks else ""
    return "; ".join(f"{unit.name}: {unit.said}" for unit in units) + mean if units else SILENT


def painted(pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A reconstruction (channels, height, width) in colours around grey."""
    colours = pixels.transpose(1, 2, 0)
    some = np.abs(colours[colours != 0])
    return rgb(around_grey(colours, float(np.percentile(some, CLIPPED)) if some.size else None))


def _share(support: float | None) -> str:
    return "nothing comes back" if support is None else in_percent(support)


def _tiles(view: View, unit: Unit) -> list[NDArray[np.uint8]]:
    """Window, reconstruction in it, both in the whole picture."""
    height, width = view.pixels.shape[:2]
    top, left, bottom, right = unit.window
    if bottom - top > height or right - left > width:
        top, left, bottom, right = 0, 0, height, width
    whole, shown = painted(unit.reconstruction), rgb(view.pixels)
    inner = [cut(pixels, (top, left, bottom, right)) for pixels in (shown, whole)]
    factor = max(1, -(-TILE // max(height, width)))
    box = (top * factor - LINE, left * factor - LINE, bottom * factor + LINE, right * factor + LINE)
    outer = [outlined(enlarged(pixels, TILE), box, line=LINE) for pixels in (shown, whole)]
    return [_tile(pixels) for pixels in (*inner, *outer)]


def _tile(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """On a square of one size; small ones as squares of one colour, none distorted."""
    large = enlarged(pixels, TILE) if max(pixels.shape[:2]) * 2 <= TILE else pixels
    scale = TILE / max(large.shape[:2])
    sides = [max(1, round(side * scale)) for side in large.shape[:2]]
    fitted = resized(large, *sides) if sides != list(large.shape[:2]) else large
    tile = np.full((TILE, TILE, 3), 255, np.uint8)
    top, left = (TILE - sides[0]) // 2, (TILE - sides[1]) // 2
    tile[top : top + sides[0], left : left + sides[1]] = fitted
    return tile
