"""A gallery: plates with captions, on one page that needs no other file, and as files of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from neocog.draw.labelled import Sheet
from neocog.draw.page import STYLES, filled, framed
from neocog.draw.parts import FILTERS
from neocog.draw.text import plain
from neocog.draw.tiles import crisp, plate_uri, png


def file_stem(name: str) -> str:
    """`name`, a layer's say, as the name of a file on any system."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name)


@dataclass(frozen=True, kw_only=True, eq=False)
class Plate:
    """One picture or plot, and what it says."""

    name: str
    """of its file, without ending: letters, digits, -, _ and points"""
    title: str
    caption: str
    """what one sees, how it was computed, and with which scaling"""
    pixels: NDArray[np.uint8] | None = None
    """(height, width, 3)"""
    svg: str = ""
    """a plot of ours, in place of pixels"""
    sheet: Sheet | None = None
    """tiles, in place of both: on the page as many side by side as there is room for"""

    @property
    def drawing(self) -> str:
        """The SVG that its file holds; nothing where that is pixels."""
        return self.svg if self.sheet is None else self.sheet.svg()

    @property
    def file(self) -> str:
        return f"{self.name}.{'png' if self.pixels is not None else 'svg'}"

    def content(self) -> bytes:
        """What the file holds."""
        return self.drawing.encode() if self.pixels is None else png(self.pixels)


@dataclass(frozen=True, kw_only=True, eq=False)
class Room:
    """Plates under one heading."""

    title: str
    words: str = ""
    plates: tuple[Plate, ...] = ()
    small: bool = False
    """whether the plates stand in columns, as many sheets of one kind do; else one below the other"""
    beside: bool = False
    """whether two plates stand side by side where there is room"""
    header: tuple[str, ...] = ()
    """of a table below the plates"""
    rows: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Gallery:
    """Everything that the page shows. In a notebook it shows itself."""

    over: str
    """what kind of view it is: it begins with a capital, wherever it comes from"""
    title: str
    facts: tuple[tuple[str, str], ...] = ()
    rooms: tuple[Room, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    made: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    version: str = field(default_factory=lambda: version("neocog"))

    def plates(self) -> Iterator[Plate]:
        for room in self.rooms:
            yield from room.plates

    def _repr_html_(self) -> str:
        return framed(gallery_page(self))


def gallery_page(gallery: Gallery) -> str:
    """The whole page in one file. Names and paths are untrusted: the template escapes each of them."""
    filters = {**FILTERS, "plate": plate_uri, "crisp": lambda pixels: "crisp" if crisp(pixels) else ""}
    words = {"g": gallery, "over": gallery.over[:1].upper() + gallery.over[1:]}
    return filled("gallery.html", words, styles=(*STYLES, "gallery.css"), filters=filters, finalize=plain)
