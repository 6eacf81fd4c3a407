"""Tiles with words below them: as a file in rows, as one SVG; on a page as many side by side as there is room for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from neocog.draw.palette import drawing, style
from neocog.draw.text import fit, safe
from neocog.draw.tiles import Box, crisp, plate_uri, uri

GAP, FONT, LINE = 8.0, 11.0, 16.0
READABLE = 9.0
"""pixels of the words, where rows must stay together, on however small a screen"""
ARM, FROM = 13.0, 5.0
"""of an arm that points at a small rectangle: where it ends and begins, in units of the drawing"""
SMALL = 10.0
"""units of a side up to which a rectangle needs arms"""
RULES = style(
    "nctile",
    ".nctile text{fill:var(--s);font-size:11px}.nctile .crisp{image-rendering:pixelated}"
    ".nctile .marked{fill:none;stroke:#e84820;stroke-width:2}.nctile svg{overflow:hidden}"
    ".nctile .rest{fill:#0b0e11;fill-opacity:.5}"
    ".nctile .sees,.nctile .under{fill:none;vector-effect:non-scaling-stroke}"
    ".nctile .under{stroke:#14181c;stroke-width:3.5}.nctile .sees{stroke:#fff;stroke-width:1.5}",
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Tile:
    """One picture of a sheet."""

    pixels: NDArray[np.uint8]
    """(height, width, 3)"""
    label: str = ""
    marked: bool = False
    """whether a frame is around it"""
    sees: Box | None = None
    """what of the sheet's picture it comes from, in pixels of that: drawn beside the tile, the rest darkened"""
    words: str = ""
    """what is said where one points at it"""
    photograph: bool = False
    """whether it is kept as a JPEG and enlarged smoothly; others are exact, and small ones shown as squares"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sheet:
    """Tiles row by row; the longer side of the largest, and of the picture beside them, is `side` units."""

    title: str
    tiles: Sequence[Tile]
    columns: int
    """in the file"""
    side: float = 84.0
    picture: NDArray[np.uint8] | None = None
    """(height, width, 3), of which tiles say what they see"""

    def svg(self) -> str:
        """All of them in rows; nothing where there are none."""
        if not self.tiles:
            return ""
        columns = min(self.columns, len(self.tiles))
        across, down = self.room + GAP, self.height + GAP
        places = [(1 + i % columns * across, 1 + i // columns * down) for i in range(len(self.tiles))]
        body = "".join(
            self._tile(tile, *at) + self._text(tile.label, *at)
            for tile, at in zip(self.tiles, places, strict=True)
        )
        width, height = columns * across - GAP + 2, ceil(len(self.tiles) / columns) * down - GAP + 2
        widths = (min(width * READABLE / FONT, 720) if self._below else 0, width * 1.25)
        return drawing("nctile", self.title, (width, height), self._shared() + body, RULES, widths)

    def pieces(self) -> list[str]:
        """HTML for each tile, its words in the size of the page's; on one page, since the first has what all need."""
        width, height = self.room + 2, self.height - self._below + 2
        found = []
        for i, tile in enumerate(self.tiles):
            first = f"<style>{RULES}</style>{self._shared()}" if i == 0 else ""
            label = ": ".join(filter(None, (self.title, tile.words or tile.label)))
            found.append(
                f'<div><svg class="nctile" role="img" aria-label="{safe(label)}" width="100%" '
                f'viewBox="0 0 {width:g} {height:g}">{first}{self._tile(tile, 1, 1)}</svg>{safe(tile.label)}</div>'
            )
        return found

    @property
    def room(self) -> float:
        """Units that a tile takes across, with what it sees."""
        return self._own[0] + (self._seen[0] + GAP / 2 if self._seen[0] else 0)

    @property
    def height(self) -> float:
        """Units that a tile takes down, with the words below."""
        return max(self._own[1], self._seen[1]) + self._below

    @cached_property
    def _scale(self) -> float:
        return self.side / float(max(side for tile in self.tiles for side in tile.pixels.shape[:2]))

    @cached_property
    def _own(self) -> tuple[float, float]:
        """Width and height of the largest tile."""
        sides = [tile.pixels.shape for tile in self.tiles]
        return max(s[1] for s in sides) * self._scale, max(s[0] for s in sides) * self._scale

    @cached_property
    def _seen(self) -> tuple[float, float]:
        """Width and height of the picture beside a tile; 0 where there is none."""
        if self.picture is None:
            return 0.0, 0.0
        height, width = self.picture.shape[:2]
        return width * self.side / max(height, width), height * self.side / max(height, width)

    @property
    def _below(self) -> float:
        return LINE if any(tile.label for tile in self.tiles) else 0.0

    @property
    def _key(self) -> str:
        """Of the picture: several sheets may stand on one page."""
        return f"nctile{crc32(self.title.encode('utf-8', 'replace')):08x}"

    def _shared(self) -> str:
        """The picture, once."""
        if self.picture is None:
            return ""
        height, width = self.picture.shape[:2]
        link = uri(self.picture, crisp(self.picture))
        image = f'<image id="{self._key}" width="{width}" height="{height}" href="{link}"/>'
        return f"<defs>{image}</defs>"

    def _tile(self, tile: Tile, left: float, top: float) -> str:
        height, width = (n * self._scale for n in tile.pixels.shape[:2])
        box = f'x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}"'
        title = f"<title>{safe(tile.words)}</title>" if tile.words else ""
        css = ' class="crisp"' if crisp(tile.pixels) and not tile.photograph else ""
        link = uri(tile.pixels, False) if tile.photograph else plate_uri(tile.pixels)
        out = f'<image{css} {box} preserveAspectRatio="none" href="{link}">{title}</image>'
        if tile.marked:
            out += f'<rect class="marked" {box}/>'
        if tile.sees is not None:
            out += self._field(tile.sees, title, (left + self._own[0] + GAP / 2, top))
        return out

    def _text(self, label: str, left: float, top: float) -> str:
        below = top + self.height - self._below + 12
        words = safe(fit(label, self.room, FONT))
        return f'<text x="{left:.1f}" y="{below:.1f}">{words}</text>' if label else ""

    def _field(self, box: Box, title: str, at: tuple[float, float]) -> str:
        """The picture with the rectangle, in the picture's own pixels: exact at any size."""
        assert self.picture is not None
        (height, width), (wide, high) = self.picture.shape[:2], self._seen
        top, left, bottom, right = box
        path = f"M{left} {top}H{right}V{bottom}H{left}z" + self._arms(box, width / wide)
        rest = f"M0 0H{width}V{height}H0zM{left} {top}H{right}V{bottom}H{left}z"
        return (
            f'<svg x="{at[0]:.1f}" y="{at[1]:.1f}" width="{wide:.1f}" height="{high:.1f}" '
            f'viewBox="0 0 {width} {height}">{title}<use href="#{self._key}"/>'
            f'<path class="rest" fill-rule="evenodd" d="{rest}"/>'
            f'<path class="under" d="{path}"/><path class="sees" d="{path}"/></svg>'
        )

    def _arms(self, box: Box, pixel: float) -> str:
        """Four of them towards a rectangle that is hard to find; `pixel` of the picture are a unit of the drawing."""
        top, left, bottom, right = box
        if max(bottom - top, right - left) > SMALL * pixel:
            return ""
        row, column, far, near = (top + bottom) / 2, (left + right) / 2, ARM * pixel, FROM * pixel
        return (
            f"M{column:g} {top - far:g}V{top - near:g}M{column:g} {bottom + near:g}V{bottom + far:g}"
            f"M{left - far:g} {row:g}H{left - near:g}M{right + near:g} {row:g}H{right + far:g}"
        )
