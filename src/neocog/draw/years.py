"""Figures by year, each marked with who and what it is, as one SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from neocog.draw.network import KINDS
from neocog.draw.palette import drawing, heading, style
from neocog.draw.svg import ticks
from neocog.draw.text import length, safe

LEFT, TOP, PLOT = 40.0, 40.0, 460.0
LINE, BELOW = 14.0, 34.0  # height of a label; room for the years
STYLE = style(
    "ncy",
    ".ncy text{fill:var(--s);font-size:12px}.ncy .h{fill:var(--i);font-size:14px;font-weight:650}"
    ".ncy .axis{stroke:var(--l);stroke-width:1}.ncy .lead{stroke:var(--e);stroke-width:.7}"
    ".ncy .who{fill:var(--i);font-size:11px}"
    + "".join(
        f".ncy .y{i}{{fill:var(--{kind});stroke:var(--{kind});stroke-width:1.6}}"
        for i, kind in enumerate(KINDS)
    )
    + ".ncy .y1{fill:var(--c)}",
)


@dataclass(frozen=True)
class Mark:
    """One figure."""

    label: str
    year: int
    value: float
    interval: tuple[float, float]
    kind: int
    """place in the legend"""


def by_year(title: str, marks: Sequence[Mark], kinds: Sequence[str]) -> str:
    """A dot with its interval for each mark, its label beside it; labels of a year stand clear of one another.

    `kinds` are the words of the legend. Labels are escaped.
    """
    years = sorted({mark.year for mark in marks})
    rows = ticks(0.0, max(mark.interval[1] for mark in marks), 6)
    column = max(length(mark.label, 11) for mark in marks) + 30
    width = LEFT + column * len(years)
    height = TOP + PLOT + BELOW + 20 * len(kinds)
    body = "".join(_grid(value, rows[-1], width) for value in rows)
    for i, year in enumerate(years):
        x = LEFT + 14 + column * i
        body += f'<text x="{x:g}" y="{TOP + PLOT + 18:g}" text-anchor="middle">{year}</text>'
        body += _column([mark for mark in marks if mark.year == year], x, rows[-1])
    body += "".join(_entry(i, words) for i, words in enumerate(kinds))
    return drawing("ncy", title, (width, height), heading(title) + body, STYLE, (0, width * 1.1))


def apart(wanted: Sequence[float], room: float) -> list[float]:
    """Places near the `wanted` ones, which ascend, at least `room` from one another.

    Neighbours that are too close become a block about the mean of what its members want.
    """
    blocks: list[list[float]] = []  # of wishes less the place in the block
    for wish in wanted:
        blocks.append([wish])
        while len(blocks) > 1 and _start(blocks[-2], room) + len(blocks[-2]) * room > _start(
            blocks[-1], room
        ):
            last = blocks.pop()
            blocks[-1] += last
    return [_start(block, room) + i * room for block in blocks for i in range(len(block))]


def _start(block: Sequence[float], room: float) -> float:
    return sum(wish - i * room for i, wish in enumerate(block)) / len(block)


def _y(value: float, top: float) -> float:
    return TOP + PLOT * (1 - value / top)


def _grid(value: float, top: float, width: float) -> str:
    y = _y(value, top)
    return (
        f'<line class="axis" x1="{LEFT:g}" x2="{width - 2:g}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text x="{LEFT - 7:g}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'
    )


def _column(marks: Sequence[Mark], x: float, top: float) -> str:
    """The marks of a year, from the top down."""
    marks = sorted(marks, key=lambda mark: -mark.value)
    places = apart([_y(mark.value, top) for mark in marks], LINE)
    assert all(b - a > LINE - 1e-6 for a, b in pairwise(places))
    return "".join(_mark(mark, x, top, place) for mark, place in zip(marks, places, strict=True))


def _mark(mark: Mark, x: float, top: float, place: float) -> str:
    y, (low, high) = _y(mark.value, top), (_y(value, top) for value in mark.interval)
    words = safe(mark.label)
    return (
        f'<line class="y{mark.kind}" x1="{x:g}" x2="{x:g}" y1="{low:.1f}" y2="{high:.1f}"/>'
        f'<circle class="y{mark.kind}" cx="{x:g}" cy="{y:.1f}" r="4"><title>{words}</title></circle>'
        f'<line class="lead" x1="{x + 5:g}" x2="{x + 13:g}" y1="{y:.1f}" y2="{place:.1f}"/>'
        f'<text class="who" x="{x + 15:g}" y="{place + 4:.1f}">{words}</text>'
    )


def _entry(i: int, words: str) -> str:
    y = TOP + PLOT + BELOW + 20 * i + 6
    return (
        f'<circle class="y{i}" cx="{LEFT + 6:g}" cy="{y:g}" r="4"/>'
        f'<text x="{LEFT + 18:g}" y="{y + 4:g}">{safe(words)}</text>'
    )
