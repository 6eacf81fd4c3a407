"""Curves with bands, such as a test error over the epochs and how far it differs between seeds, as one SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite

from neocog.draw.axes import column_mark, row_mark
from neocog.draw.network import KINDS
from neocog.draw.palette import drawing, heading, style
from neocog.draw.svg import ticks
from neocog.draw.text import safe

WIDTH, LEFT, RIGHT, TOP, PLOT = 560.0, 56.0, 14.0, 34.0, 240.0
BELOW, LINE = 40.0, 20.0  # room for the axis's words; height of a line of the legend
STYLE = style(
    "nct",
    ".nct text{fill:var(--s);font-size:12px}.nct .h{fill:var(--i);font-size:14px;font-weight:650}"
    ".nct .axis{stroke:var(--l);stroke-width:1}.nct polyline{fill:none;stroke-width:2;stroke-linejoin:round}"
    ".nct polygon{fill-opacity:.16}"
    "@media (max-width:640px){.nct text{font-size:15px}.nct .h{font-size:17px}}"
    + "".join(
        f".nct polyline.t{i}{{stroke:var(--{kind})}}.nct polygon.t{i}{{fill:var(--{kind})}}"
        for i, kind in enumerate(KINDS)
    ),
)
Marks = Sequence[tuple[float, str]]
"""places on the horizontal axis with what stands there"""
DASHES = ("", "6 3", "2 3")  # from the tenth line on the colours come again, dashed


@dataclass(frozen=True)
class Trend:
    """A named line: points (x, y, low, high)."""

    label: str
    points: tuple[tuple[float, float, float, float], ...]


def trends(
    title: str,
    across: str,
    lines: Sequence[Trend],
    whole: bool = False,
    marks: Marks = (),
    most: float = inf,
) -> str:
    """The lines in one plot, the band of each from low to high; `across` names the horizontal axis.

    `marks` stand below it in place of round numbers. Where no value may be above `most`, the axis ends there, too.

    The vertical axis holds all lines, and bands as far as half of that beyond them, or `whole` bands. Values that are
    not finite are left out. Labels are escaped.
    """
    drawn = [Trend(line.label, tuple(p for p in line.points if isfinite(p[1]))) for line in lines]
    drawn = [line for line in drawn if line.points]
    box = _Box.of(drawn, whole, most)
    height = TOP + PLOT + BELOW + LINE * len(drawn) + 6
    below = marks or [(x, f"{x:g}") for x in box.columns]
    ends = (LEFT, WIDTH - RIGHT)
    body = "".join(row_mark(f"{value:g}", box.y(value), ends) for value in box.rows)
    body += "".join(column_mark(text, box.x(value), TOP + PLOT, WIDTH) for value, text in below)
    body += "".join(_band(i, line, box) for i, line in enumerate(drawn))
    body += "".join(_line(i, line, box) for i, line in enumerate(drawn))
    body += "".join(_entry(i, line) for i, line in enumerate(drawn))
    body += f'<text x="{WIDTH - RIGHT:g}" y="{TOP + PLOT + 32:g}" text-anchor="end">{safe(across)}</text>'
    label = f"{title} over {across}"
    return drawing("nct", label, (WIDTH, height), heading(title) + body, STYLE, (0, WIDTH * 1.2))


@dataclass(frozen=True)
class _Box:
    """The round numbers of both axes; what is drawn lies between the first and the last."""

    columns: list[float]
    rows: list[float]
    width: tuple[float, float]

    @classmethod
    def of(cls, lines: Sequence[Trend], whole: bool, most: float) -> _Box:
        points = [point for line in lines for point in line.points] or [(0.0, 0.0, 0.0, 0.0)]
        xs, ys = [p[0] for p in points], [p[1] for p in points]
        room = inf if whole else (max(ys) - min(ys) or 1.0) / 2
        low = min(max(min(p[2] for p in points), min(ys) - room), most - 1)  # there is room below, at least
        high = min(max(p[3] for p in points), max(ys) + room)
        width = (min(xs), max(xs) if max(xs) > min(xs) else min(xs) + 1)
        columns = [x for x in ticks(*width) if width[0] <= x <= width[1]]
        return cls(columns, ticks(low if whole or min(ys) < 0 else max(low, 0.0), high), width)

    def x(self, value: float) -> float:
        share = (value - self.width[0]) / (self.width[1] - self.width[0])
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """A value outside the axis stands at its end."""
        share = (value - self.rows[0]) / (self.rows[-1] - self.rows[0])
        return TOP + PLOT * (1 - min(max(share, 0.0), 1.0))


def _band(i: int, line: Trend, box: _Box) -> str:
    above = [f"{box.x(x):.1f},{box.y(high):.1f}" for x, _, _, high in line.points]
    below = [f"{box.x(x):.1f},{box.y(low):.1f}" for x, _, low, _ in reversed(line.points)]
    return f'<polygon class="t{i % len(KINDS)}" points="{" ".join(above + below)}"/>'


def _line(i: int, line: Trend, box: _Box) -> str:
    path = " ".join(f"{box.x(x):.1f},{box.y(y):.1f}" for x, y, _, _ in line.points)
    return f'<polyline class="t{i % len(KINDS)}"{_dash(i)} points="{path}"><title>{safe(line.label)}</title></polyline>'


def _entry(i: int, line: Trend) -> str:
    y = TOP + PLOT + BELOW + LINE * i + 12
    return (
        f'<polyline class="t{i % len(KINDS)}"{_dash(i)} points="{LEFT:g},{y - 4:g} {LEFT + 28:g},{y - 4:g}"/>'
        f'<text x="{LEFT + 36:g}" y="{y:g}">{safe(line.label)}</text>'
    )


def _dash(i: int) -> str:
    dash = DASHES[i // len(KINDS) % len(DASHES)]
    return f' stroke-dasharray="{dash}"' if dash else ""
