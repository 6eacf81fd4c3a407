"""A number for every head of every layer: a dot each, the layers from left to right, as one SVG."""

from __future__ import annotations

from collections.abc import Sequence

from neocog.draw.axes import column_mark, row_mark
from neocog.draw.palette import drawing, heading, style
from neocog.draw.svg import ticks
from neocog.draw.text import safe

WIDTH, LEFT, RIGHT, TOP, PLOT, BELOW = 560.0, 50.0, 14.0, 34.0, 260.0, 44.0
STYLE = style(
    "nch",
    ".nch text{fill:var(--s);font-size:12px}.nch .h{fill:var(--i);font-size:14px;font-weight:650}"
    ".nch .axis{stroke:var(--l);stroke-width:1}.nch .even{stroke:var(--linear);stroke-width:1.5;stroke-dasharray:5 3}"
    ".nch circle{fill:var(--conv);fill-opacity:.75}.nch .mean{fill:none;stroke:var(--e);stroke-width:1.5}"
    "@media (max-width:640px){.nch text{font-size:15px}.nch .h{font-size:17px}}",
)


def heads(
    title: str, words: tuple[str, str], figures: Sequence[Sequence[float]], even: tuple[float, str]
) -> str:
    """An SVG that needs nothing else. `figures` has for each layer the number of each head, the first layer first.

    `words` name the horizontal axis and the unit of the numbers; `even` is a dashed line with what it says. The mean
    of each layer is joined by a thin line.
    """
    rows = ticks(0.0, max(even[0], *(number for layer in figures for number in layer)))
    ends = (LEFT, WIDTH - RIGHT)
    body = "".join(row_mark(f"{mark:g}", _y(mark, rows[-1]), ends) for mark in rows)
    y = _y(even[0], rows[-1])
    body += f'<line class="even" x1="{LEFT:g}" x2="{WIDTH - RIGHT:g}" y1="{y:.1f}" y2="{y:.1f}"/>'
    below = TOP + PLOT + 32
    body += f'<line class="even" x1="{LEFT:g}" x2="{LEFT + 28:g}" y1="{below:g}" y2="{below:g}"/>'
    body += f'<text x="{LEFT + 36:g}" y="{below + 4:g}">{safe(even[1])}</text>'
    means = [sum(layer) / len(layer) for layer in figures]
    path = " ".join(f"{_x(i, len(means)):.1f},{_y(mean, rows[-1]):.1f}" for i, mean in enumerate(means))
    body += f'<polyline class="mean" points="{path}"/>'
    for i, layer in enumerate(figures):
        x = _x(i, len(figures))
        body += column_mark(str(i + 1), x, TOP + PLOT)
        body += "".join(
            f'<circle cx="{x:.1f}" cy="{_y(number, rows[-1]):.1f}" r="4.5">'
            f"<title>layer {i + 1}, head {k + 1}: {number:.3g} {safe(words[1])}</title></circle>"
            for k, number in enumerate(layer)
        )
    body += f'<text x="{WIDTH - RIGHT:g}" y="{TOP + PLOT + 36:g}" text-anchor="end">{safe(words[0])}</text>'
    size = (WIDTH, TOP + PLOT + BELOW)
    return drawing("nch", title, size, heading(title) + body, STYLE, (0, WIDTH * 1.2))


def _x(layer: int, layers: int) -> float:
    return LEFT + (layer + 0.5) / layers * (WIDTH - LEFT - RIGHT)


def _y(value: float, top: float) -> float:
    return TOP + PLOT * (1 - value / top)
