"""Grids of numbers with signs between them, such as a window times a kernel, as one SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, isfinite, log10
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neocog.draw.palette import drawing, style
from neocog.draw.text import length, safe
from neocog.draw.tiles import signed

MINUS = "\N{MINUS SIGN}"
SUPERSCRIPTS = dict(zip("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹", strict=True))
HEAD, BETWEEN, APART = 20.0, 30.0, 18.0
"""room above a grid for its name, between grids for a sign, between rows of grids"""


class Cell(NamedTuple):
    wide: float
    high: float
    font: float


CELLS = ((5, Cell(48, 28, 12.5)), (8, Cell(36, 23, 10.5)), (1 << 30, Cell(30, 19, 8.8)))
"""for grids of up to so many columns"""
LIGHT = 140.0
"""brightness of a cell from which on its number is dark"""
STYLE = style(
    "ncnum",
    ".ncnum text{fill:var(--i);text-anchor:middle}.ncnum .h{text-anchor:start;fill:var(--s);font-size:12px}"
    ".ncnum .sign{font-size:20px;fill:var(--s)}.ncnum .dark{fill:#1c2126}.ncnum .light{fill:#fff}"
    ".ncnum .cell{stroke:var(--l);stroke-width:1}.ncnum .none{fill:none;stroke:var(--l);stroke-dasharray:2 2}"
    ".ncnum .won{fill:none;stroke:#e84820;stroke-width:3}.ncnum .own{fill:none;stroke:var(--i);stroke-width:3}",
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Grid:
    """Numbers in rows and columns, coloured by their sign and size: below 0 blue, 0 white, above 0 red."""

    name: str
    values: NDArray[np.float64]
    """(rows, columns)"""
    after: str = ""
    """what stands behind the name, and behind the unit where numbers are so small or large that they need one"""
    there: NDArray[np.bool_] | None = None
    """which cells exist; the others are padding, drawn as dashes"""
    won: tuple[int, int] | None = None
    """a cell with a thick orange border"""
    own: tuple[int, int] | None = None
    """a cell with a thick dark border"""


def number(value: float, digits: int = 6) -> str:
    """With a true minus, so that columns stand straight."""
    return f"{value:.{digits}g}".replace("-", MINUS)


def equations(title: str, rows: Sequence[Sequence[Grid | str]]) -> str:
    """Rows of grids, with words such as × and = between them."""
    most = max(part.values.shape[1] for row in rows for part in row if isinstance(part, Grid))
    cell = next(size for columns, size in CELLS if most <= columns)
    body, top, width = "", 0.0, 0.0
    for row in rows:
        high = HEAD + max(part.values.shape[0] for part in row if isinstance(part, Grid)) * cell.high
        left = 2.0
        for part in row:
            if isinstance(part, str):
                body += _sign(part, left + BETWEEN / 2, top + (HEAD + high) / 2 + 6)
                left += BETWEEN
            else:
                body += _grid(part, cell, left, top)
                left += max(
                    part.values.shape[1] * cell.wide,
                    length(_name(part), 12),
                )
        top, width = top + high + APART, max(width, left + 2)
    return drawing("ncnum", title, (width, top), body, STYLE, (min(width, 720), width))


def _largest(grid: Grid) -> float:
    there = np.ones(grid.values.shape, bool) if grid.there is None else grid.there
    return float(np.abs(np.where(there & np.isfinite(grid.values), grid.values, 0.0)).max())


def _name(grid: Grid) -> str:
    power = _power(_largest(grid))
    unit = f", in units of {_unit(power)}" if power else ""
    return f"{grid.name}{unit}{grid.after}"


def _sign(text: str, x: float, y: float) -> str:
    return f'<text class="sign" x="{x:.1f}" y="{y:.1f}">{safe(text)}</text>'


def _grid(grid: Grid, cell: Cell, left: float, top: float) -> str:
    wide, high = cell.wide, cell.high
    there = np.ones(grid.values.shape, bool) if grid.there is None else grid.there
    finite = np.where(there & np.isfinite(grid.values), grid.values, 0.0)
    power = _power(_largest(grid))
    colours, places = signed(finite), _places(_largest(grid) / 10.0**power, cell)
    out = f'<text class="h" x="{left:.1f}" y="{top + 13:.1f}">{safe(_name(grid))}</text>'

    def box(i: int, j: int) -> str:
        return f'x="{left + j * wide:.1f}" y="{top + HEAD + i * high:.1f}" width="{wide:g}" height="{high:g}"'

    for (i, j), value in np.ndenumerate(grid.values):
        if not there[i, j] or not isfinite(value):
            out += f'<rect class="none" {box(i, j)}/>'
            continue
        x, y = left + (j + 0.5) * wide, top + HEAD + (i + 0.5) * high + cell.font / 3
        out += f'<rect class="cell" style="fill:rgb{tuple(map(int, colours[i, j]))}" {box(i, j)}/>'
        out += (
            f'<text class="{_ink(colours[i, j])}" x="{x:.1f}" y="{y:.1f}" style="font-size:{cell.font:g}px">'
        )
        out += f"{_text(float(value) / 10.0**power, places)}</text>"
    for css, place in (("won", grid.won), ("own", grid.own)):
        if place is not None:
            out += f'<rect class="{css}" {box(*place)}/>'
    return out


def _ink(colour: NDArray[np.uint8]) -> str:
    return "dark" if float(colour @ np.array([0.3, 0.59, 0.11])) >= LIGHT else "light"


def _power(largest: float) -> int:
    """Of ten, for numbers so small or large that they would not fit; 0 for others."""
    return 0 if largest == 0 or 0.1 <= largest < 1000 else floor(log10(largest))


def _unit(power: int) -> str:
    return "10" + "".join(SUPERSCRIPTS[c] for c in str(power))


def _places(largest: float, cell: Cell) -> int:
    """Behind the point: about three digits of the largest number, two in narrow cells."""
    most = 3 if cell == CELLS[0][1] else 2
    return 2 if largest == 0 else min(max(2 - floor(log10(largest)), 0), most)


def _text(value: float, places: int) -> str:
    text = f"{value:.{places}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", MINUS)
