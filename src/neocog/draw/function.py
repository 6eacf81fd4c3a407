"""A function of one number and its derivative, as one SVG."""

from __future__ import annotations

from collections.abc import Sequence

from neocog.draw.axes import column_mark, row_mark
from neocog.draw.palette import drawing, heading, style
from neocog.draw.svg import ticks

WIDTH, LEFT, RIGHT, TOP, PLOT, BELOW = 320.0, 34.0, 10.0, 30.0, 200.0, 26.0
STYLE = style(
    "ncf",
    ".ncf text{fill:var(--s);font-size:12px}.ncf .h{fill:var(--i);font-size:14px;font-weight:650}"
    ".ncf .axis{stroke:var(--l);stroke-width:1}.ncf .zero{stroke:var(--e);stroke-width:1.2}"
    ".ncf polyline{fill:none;stroke-width:2.2;stroke-linejoin:round}.ncf .value{stroke:var(--conv)}"
    ".ncf .slope{stroke:var(--linear);stroke-dasharray:5 3}",
)


def function(title: str, x: Sequence[float], value: Sequence[float], slope: Sequence[float]) -> str:
    """An SVG that needs nothing else: the function as a line, its derivative dashed, at the places `x`, in order."""
    rows = ticks(min(*value, *slope), max(*value, *slope))
    columns = [mark for mark in ticks(x[0], x[-1]) if x[0] <= mark <= x[-1]]
    across, up = (x[0], x[-1]), (rows[0], rows[-1])
    body = "".join(_row(mark, up) for mark in rows) + "".join(_column(mark, across) for mark in columns)
    for css, line in (("slope", slope), ("value", value)):
        path = " ".join(f"{_x(a, across):.1f},{_y(b, up):.1f}" for a, b in zip(x, line, strict=True))
        body += f'<polyline class="{css}" points="{path}"/>'
    size, label = (WIDTH, TOP + PLOT + BELOW), f"{title} and its derivative"
    return drawing("ncf", label, size, heading(title) + body, STYLE, (0, WIDTH * 1.4))


def _x(value: float, across: tuple[float, float]) -> float:
    return LEFT + (value - across[0]) / (across[1] - across[0]) * (WIDTH - LEFT - RIGHT)


def _y(value: float, up: tuple[float, float]) -> float:
    return TOP + PLOT * (1 - (value - up[0]) / (up[1] - up[0]))


def _row(mark: float, up: tuple[float, float]) -> str:
    return row_mark(f"{mark:g}", _y(mark, up), (LEFT, WIDTH - RIGHT), "axis" if mark else "zero")


def _column(mark: float, across: tuple[float, float]) -> str:
    x = _x(mark, across)
    line = f'<line class="{"axis" if mark else "zero"}" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP:g}" y2="{TOP + PLOT:g}"/>'
    return line + column_mark(f"{mark:g}", x, TOP + PLOT)
