"""A confusion matrix as a PNG for papers and slides: each cell in the colour of its share of the row."""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from neocog.draw.confusion import LARGEST_TABLE, Counts, checked
from neocog.draw.palette import INK
from neocog.draw.svg import ticks
from neocog.draw.table import printable

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
NAMED = 60  # classes up to which each has its name beside it
EXTENT = 1600  # pixels of a matrix without names, about
CELLS = ((12, 72), (LARGEST_TABLE, 56), (NAMED, 34))  # up to so many classes a cell is so wide
NAMES, MARGIN, LETTERS = 420, 28, 24  # most room for a name, around the picture, height of letters
HIT, MISS = (42, 106, 156), (181, 80, 27)
FAINTEST = (0.06, 0.3)  # of the full colour, with names and without: small cells must be seen, too
FONTS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "Arial.ttf", "Helvetica.ttc", "LiberationSans-Regular.ttf")
RIGHT_TO_LEFT = {"R", "AL", "AN"}


class Place(NamedTuple):
    """Where the matrix lies in the picture: left and top of its first cell and a cell's side, in pixels."""

    left: int
    top: int
    cell: int


def confusion_png(counts: Counts, classes: Sequence[str]) -> bytes:
    """The picture of `counts[true, predicted]`: with names up to `NAMED` classes, with numbers up to `LARGEST_TABLE`;
    beyond that classes are counted along the sides. A name whose letters no font here has is given as `#` and its
    place in `classes`, from 0.
    """
    table = checked(counts, classes)
    at, n = place(classes), len(classes)
    side = at.cell * n
    paper = Image.new(
        "RGB", (at.left + max(side, 300) + MARGIN, at.top + side + 2 * MARGIN + LETTERS), INK["p"]
    )
    colours = np.repeat(np.repeat(colour(table), at.cell, axis=0), at.cell, axis=1)
    if n <= NAMED:
        edge = np.arange(side) % at.cell == 0
        colours[edge], colours[:, edge] = (_rgb(INK["p"]),) * 2
    paper.paste(Image.fromarray(colours), (at.left, at.top))
    pen = ImageDraw.Draw(paper)
    pen.text(
        (MARGIN, MARGIN),
        "is ↓  said →" if _has("↓→") else "rows: is, columns: said",
        INK["s"],
        _font(LETTERS),
    )
    _name(paper, at, _labels(classes) if n <= NAMED else _numbers(n))
    if n <= LARGEST_TABLE:
        _count(pen, at, table)
    _legend(paper, at, side, FAINTEST[n > NAMED])
    file = io.BytesIO()
    paper.save(file, "PNG", optimize=True)
    return file.getvalue()


def place(classes: Sequence[str]) -> Place:
    n = len(classes)
    cell = next((size for most, size in CELLS if n <= most), max(1, EXTENT // n))
    texts = [text for _, text in (_labels(classes) if n <= NAMED else _numbers(n))]
    room = round(max(_font(LETTERS).getlength(text) for text in texts)) + 12
    return Place(MARGIN + max(room, 130), MARGIN + LETTERS + 14 + room, cell)


def colour(table: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The colour of each cell, uint8 (n, n, 3): blue on the diagonal, orange beside it, fuller with the share of the
    row; grey where there is no picture."""
    full = np.where(np.eye(len(table), dtype=bool)[:, :, None], HIT, MISS)
    return _tinted(_share(table)[:, :, None], full, FAINTEST[len(table) > NAMED])


def _share(table: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray(table / np.maximum(table.sum(axis=1, keepdims=True), 1), np.float64)


def _tinted(share: NDArray[np.float64], full: NDArray[np.int64], faintest: float) -> NDArray[np.uint8]:
    """The colour `full` as strong as the root of `share`, so that rare mistakes differ, too."""
    weight = np.where(share > 0, faintest + (1 - faintest) * np.sqrt(share), 0.0)
    return np.asarray(np.rint(_rgb(INK["t"]) * (1 - weight) + full * weight), np.uint8)


def _rgb(code: str) -> NDArray[np.int64]:
    return np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)])


def _labels(classes: Sequence[str]) -> list[tuple[int, str]]:
    """A text for each class that the font can show."""
    names = (printable(name) for name in classes)
    return [(i, _fit(name) if _has(name) else f"#{i}") for i, name in enumerate(names)]


def _numbers(n: int) -> list[tuple[int, str]]:
    """Round numbers of classes along a side, from 0."""
    return [(int(i), f"{i:,.0f}") for i in ticks(0, n - 1, 8) if i == int(i) and i < n]


@cache
def _font(size: int) -> Font:
    for name in FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return ImageFont.load_default(size)


@cache
def _has(text: str) -> bool:
    """Whether the font has each letter; what is written from right to left Pillow alone cannot set."""
    lacking = _drawn("\uffff")
    return all(
        c == " " or (unicodedata.bidirectional(c) not in RIGHT_TO_LEFT and _drawn(c) != lacking) for c in text
    )


@cache
def _drawn(letter: str) -> tuple[tuple[int, int], bytes]:
    mask = _font(LETTERS).getmask(letter)
    return mask.size, bytes(mask)


def _fit(name: str) -> str:
    """`name`, cut in the middle where it is too long."""
    font, kept = _font(LETTERS), len(name)
    short = name
    while font.getlength(short) > NAMES and kept > 2:
        kept -= 1
        short = f"{name[: kept // 2]}…{name[len(name) - (kept - kept // 2) :]}"
    return short


def _name(paper: Image.Image, at: Place, labels: Sequence[tuple[int, str]]) -> None:
    """Names beside the rows and, turned, above the columns."""
    pen, font = ImageDraw.Draw(paper), _font(LETTERS)
    for i, text in labels:
        middle = at.cell * i + at.cell // 2
        pen.text((at.left - 10, at.top + middle), text, INK["i"], font, "rm")
        turned = Image.new("L", (round(font.getlength(text)) + 4, 2 * LETTERS))
        ImageDraw.Draw(turned).text((2, LETTERS), text, 255, font, "lm")
        turned = turned.rotate(90, expand=True)
        paper.paste(INK["i"], (at.left + middle - LETTERS, at.top - 8 - turned.height), turned)


def _count(pen: ImageDraw.ImageDraw, at: Place, table: NDArray[np.int64]) -> None:
    """Numbers in the cells, white where the ground is dark."""
    share = _share(table)
    for row, column in np.argwhere(table).tolist():
        text = f"{table[row, column]}"
        size = min(LETTERS, round(LETTERS * (at.cell - 8) / max(_font(LETTERS).getlength(text), 1)))
        middle = (at.left + at.cell * (column + 0.5), at.top + at.cell * (row + 0.5))
        pen.text(middle, text, "#fff" if share[row, column] > 0.3 else INK["i"], _font(size), "mm")


def _legend(paper: Image.Image, at: Place, side: int, faintest: float) -> None:
    """What the colours say: from none to all of a row, right in blue, wrong in orange."""
    left, top, width = at.left, at.top + side + MARGIN, min(max(side, 300), 420)
    shares = np.linspace(0, 1, width // 2)[None, :, None]
    wrong, right = (_tinted(shares, np.array(full), faintest) for full in (MISS, HIT))
    bar = np.concatenate([wrong[:, ::-1], right], axis=1)
    paper.paste(Image.fromarray(np.repeat(bar, LETTERS // 2, axis=0)), (left, top))
    pen, font, y = ImageDraw.Draw(paper), _font(LETTERS * 3 // 4), top + LETTERS // 2 + 4
    for x, text, anchor in ((0, "wrong: all", "la"), (width // 2, "0", "ma"), (width, "right: all", "ra")):
        pen.text((left + x, y), text, INK["s"], font, anchor)
