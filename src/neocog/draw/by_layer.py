"""A network layer by layer, as one SVG: histograms of weights side by side, or figures on a logarithmic axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from neocog.draw.network import KINDS
from neocog.draw.palette import drawing, heading, style
from neocog.draw.text import fit, length, safe

WIDEST = 180.0  # room for a name
TOP, ROW, LINE, PLOT, RIGHT = 34.0, 30.0, 20.0, 268.0, 58.0
STYLE = style(
    "ncl",
    ".ncl text{fill:var(--s);font-size:12px}.ncl .h{fill:var(--i);font-size:14px;font-weight:650}"
    ".ncl .who{fill:var(--i)}.ncl .axis{stroke:var(--l);stroke-width:1}.ncl .bars{fill:var(--conv)}"
    ".ncl .track{fill:var(--t)}"
    + "".join(f".ncl circle.d{i}{{fill:var(--{kind})}}" for i, kind in enumerate(KINDS)),
)


@dataclass(frozen=True)
class Histogram:
    """How a layer's numbers lie between -`reach` and `reach`."""

    label: str
    counts: tuple[int, ...]
    reach: float
    text: str
    """what stands at the right"""


@dataclass(frozen=True)
class Figures:
    """A layer's figures, one for each series; None, and what is not above 0, is not drawn."""

    label: str
    values: tuple[float | None, ...]


def histograms(title: str, rows: Sequence[Histogram]) -> str:
    """A row for each layer, the first on top, each scaled to its own width and height. Labels are escaped."""
    left = _left([row.label for row in rows])
    body = "".join(_histogram(row, left, TOP + ROW * i) for i, row in enumerate(rows))
    return _svg(title, body, left, TOP + ROW * len(rows) + 6)


def figures(title: str, series: Sequence[str], rows: Sequence[Figures]) -> str:
    """A row for each layer, the first on top, on a logarithmic axis that holds all. Labels are escaped."""
    axis, bottom = _Axis.of(rows), TOP + LINE * len(rows)
    body = "".join(
        f'<line class="axis" x1="{axis.x(mark):.1f}" x2="{axis.x(mark):.1f}" y1="{TOP:g}" y2="{bottom:g}"/>'
        f'<text x="{axis.x(mark):.1f}" y="{bottom + 16:g}" text-anchor="middle">{mark:g}</text>'
        for mark in axis.marks()
    )
    body += "".join(_dots(row, series, axis, TOP + LINE * (i + 0.5)) for i, row in enumerate(rows))
    for k, name in enumerate(series):
        y = bottom + 38 + 18 * k
        body += f'<circle class="d{k}" cx="{axis.left + 5:g}" cy="{y - 4:g}" r="4"/>'
        body += f'<text x="{axis.left + 16:g}" y="{y:g}">{safe(name)}</text>'
    return _svg(title, body, axis.left, bottom + 28 + 18 * len(series))


@dataclass(frozen=True)
class _Axis:
    """Powers of ten from `low` to `high`, from `left` on."""

    left: float
    low: int
    high: int

    @classmethod
    def of(cls, rows: Sequence[Figures]) -> _Axis:
        logs = [log10(value) for row in rows for value in row.values if value is not None and value > 0] or [
            0.0
        ]
        low = floor(min(logs))
        return cls(_left([row.label for row in rows]), low, max(ceil(max(logs)), low + 1))

    def x(self, value: float) -> float:
        return self.left + PLOT * (log10(value) - self.low) / (self.high - self.low)

    def marks(self) -> list[float]:
        every = max(1, ceil((self.high - self.low) / 6))
        return [10.0**n for n in range(self.low, self.high + 1, every)]


def _dots(row: Figures, series: Sequence[str], axis: _Axis, y: float) -> str:
    found = "".join(
        f'<circle class="d{k}" cx="{axis.x(value):.1f}" cy="{y:g}" r="4">'
        f"<title>{safe(f'{row.label}, {series[k]}: {value:.3g}')}</title></circle>"
        for k, value in enumerate(row.values)
        if value is not None and value > 0
    )
    return _name(row.label, axis.left, y + 4) + found


def _histogram(row: Histogram, left: float, y: float) -> str:
    most, step, base = max(row.counts, default=0) or 1, PLOT / max(len(row.counts), 1), y + ROW - 4
    tall = ROW - 8
    path = f"M{left:g},{base:g}" + "".join(
        f"V{base - tall * count / most:.2f}h{step:.3f}" for count in row.counts
    )
    words = f"{row.label}: from {-row.reach:.3g} to {row.reach:.3g}"
    return (
        f"<g><title>{safe(words)}</title>{_name(row.label, left, base - 6)}"
        f'<rect class="track" x="{left:g}" y="{base:g}" width="{PLOT:g}" height="1"/>'
        f'<path class="bars" d="{path}V{base:g}z"/>'
        f'<text x="{left + PLOT + RIGHT - 2:g}" y="{base - 6:g}" text-anchor="end">{safe(row.text)}</text></g>'
    )


def _left(labels: Sequence[str]) -> float:
    """Where the plot begins: behind the longest name."""
    return 12 + min(WIDEST, max((length(label, 12) for label in labels), default=0.0))


def _name(label: str, left: float, y: float) -> str:
    return f'<text class="who" x="{left - 8:g}" y="{y:g}" text-anchor="end">{safe(fit(label, WIDEST + 1, 12))}</text>'


def _svg(title: str, body: str, left: float, height: float) -> str:
    width = left + PLOT + RIGHT
    return drawing("ncl", title, (width, height), heading(title) + body, STYLE, (0, width * 1.4))
