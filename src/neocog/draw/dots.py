"""Figures of several methods in a row each, a dot for each series with its deviation, as one SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from neocog.draw.network import KINDS
from neocog.draw.palette import drawing, heading, style
from neocog.draw.svg import ticks
from neocog.draw.text import length, safe

TOP, ROW, PLOT, RIGHT = 34.0, 24.0, 380.0, 20.0
BELOW = 26.0  # room for the axis
STYLE = style(
    "ncd",
    ".ncd text{fill:var(--s);font-size:12px}.ncd .h{fill:var(--i);font-size:14px;font-weight:650}"
    ".ncd .axis{stroke:var(--l);stroke-width:1}.ncd .who{fill:var(--i)}"
    + "".join(
        f".ncd .d{i}{{fill:var(--{kind});stroke:var(--{kind});stroke-width:1.6}}"
        for i, kind in enumerate(KINDS)
    ),
)


@dataclass(frozen=True)
class Row:
    """A method: for each series its figure and the deviation, None where there is none."""

    label: str
    figures: tuple[tuple[float, float | None] | None, ...]


@dataclass(frozen=True)
class _Axis:
    """From 0 at `left` to `last`."""

    left: float
    last: float

    def place(self, value: float) -> float:
        return round(self.left + PLOT * value / self.last, 1)


def dots(title: str, series: Sequence[str], rows: Sequence[Row]) -> str:
    """The first row on top; the axis reaches from 0 to the largest figure with its deviation. Labels are escaped."""
    ends = [value + (spread or 0) for row in rows for value, spread in filter(None, row.figures)]
    marks = ticks(0.0, max(ends), 6)
    axis = _Axis(10 + max(length(row.label, 12) for row in rows), marks[-1])
    width, bottom = axis.left + PLOT + RIGHT, TOP + ROW * len(rows)
    height = bottom + BELOW + 20 * len(series)
    body = "".join(_column(value, bottom, axis) for value in marks)
    body += "".join(_row(row, series, TOP + ROW * (i + 0.5), axis) for i, row in enumerate(rows))
    body += "".join(_entry(i, name, bottom + BELOW + 20 * i + 6, axis) for i, name in enumerate(series))
    return drawing("ncd", title, (width, height), heading(title) + body, STYLE, (0, width * 1.1))


def _column(value: float, bottom: float, axis: _Axis) -> str:
    x = axis.place(value)
    return (
        f'<line class="axis" x1="{x:g}" x2="{x:g}" y1="{TOP:g}" y2="{bottom:g}"/>'
        f'<text x="{x:g}" y="{bottom + 16:g}" text-anchor="middle">{value:g}</text>'
    )


def _row(row: Row, series: Sequence[str], y: float, axis: _Axis) -> str:
    found = (
        f'<text class="who" x="{axis.left - 8:g}" y="{y + 4:g}" text-anchor="end">{safe(row.label)}</text>'
    )
    for i, figure in enumerate(row.figures):
        if figure is not None:
            value, spread = figure
            words = f"{row.label}, {series[i]}: {value:g}" + (f" ± {spread:g}" if spread is not None else "")
            low, high = axis.place(value - (spread or 0)), axis.place(value + (spread or 0))
            found += (
                f'<g class="d{i}"><title>{safe(words)}</title>'
                f'<line x1="{low:g}" x2="{high:g}" y1="{y:g}" y2="{y:g}"/>'
                f'<circle cx="{axis.place(value):g}" cy="{y:g}" r="4"/></g>'
            )
    return found


def _entry(i: int, name: str, y: float, axis: _Axis) -> str:
    return (
        f'<circle class="d{i}" cx="{axis.left + 6:g}" cy="{y:g}" r="4"/>'
        f'<text x="{axis.left + 18:g}" y="{y + 4:g}">{safe(name)}</text>'
    )
