"""Which class wins where, as one SVG: a square for each place, a colour for each class, the classes below."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from neocog.draw.network import KINDS
from neocog.draw.palette import drawing, style
from neocog.draw.text import count, fit, safe

WIDTH, LINE = 240.0, 20.0
STYLE = style(
    "ncw",
    ".ncw text{fill:var(--s);font-size:12px}.ncw rect{shape-rendering:crispEdges}"
    + "".join(f".ncw .w{i}{{fill:var(--{kind})}}" for i, kind in enumerate(KINDS)),
)


def winners(title: str, numbers: NDArray[np.int64], name: Callable[[int], str]) -> str:
    """`numbers` (rows, columns) of classes, the most frequent with a colour of their own; one colour for all others."""
    places = Counter(int(number) for number in numbers.ravel())
    own = [number for number, _ in places.most_common(len(KINDS) - 1)]
    colour = {number: own.index(number) if number in own else len(KINDS) - 1 for number in places}
    rows, columns = numbers.shape
    side = WIDTH / columns
    legend = [(i, f"{name(number)}, {places[number]} of {numbers.size}") for i, number in enumerate(own)]
    if len(places) > len(own):
        legend.append((len(KINDS) - 1, count(len(places) - len(own), "other class")))
    body = "".join(
        _strip(colour[number], x, i * side, width, side)
        for i, row in enumerate(numbers.tolist())
        for number, x, width in _runs(row, side)
    )
    below = rows * side + 10
    body += "".join(_entry(i, text, below + LINE * line) for line, (i, text) in enumerate(legend))
    return drawing("ncw", title, (WIDTH, below + LINE * len(legend)), body, STYLE, (0, WIDTH * 1.4))


def _runs(row: list[int], side: float) -> list[tuple[int, float, float]]:
    """Equal neighbours as one: (class, left edge, width)."""
    found, x = [], 0.0
    for number, same in groupby(row):
        width = len(list(same)) * side
        found.append((number, x, width))
        x += width
    return found


def _strip(i: int, x: float, y: float, width: float, height: float) -> str:
    return f'<rect class="w{i}" x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}"/>'


def _entry(i: int, text: str, y: float) -> str:
    return (
        f'<rect class="w{i}" x="0" y="{y:.1f}" width="14" height="14" rx="3"/>'
        f'<text x="22" y="{y + 11.5:.1f}">{safe(fit(text, WIDTH - 24, 12))}</text>'
    )
