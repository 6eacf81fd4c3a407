"""A gallery: plates with captions, on one page that needs no other file, and as files of their own."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from neocog.draw.page import STYLES, filled, framed
from neocog.draw.parts import FILTERS
from neocog.draw.table import printable
from neocog.draw.text import readable
from neocog.draw.tiles import png

EXACT = 256 * 256
"""pixels up to which a picture is kept exactly on the page; larger ones are a JPEG there, and exact as a file"""
CRISP = 160
"""pixels of a side up to which they are shown as squares"""


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

    @property
    def file(self) -> str:
        return f"{self.name}.{'svg' if self.svg else 'png'}"

    def content(self) -> bytes:
        """What the file holds."""
        if self.svg:
            return self.svg.encode()
        assert self.pixels is not None
        return png(self.pixels)


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
    """what kind of view it is"""
    title: str
    detail: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    rooms: tuple[Room, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    made: str = ""
    version: str = ""

    def plates(self) -> Iterator[Plate]:
        for room in self.rooms:
            yield from room.plates

    def _repr_html_(self) -> str:
        return framed(gallery_page(self))


def gallery_page(gallery: Gallery) -> str:
    """The whole page in one file. Names and paths are untrusted: the template escapes each of them."""
    filters = {**FILTERS, "plate": plate_uri, "crisp": _crisp}
    styles = (*STYLES, "gallery.css")
    return filled("gallery.html", {"g": gallery}, styles=styles, filters=filters, finalize=_shown)


def plate_uri(pixels: NDArray[np.uint8]) -> str:
    """A picture (height, width, 3) inside the page."""
    exact, out = pixels.shape[0] * pixels.shape[1] <= EXACT, io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG" if exact else "JPEG", **({} if exact else {"quality": 90}))
    return f"data:image/{'png' if exact else 'jpeg'};base64,{base64.b64encode(out.getvalue()).decode()}"


def _crisp(pixels: NDArray[np.uint8]) -> str:
    return "crisp" if max(pixels.shape[:2]) <= CRISP else ""


def _shown(value: object) -> object:
    """`value` without control characters: a path may hold marks that turn the text around it."""
    return readable(printable(value)) if type(value) is str else value
