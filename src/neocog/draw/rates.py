"""Loss over the learning rate: a chart with a logarithmic axis, and its page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from neocog.draw.page import filled
from neocog.draw.palette import drawing, heading, style
from neocog.draw.svg import ticks
from neocog.draw.text import length, safe

WIDTH, HEIGHT = 720.0, 380.0
LEFT, RIGHT, TOP, BOTTOM = 62.0, 700.0, 64.0, 330.0  # plot area
HEADROOM = 1.3  # times the loss at the start: what explodes leaves the chart above
STYLE = style(
    "ncr",
    """
.ncr text{fill:var(--s);font-size:13px}.ncr .h{fill:var(--i);font-size:15px;font-weight:650}
.ncr .axis{stroke:var(--l);stroke-width:1}.ncr .raw{fill:none;stroke:var(--e);stroke-width:1;opacity:.65}
.ncr .smooth{fill:none;stroke:var(--conv);stroke-width:2.5;stroke-linejoin:round}
.ncr .mark{stroke:var(--pool);stroke-width:1.5;stroke-dasharray:5 4}.ncr .name{fill:var(--i)}
""",
)


@dataclass(frozen=True)
class RatesPage:
    """Everything that the page shows."""

    title: str
    headline: str
    sentence: str
    chart: str
    """SVG made here"""
    facts: tuple[tuple[str, str], ...]
    exploded: bool


def rates_page(page: RatesPage) -> str:
    """The whole page. Title and facts are untrusted: the template escapes them."""
    return filled("rates.html", {"p": page})


def rates_chart(
    rates: Sequence[float],
    losses: Sequence[float],
    smoothed: Sequence[float],
    marks: Sequence[tuple[str, float]],
) -> str:
    """An SVG that needs nothing else: each batch's loss thin, the smoothed one thick, a dashed line for each mark."""
    frame = _Frame.around(rates, losses, smoothed)
    said = "; ".join(f"{name} at {rate:.2g}" for name, rate in marks) or "no rate is suggested"
    body = (
        f'<clipPath id="ncr-plot"><rect x="{LEFT:g}" y="{TOP:g}" width="{RIGHT - LEFT:g}" '
        f'height="{BOTTOM - TOP:g}"/></clipPath>'
        f"{heading('Loss by learning rate')}{_axes(frame)}"
        f'<g clip-path="url(#ncr-plot)">{_line("raw", frame, rates, losses)}'
        f"{_line('smooth', frame, rates, smoothed)}</g>"
        f"{_marks(frame, marks)}"
    )
    label = f"Loss by learning rate: {said}"
    return drawing("ncr", label, (WIDTH, HEIGHT), body, STYLE, (0, WIDTH * 1.25))


@dataclass(frozen=True)
class _Frame:
    """What the axes hold: powers of ten from left to right, losses from bottom to top."""

    powers: tuple[float, float]
    rows: tuple[float, ...]

    @classmethod
    def around(cls, rates: Sequence[float], losses: Sequence[float], smoothed: Sequence[float]) -> _Frame:
        low, start = min(*losses, *smoothed), smoothed[0]
        top = min(max(smoothed), max(HEADROOM * start, start + 0.5 * (start - low)))
        return cls((log10(rates[0]), log10(rates[-1])), tuple(ticks(low, max(top, low + 1e-9), 5)))

    def x(self, rate: float) -> float:
        low, high = self.powers
        return LEFT + (log10(rate) - low) / ((high - low) or 1.0) * (RIGHT - LEFT)

    def y(self, loss: float) -> float:
        low, high = self.rows[0], self.rows[-1]
        return BOTTOM - min((loss - low) / (high - low), 2.0) * (BOTTOM - TOP)


def _axes(frame: _Frame) -> str:
    rows = "".join(
        f'<line class="axis" x1="{LEFT:g}" x2="{RIGHT:g}" y1="{frame.y(v):.1f}" y2="{frame.y(v):.1f}"/>'
        f'<text x="{LEFT - 8:g}" y="{frame.y(v) + 4:.1f}" text-anchor="end">{v:g}</text>'
        for v in frame.rows
    )
    powers = range(ceil(frame.powers[0] - 1e-9), floor(frame.powers[1] + 1e-9) + 1)
    columns = "".join(
        f'<text x="{frame.x(10.0**n):.1f}" y="{BOTTOM + 20:g}" text-anchor="middle">{_power(n)}</text>'
        for n in powers
    )
    middle = (LEFT + RIGHT) / 2
    return f'{rows}{columns}<text x="{middle:g}" y="{HEIGHT - 8:g}" text-anchor="middle">learning rate</text>'


def _power(n: int) -> str:
    """A power of ten as people write it: 0.01, 10, 1e-5."""
    return f"{10.0**n:g}" if -3 <= n <= 3 else f"1e{n}"


def _line(css: str, frame: _Frame, rates: Sequence[float], values: Sequence[float]) -> str:
    path = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in zip(rates, values, strict=True))
    return f'<polyline class="{css}" points="{path}"/>'


def _marks(frame: _Frame, marks: Sequence[tuple[str, float]]) -> str:
    """A dashed line for each mark. The first name ends at its line and the last begins there, so they never meet."""
    ranked = sorted(marks, key=lambda mark: mark[1])
    return "".join(
        _mark(frame.x(rate), f"{name}: {rate:.2g}", n == 0) for n, (name, rate) in enumerate(ranked)
    )


def _mark(x: float, text: str, before: bool) -> str:
    wide = length(text, 13) + 6
    before = x - wide > 0 if before else x + wide > WIDTH
    return (
        f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 18:g}" y2="{BOTTOM:g}"/>'
        f'<text class="name" x="{x - 6 if before else x + 6:.1f}" y="{TOP - 8:g}" '
        f'text-anchor="{"end" if before else "start"}">{safe(text)}</text>'
    )
