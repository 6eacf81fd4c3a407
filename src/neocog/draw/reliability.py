"""The reliability diagram: how often a network is right, by how sure it says it is (Niculescu-Mizil and Caruana 2005,
fig. 1; Guo et al. 2017, fig. 1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neocog.draw.palette import drawing, heading, style
from neocog.draw.text import count, percent
from neocog.errors import UserError

WIDTH, LEFT, TOP, SIDE = 400.0, 54.0, 52.0, 330.0  # the plot is a square
STRIP, BELOW = 76.0, 26.0  # height of the counts, and between the two
COLUMN = 36.0  # most height of a count's bar; its number stands on it
NARROW = 13.0  # a bin that is no wider has no room for its number
STYLE = style(
    "nce",
    """
.nce text{fill:var(--s);font-size:12px}.nce .h{fill:var(--i);font-size:14px;font-weight:650}
.nce .n{font-size:10px;font-variant-numeric:tabular-nums}.nce .axis{stroke:var(--l);stroke-width:1}
.nce .right{fill:var(--conv);fill-opacity:.7}.nce .sure{fill:var(--linear);fill-opacity:.45;stroke:var(--linear)}
.nce .modest{fill:var(--pool);fill-opacity:.45;stroke:var(--pool)}.nce .held{fill:var(--e)}
.nce .diagonal{stroke:var(--i);stroke-width:1.5;stroke-dasharray:5 4}
""",
)


@dataclass(frozen=True, kw_only=True, eq=False)
class ReliabilityBins:
    """Pictures gathered by the probability of the answer: bins + 1 `edges`, and for each bin how many pictures it
    holds, their mean probability and the share that is right (of no account where a bin is empty). Shares are 0..1.
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    ece: float
    """expected calibration error: the mean distance of the two, weighted by the counts"""

    def __post_init__(self) -> None:
        bins = len(self.counts)
        lengths = (len(self.edges) - 1, len(self.confidence), len(self.accuracy))
        if not bins or any(length != bins for length in lengths):
            raise UserError(
                f"bins must have a confidence and an accuracy each and one edge more, got {bins} counts, "
                f"{lengths[1]} confidences, {lengths[2]} accuracies and {len(self.edges)} edges"
            )


def reliability_diagram(bins: ReliabilityBins, title: str = "Reliability") -> str:
    """An SVG that needs nothing else, light or dark as the screen. `title` is escaped."""
    filled = np.flatnonzero(bins.counts)
    body = "".join(_grid(tick / 5) for tick in range(6))
    body += "".join(_bin(bins, int(i)) for i in filled)
    body += "".join(_column(bins, int(i)) for i in filled)
    foot = TOP + SIDE + BELOW + STRIP
    body = (
        f'{heading(title)}<text x="2" y="36">{_said(bins)}</text>{body}'
        f'<line class="diagonal" x1="{_x(0):g}" y1="{_y(0):g}" x2="{_x(1):g}" y2="{_y(1):g}"/>'
        f'<line class="axis" x1="{_x(0):g}" x2="{_x(1):g}" y1="{foot:g}" y2="{foot:g}"/>'
        f'<text x="{_x(0.5):g}" y="{foot + 20:g}" text-anchor="middle">probability of the answer, %</text>'
        f'<text transform="translate(12 {_y(0.5):g}) rotate(-90)" text-anchor="middle">right, %</text>'
        f'<text transform="translate(12 {foot - STRIP / 2:g}) rotate(-90)" text-anchor="middle">pictures</text>'
    )
    return drawing("nce", f"{title}: {_said(bins)}", (WIDTH, foot + 42), body, STYLE, (0, WIDTH * 1.2))


def _said(bins: ReliabilityBins) -> str:
    """The caption: `ECE 3.2 %, 15 bins, 10,000 pictures`."""
    return f"ECE {percent(bins.ece)} %, {count(len(bins.counts), 'bin')}, {count(int(bins.counts.sum()), 'picture')}"


def _x(share: float) -> float:
    return LEFT + SIDE * min(max(share, 0.0), 1.0)


def _y(share: float) -> float:
    return TOP + SIDE * (1 - min(max(share, 0.0), 1.0))


def _grid(share: float) -> str:
    return (
        f'<line class="axis" x1="{_x(0):g}" x2="{_x(1):g}" y1="{_y(share):g}" y2="{_y(share):g}"/>'
        f'<text x="{_x(0) - 7:g}" y="{_y(share) + 4:g}" text-anchor="end">{100 * share:g}</text>'
        f'<text x="{_x(share):g}" y="{_y(0) + 17:g}" text-anchor="middle">{100 * share:g}</text>'
    )


def _across(bins: ReliabilityBins, i: int) -> tuple[float, float]:
    """Left end and width of a bin; a hair apart from the next."""
    left, right = _x(float(bins.edges[i])), _x(float(bins.edges[i + 1]))
    return left + 0.75, max(right - left - 1.5, 0.5)


def _bin(bins: ReliabilityBins, i: int) -> str:
    """A bar as high as the share that is right, and what lies between that and what was said."""
    left, width = _across(bins, i)
    right, said = float(bins.accuracy[i]), float(bins.confidence[i])
    top, gap = _y(max(right, said)), abs(_y(right) - _y(said))
    words = (
        f"{100 * bins.edges[i]:.3g} to {100 * bins.edges[i + 1]:.3g} %: {count(int(bins.counts[i]), 'picture')}, "
        f"said {percent(said)} %, right {percent(right)} %"
    )
    return (
        f'<g><title>{words}</title><rect class="right" x="{left:.2f}" y="{_y(right):.2f}" width="{width:.2f}" '
        f'height="{_y(0) - _y(right):.2f}"/><rect class="{"sure" if said > right else "modest"}" x="{left:.2f}" '
        f'y="{top:.2f}" width="{width:.2f}" height="{gap:.2f}"/></g>'
    )


def _column(bins: ReliabilityBins, i: int) -> str:
    """How many pictures a bin holds."""
    left, width = _across(bins, i)
    n, foot = int(bins.counts[i]), TOP + SIDE + BELOW + STRIP
    height = COLUMN * n / int(bins.counts.max())
    number = (
        f'<text class="n" transform="translate({left + width / 2 + 3.5:.2f} {foot - height - 4:.2f}) rotate(-90)">'
        f"{n:,}</text>"
        if width > NARROW
        else ""
    )
    return (
        f'<rect class="held" x="{left:.2f}" y="{foot - height:.2f}" width="{width:.2f}" height="{height:.2f}"/>'
        f"{number}"
    )
