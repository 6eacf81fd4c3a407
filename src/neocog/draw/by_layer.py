"""A network layer by layer, as one SVG: histograms of weights side by side, or figures on a logarithmic axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from neocog.draw.network import KINDS
from neocog.draw.palette import PAPER, on_paper, style
from neocog.draw.text import fit, safe

NAMES, TOP, ROW, RIGHT = 104.0, 34.0, 30.0, 12.0
WIDTH, PLOT = 440.0, 268.0
STYLE = on_paper("ncl") + style(
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
class Dots:
    """A layer's figures, one for each series; None, and what is not above 0, is not drawn."""

    label: str
    values: tuple[float | None, ...]


def histograms(title: str, rows: Sequence[Histogram]) -> str:
    """A row for each layer, the first on top, each scaled to its own width and height. Labels are escaped."""
    body = "".join(_histogram(row, TOP + ROW * i) for i, row in enumerate(rows))
    return _svg(title, body, TOP + ROW * len(rows) + 6)


def dots(title: str, series: Sequence[str], rows: Sequence[Dots]) -> str:
    """A row for each layer, the first on top, on a logarithmic axis that holds all. Labels are escaped."""
    values = [value for row in rows for value in row.values if value is not None and value > 0]
    ends = (floor(log10(min(values))), ceil(log10(max(values)))) if values else (0, 1)
    low, high = ends[0], max(ends[1], ends[0] + 1)
    room, bottom, height = WIDTH - NAMES - RIGHT, TOP + 20 * len(rows), 20.0

    def across(value: float) -> float:
        return NAMES + room * (log10(value) - low) / (high - low)

    every = max(1, ceil((high - low) / 7))
    body = "".join(
        f'<line class="axis" x1="{across(10.0**n):.1f}" x2="{across(10.0**n):.1f}" y1="{TOP:g}" y2="{bottom:g}"/>'
        f'<text x="{across(10.0**n):.1f}" y="{bottom + 16:g}" text-anchor="middle">{10.0**n:g}</text>'
        for n in range(low, high + 1, every)
    )
    for i, row in enumerate(rows):
        y = TOP + height * (i + 0.5)
        body += _name(row.label, y + 4)
        body += "".join(
            f'<circle class="d{k}" cx="{across(value):.1f}" cy="{y:g}" r="4"><title>'
            f"{safe(f'{row.label}, {series[k]}: {value:.3g}')}</title></circle>"
            for k, value in enumerate(row.values)
            if value is not None and value > 0
        )
    for k, name in enumerate(series):
        y = bottom + 38 + 18 * k
        body += f'<circle class="d{k}" cx="{NAMES + 5:g}" cy="{y - 4:g}" r="4"/><text x="{NAMES + 16:g}" y="{y:g}">'
        body += f"{safe(name)}</text>"
    return _svg(title, body, bottom + 28 + 18 * len(series))


def _histogram(row: Histogram, y: float) -> str:
    most, step, base = max(row.counts, default=0) or 1, PLOT / max(len(row.counts), 1), y + ROW - 4
    tall = ROW - 8
    path = f"M{NAMES:g},{base:g}" + "".join(
        f"V{base - tall * count / most:.2f}h{step:.3f}" for count in row.counts
    )
    words = f"{row.label}: from {-row.reach:.3g} to {row.reach:.3g}"
    return (
        f"<g><title>{safe(words)}</title>{_name(row.label, base - 6)}"
        f'<rect class="track" x="{NAMES:g}" y="{base:g}" width="{PLOT:g}" height="1"/>'
        f'<path class="bars" d="{path}V{base:g}z"/>'
        f'<text x="{WIDTH - 2:g}" y="{base - 6:g}" text-anchor="end">{safe(row.text)}</text></g>'
    )


def _name(label: str, y: float) -> str:
    return f'<text class="who" x="{NAMES - 8:g}" y="{y:g}" text-anchor="end">{safe(fit(label, NAMES - 10, 12))}</text>'


def _svg(title: str, body: str, height: float) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="ncl" role="img" aria-label="{safe(title)}" width="100%" '
        f'style="max-width:{WIDTH * 1.4:g}px" viewBox="0 0 {WIDTH:g} {height:g}"><style>{STYLE}</style>{PAPER}'
        f'<text class="h" x="2" y="18">{safe(title)}</text>{body}</svg>\n'
    )
