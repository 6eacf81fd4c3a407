"""What stands along the axes of plots, and words in lines below them."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from neocog.draw.text import length, safe

SIZE = 15  # of the letters on a narrow screen, in pixels


def row_mark(text: str, y: float, ends: tuple[float, float], css: str = "axis") -> str:
    """A line across the plot from one of `ends` to the other, and at its left what it stands for."""
    left, right = ends
    return (
        f'<line class="{css}" x1="{left:g}" x2="{right:g}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text x="{left - 7:g}" y="{y + 4:.1f}" text-anchor="end">{safe(text)}</text>'
    )


def column_mark(text: str, x: float, bottom: float, width: float = inf) -> str:
    """Below the plot, whose end is `bottom`, what a place on the horizontal axis stands for.

    Where it would end outside a drawing of that `width`, it ends or begins at its edge.
    """
    half = length(text, SIZE) / 2
    anchor, x = ("end", width) if x + half > width else ("start", 0.0) if x < half else ("middle", x)
    return f'<text x="{x:.1f}" y="{bottom + 17:g}" text-anchor="{anchor}">{safe(text)}</text>'


def in_lines(
    rooms: Sequence[float], left: float, right: float, first: float, line: float
) -> list[tuple[float, float]]:
    """Places (x, y) one behind the other, in lines from `left` to `right` of which the highest is at `first`.

    `rooms` is what each takes across.
    """
    places, x, y = [], left, first
    for room in rooms:
        if x > left and x + room > right:
            x, y = left, y + line
        places.append((x, y))
        x += room
    return places
