"""A function of one number and its derivative, as one SVG."""

from __future__ import annotations

from collections.abc import Sequence

from neocog.draw.palette import PAPER, on_paper, style
from neocog.draw.svg import ticks
from neocog.draw.text import safe

WIDTH, LEFT, RIGHT, TOP, PLOT, BELOW = 320.0, 34.0, 10.0, 30.0, 200.0, 26.0
STYLE = on_paper("ncf") + style(
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
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="ncf" role="img" '
        f'aria-label="{safe(title)} and its derivative" width="100%" style="max-width:{WIDTH * 1.4:g}px" '
        f'viewBox="0 0 {WIDTH:g} {TOP + PLOT + BELOW:g}"><style>{STYLE}</style>{PAPER}'
        f'<text class="h" x="2" y="18">{safe(title)}</text>{body}</svg>\n'
    )


def _x(value: float, across: tuple[float, float]) -> float:
    return LEFT + (value - across[0]) / (across[1] - across[0]) * (WIDTH - LEFT - RIGHT)


def _y(value: float, up: tuple[float, float]) -> float:
    return TOP + PLOT * (1 - (value - up[0]) / (up[1] - up[0]))


def _row(mark: float, up: tuple[float, float]) -> str:
    y = _y(mark, up)
    css = "axis" if mark else "zero"
    return (
        f'<line class="{css}" x1="{LEFT:g}" x2="{WIDTH - RIGHT:g}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text x="{LEFT - 6:g}" y="{y + 4:.1f}" text-anchor="end">{mark:g}</text>'
    )


def _column(mark: float, across: tuple[float, float]) -> str:
    x = _x(mark, across)
    css = "axis" if mark else "zero"
    return (
        f'<line class="{css}" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP:g}" y2="{TOP + PLOT:g}"/>'
        f'<text x="{x:.1f}" y="{TOP + PLOT + 17:g}" text-anchor="middle">{mark:g}</text>'
    )
