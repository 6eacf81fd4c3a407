"""A contact sheet: rows of pictures from plain arrays, as a picture, an SVG or a page that needs no other file."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from neocog.draw.palette import INK, style
from neocog.draw.text import fit, length, safe
from neocog.draw.tiles import uri

Pixels = NDArray[np.uint8]
MARGIN, GAP, APART = 28, 8, 20
NAMES = 132  # room for the rows' names
CELL, NARROWEST = 120, 620  # a picture's width, the whole sheet's least
SHARP = 64  # pictures up to this extent are shown with their pixels as squares, and stored without loss


class Row(NamedTuple):
    name: str
    detail: str
    """a second line, softer"""
    pictures: tuple[Pixels, ...]
    """uint8 (height, width, 1 or 3), one for each column, all of one size"""


class Words(NamedTuple):
    """A line of text; `kind` is title, name or soft."""

    x: float
    y: float
    """of the line's foot"""
    text: str
    kind: str
    anchor: str = "start"


SIZES = {"title": 25, "name": 13, "soft": 12}


@dataclass(frozen=True)
class Sheet:
    """Rows of pictures, the first column set apart. It shows itself in a notebook."""

    title: str
    about: str
    """the line under the title"""
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    settings: str = ""
    """what stands under the pictures"""

    @property
    def cell(self) -> tuple[int, int]:
        """Width and height of a picture on the sheet."""
        height, width = self.rows[0].pictures[0].shape[:2]
        return CELL, round(CELL * height / width)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the sheet."""
        return self._width, round(self._foot + 18 * len(self._notes) + MARGIN)

    @property
    def _width(self) -> int:
        return max(NARROWEST, round(self._left(len(self.columns)) - GAP + MARGIN))

    @property
    def _foot(self) -> float:
        """Where the text under the pictures begins."""
        return self._top(len(self.rows)) + (APART if self.settings else 0)

    @property
    def _notes(self) -> list[str]:
        return _wrapped(self.settings, self._width - 2 * MARGIN, SIZES["soft"])

    def _left(self, column: int) -> float:
        return MARGIN + NAMES + column * (self.cell[0] + GAP) + (APART if column else 0)

    def _top(self, row: int) -> float:
        return MARGIN + 82 + row * (self.cell[1] + GAP)

    def words(self) -> Iterator[Words]:
        """Every line of text."""
        room = self._width - 2 * MARGIN
        yield Words(MARGIN, MARGIN + 20, fit(self.title, room, SIZES["title"]), "title")
        yield Words(MARGIN, MARGIN + 42, fit(self.about, room, SIZES["soft"]), "soft")
        for i, name in enumerate(self.columns):
            yield Words(self._left(i) + self.cell[0] / 2, self._top(0) - 9, name, "soft", "middle")
        for i, row in enumerate(self.rows):
            middle = self._top(i) + self.cell[1] / 2
            yield Words(MARGIN, middle - 1, fit(row.name, NAMES - 14, SIZES["name"]), "name")
            yield Words(MARGIN, middle + 16, fit(row.detail, NAMES - 14, SIZES["soft"]), "soft")
        for i, line in enumerate(self._notes):
            yield Words(MARGIN, self._foot + 12 + 18 * i, line, "soft")

    def places(self) -> Iterator[tuple[float, float, Pixels]]:
        """Left and top of every picture."""
        for i, row in enumerate(self.rows):
            for j, picture in enumerate(row.pictures):
                yield self._left(j), self._top(i), picture

    def to_svg(self) -> str:
        """An SVG with the pictures inside; by dark where the reader's screen is."""
        width, height = self.size
        text = "".join(
            f'<text class="{w.kind}" x="{w.x:g}" y="{w.y:g}" text-anchor="{w.anchor}">{safe(w.text)}</text>'
            for w in self.words()
        )
        across, down = self.cell
        pictures = "".join(
            f'<image x="{x:g}" y="{y:g}" width="{across}" height="{down}" preserveAspectRatio="none"'
            f'{_crisp(picture)} href="{data_uri(picture)}"/>'
            for x, y, picture in self.places()
        )
        sizes = "".join(f".ncs .{kind}{{font-size:{size}px}}" for kind, size in SIZES.items())
        rules = (
            f".ncs text{{fill:var(--s)}}.ncs .title,.ncs .name{{fill:var(--i);font-weight:600}}{sizes}"
            ".ncs .paper{fill:var(--p)}.ncs image{clip-path:inset(0 round 5px)}"
        )
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="ncs" role="img" aria-label="{safe(self.title)}" '
            f'width="{width}" height="{height}" viewBox="0 0 {width} {height}" style="max-width:100%;height:auto">'
            f'<style>{style("ncs", rules)}</style><rect class="paper" width="100%" height="100%"/>'
            f"{text}{pictures}</svg>\n"
        )

    def to_html(self) -> str:
        """A page with nothing but the sheet."""
        return (
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{safe(self.title)}</title>'
            '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
            f"<style>body{{margin:0;background:{INK['p']}}}svg{{display:block;margin:auto}}"
            "@media (prefers-color-scheme:dark){body{background:#14171a}}</style>"
            f"{self.to_svg()}</html>\n"
        )

    def to_png(self, scale: int = 2) -> bytes:
        """The sheet as a PNG, `scale` pixels to a unit."""
        width, height = self.size
        paper = Image.new("RGB", (width * scale, height * scale), INK["p"])
        across, down = (side * scale for side in self.cell)
        corners = Image.new("L", (across, down))
        ImageDraw.Draw(corners).rounded_rectangle((0, 0, across - 1, down - 1), 5 * scale, 255)
        for x, y, picture in self.places():
            coarse = max(picture.shape[:2]) <= SHARP
            how = Image.Resampling.NEAREST if coarse else Image.Resampling.LANCZOS
            paper.paste(
                _image(picture).resize((across, down), how), (round(x * scale), round(y * scale)), corners
            )
        pen = ImageDraw.Draw(paper)
        for w in self.words():
            font = ImageFont.load_default(SIZES[w.kind] * scale)
            ink = INK["s" if w.kind == "soft" else "i"]
            pen.text((w.x * scale, w.y * scale), w.text, ink, font, "ms" if w.anchor == "middle" else "ls")
        out = io.BytesIO()
        paper.save(out, "PNG", optimize=True)
        return out.getvalue()

    def _repr_html_(self) -> str:
        return self.to_svg()


def data_uri(picture: Pixels) -> str:
    """The picture as an address that holds it: a PNG where it is small, else a JPEG."""
    return uri(np.asarray(_image(picture)), max(picture.shape[:2]) <= SHARP)


def _crisp(picture: Pixels) -> str:
    return ' style="image-rendering:pixelated"' if max(picture.shape[:2]) <= SHARP else ""


def _image(picture: Pixels) -> Image.Image:
    return Image.fromarray(
        np.ascontiguousarray(picture[..., 0] if picture.shape[2] == 1 else picture)
    ).convert("RGB")


def _wrapped(text: str, room: float, size: float) -> list[str]:
    """Lines no wider than `room`, broken between words."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and length(longer, size) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
