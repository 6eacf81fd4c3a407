"""Inline SVG, coloured by the page's CSS classes. Bars use percent, so that text is as large on a phone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import floor, isfinite, log10

LEFT, RIGHT, TOP, BOTTOM = 40.0, 350.0, 10.0, 186.0  # plot area of `curves` in its box of 360 x 220


@dataclass(frozen=True)
class Curve:
    """One line of a plot: `points` are (epoch, value); `css` is the class that colours it."""

    css: str
    points: tuple[tuple[float, float], ...]


def accuracy_bar(share: float, interval: tuple[float, float], guess: float) -> str:
    """A bar from 0 to 100 %, its interval as a whisker, and a dashed line where guessing would end."""
    low, high = interval
    ticks = "".join(_tick_label(v) for v in (0, 25, 50, 75, 100))
    label = f"{share:.1%} right, 95 % interval {low:.1%} to {high:.1%}, largest class {guess:.1%}"
    return _svg(
        label,
        'class="accuracy" width="100%" height="62"',
        '<rect class="track" y="8" width="100%" height="26" rx="5"/>'
        f'<rect class="good" y="8" width="{_pc(share)}" height="26" rx="5"/>'
        f'<line class="guess" x1="{_pc(guess)}" x2="{_pc(guess)}" y1="2" y2="40"/>'
        f"{_whisker(low, high, 21)}{ticks}",
    )


def dot(share: float, interval: tuple[float, float], scale: tuple[float, float]) -> str:
    """A dot with its interval on an axis that runs over `scale`; all four numbers are shares."""
    low, high = (_place(v, scale) for v in interval)
    x = _pc(_place(share, scale))
    body = '<line class="axis" x1="0" x2="100%" y1="11" y2="11"/>' + _whisker(low, high, 11)
    return _svg(
        f"{share:.1%}, 95 % interval {interval[0]:.1%} to {interval[1]:.1%}",
        'class="dot" width="100%" height="22"',
        f'{body}<circle class="good" cx="{x}" cy="11" r="5.5"/>',
    )


def bar(share: float, css: str) -> str:
    """A thin bar of `share` of the full width. The figure stands beside it, so it is hidden from readers."""
    return (
        '<svg class="bar" aria-hidden="true" width="100%" height="6">'
        '<rect class="track" width="100%" height="6" rx="3"/>'
        f'<rect class="{css}" width="{_pc(share)}" height="6" rx="3"/></svg>'
    )


def stacked(label: str, values: Sequence[float], colours: int) -> str:
    """One bar cut in proportion to `values`; piece i has the class `s<i mod colours>`."""
    total, start, pieces = sum(values) or 1.0, 0.0, []
    for i, value in enumerate(values):
        share = value / total
        pieces.append(f'<rect class="s{i % colours}" x="{_pc(start)}" width="{_pc(share)}" height="28"/>')
        start += share
    return _svg(label, 'class="stacked" width="100%" height="28"', "".join(pieces))


def curves(label: str, lines: Sequence[Curve], extent: tuple[float, float]) -> str:
    """Lines over the epochs. `extent` is what the vertical axis holds; values that are not finite are left out."""
    rows = ticks(*extent)
    columns = [x for line in lines for x, _ in line.points]
    width = (min(columns), max(columns))
    body = "".join(_row(value, rows) for value in rows)
    body += "".join(_column(x, width) for x in ticks(*width) if x == int(x) and width[0] <= x <= width[1])
    body += "".join(_line(line, width, (rows[0], rows[-1])) for line in lines)
    return _svg(label, 'class="curves" viewBox="0 0 360 220"', body)


def ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Round numbers, about `about` + 1 of them, that enclose low..high."""
    raw = (high - low or 1.0) / about
    power = 10.0 ** floor(log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * (1 - 1e-9))
    first = floor(low / step + 1e-9)
    found = [first * step]
    while found[-1] < high - 1e-9 * step or len(found) < 2:
        found.append((first + len(found)) * step)
    return [float(f"{value:.12g}") for value in found]


def _row(value: float, rows: Sequence[float]) -> str:
    y = BOTTOM - _place(value, (rows[0], rows[-1])) * (BOTTOM - TOP)
    return (
        f'<line class="axis" x1="{LEFT:g}" x2="{RIGHT:g}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text x="{LEFT - 7:g}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'
    )


def _column(x: float, width: tuple[float, float]) -> str:
    return f'<text x="{_across(x, width):.1f}" y="{BOTTOM + 19:g}" text-anchor="middle">{x:g}</text>'


def _line(line: Curve, width: tuple[float, float], height: tuple[float, float]) -> str:
    points = [
        (_across(x, width), BOTTOM - _place(y, height) * (BOTTOM - TOP))
        for x, y in line.points
        if isfinite(y)
    ]
    if not points:
        return ""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    x, y = points[-1]
    return (
        f'<polyline class="{line.css}" points="{path}"/>'
        f'<circle class="{line.css}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>'
    )


def _across(x: float, width: tuple[float, float]) -> float:
    middle = width[0] == width[1]
    return LEFT + (0.5 if middle else _place(x, width)) * (RIGHT - LEFT)


def _whisker(low: float, high: float, y: float) -> str:
    ends = "".join(
        f'<line class="whisker" x1="{_pc(x)}" x2="{_pc(x)}" y1="{y - 6:g}" y2="{y + 6:g}"/>'
        for x in (low, high)
    )
    return f'<line class="whisker" x1="{_pc(low)}" x2="{_pc(high)}" y1="{y:g}" y2="{y:g}"/>{ends}'


def _tick_label(percent: int) -> str:
    anchor = {0: "start", 100: "end"}.get(percent, "middle")
    return f'<text x="{percent}%" y="56" text-anchor="{anchor}">{percent} %</text>'


def _place(value: float, scale: tuple[float, float]) -> float:
    """Where `value` lies on `scale`, as a share of its length."""
    return (value - scale[0]) / (scale[1] - scale[0])


def _pc(share: float) -> str:
    return f"{100 * min(max(share, 0.0), 1.0):.2f}%"


def _svg(label: str, attributes: str, body: str) -> str:
    return f'<svg role="img" aria-label="{escape(label)}" {attributes}>{body}</svg>'
