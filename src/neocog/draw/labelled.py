"""Tiles side by side, each with its name below it, as one SVG; small tiles are shown as squares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from neocog.draw.gallery import CRISP, plate_uri
from neocog.draw.palette import style
from neocog.draw.text import fit, length, safe

GAP, FONT, LINE = 8.0, 11.0, 16.0
STYLE = style(
    "nctile",
    ".nctile text{fill:var(--s);font-size:11px}.nctile .h{fill:var(--i);font-weight:650}"
    ".nctile .crisp{image-rendering:pixelated}.nctile .marked{fill:none;stroke:#e84820;stroke-width:2}",
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Tile:
    """One picture of a sheet."""

    pixels: NDArray[np.uint8]
    """(height, width, 3)"""
    label: str = ""
    marked: bool = False
    """whether a frame is around it"""


def tiles(title: str, shown: Sequence[Tile], columns: int, side: float = 84.0) -> str:
    """Tiles row by row, `columns` of them in each; the longer side of the largest is `side` units of the drawing."""
    if not shown:
        return ""
    columns = min(columns, len(shown))
    scale = side / max(max(tile.pixels.shape[:2]) for tile in shown)
    wide = max(tile.pixels.shape[1] for tile in shown) * scale
    high = max(tile.pixels.shape[0] for tile in shown) * scale
    below = LINE if any(tile.label for tile in shown) else 0.0
    width = columns * (wide + GAP) - GAP + 2
    height = ceil(len(shown) / columns) * (high + below + GAP) - GAP + 2
    body = "".join(
        _tile(tile, scale, 1 + i % columns * (wide + GAP), 1 + i // columns * (high + below + GAP), wide)
        for i, tile in enumerate(shown)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="nctile" role="img" aria-label="{safe(title)}" width="100%" '
        f'style="max-width:{width * 1.25:.0f}px" viewBox="0 0 {width:.1f} {height:.1f}">'
        f"<style>{STYLE}</style>{body}</svg>\n"
    )


def _tile(tile: Tile, scale: float, left: float, top: float, room: float) -> str:
    height, width = (n * scale for n in tile.pixels.shape[:2])
    css = ' class="crisp"' if max(tile.pixels.shape[:2]) <= CRISP else ""
    image = (
        f'<image{css} x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" '
        f'preserveAspectRatio="none" href="{plate_uri(tile.pixels)}"/>'
    )
    if tile.marked:
        image += (
            f'<rect class="marked" x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}"/>'
        )
    if not tile.label:
        return image
    words = tile.label if length(tile.label, FONT) <= room else fit(tile.label, room, FONT)
    return f'{image}<text x="{left:.1f}" y="{top + height + 12:.1f}">{safe(words)}</text>'
