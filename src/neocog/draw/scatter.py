"""Accuracy against cost: a dot with its interval for each network, cost on a logarithmic axis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from neocog.draw.palette import drawing, heading, style
from neocog.draw.svg import ticks
from neocog.draw.text import percent, safe, short

WIDTH, LEFT, RIGHT, TOP, PLOT = 440.0, 50.0, 20.0, 40.0, 250.0
NEAR = 11.0  # least distance of two dots from left to right
AROUND = (
    (11, -7),
    (-11, -7),
    (11, 15),
    (-11, 15),
    (0, -13),
    (0, 21),
    (17, 4),
    (-17, 4),
)  # where a letter may stand
STYLE = style(
    "ncsc",
    """
.ncsc text{fill:var(--s);font-size:12px}.ncsc .h{fill:var(--i);font-size:14px;font-weight:650}
.ncsc .axis{stroke:var(--l);stroke-width:1}
.ncsc .key{fill:var(--i);font-weight:650;text-anchor:middle;paint-order:stroke;stroke:var(--p);stroke-width:3px}
.ncsc .whisker{stroke:var(--e);stroke-width:1.5}.ncsc circle{stroke:var(--conv);stroke-width:2;fill:var(--p)}
.ncsc circle.front{fill:var(--conv)}.ncsc .edge{fill:none;stroke:var(--conv);stroke-width:1.5;stroke-dasharray:4 4}
""",
)


@dataclass(frozen=True)
class Spot:
    """A network: a letter, its name, what it costs, its accuracy and the interval's ends as shares."""

    key: str
    name: str
    cost: float
    accuracy: float
    low: float
    high: float


def scatter(title: str, across: str, spots: Sequence[Spot], cheap_is_high: bool = False) -> str:
    """An SVG that needs nothing else. `across` names the cost; with `cheap_is_high` more of it is better, as of a
    rate. Dots that no other beats in both are filled and joined. Names are escaped.
    """
    box = _Box.of(spots)
    best = front(spots, cheap_is_high)
    xs = dict(zip((spot.key for spot in spots), box.apart([spot.cost for spot in spots]), strict=True))
    path = " ".join(f"{xs[spot.key]:.1f},{box.y(spot.accuracy):.1f}" for spot in best)
    body = "".join(_row(value, box) for value in box.rows) + "".join(_column(x, box) for x in box.columns)
    body += f'<polyline class="edge" points="{path}"/>' if len(best) > 1 else ""
    body += "".join(_dot(spot, xs[spot.key], box, spot in best) for spot in spots)
    body += "".join(_letters(spots, [xs[spot.key] for spot in spots], box))
    middle = (LEFT + WIDTH - RIGHT) / 2
    body += f'<text x="{middle:g}" y="{TOP + PLOT + 38:g}" text-anchor="middle">{safe(across)}</text>'
    return drawing("ncsc", title, (WIDTH, TOP + PLOT + 46), heading(title) + body, STYLE, (0, WIDTH * 1.25))


def front(spots: Sequence[Spot], cheap_is_high: bool = False) -> list[Spot]:
    """The spots that no other beats in accuracy at the same cost or less, the cheapest first."""
    sign = -1 if cheap_is_high else 1
    best: list[Spot] = []
    for spot in sorted(spots, key=lambda s: (sign * s.cost, -s.accuracy)):
        if not best or spot.accuracy > best[-1].accuracy:
            best.append(spot)
    return best


@dataclass(frozen=True)
class _Box:
    """The marks of both axes: costs as powers of ten from left to right, percent from bottom to top."""

    powers: tuple[float, float]
    columns: tuple[float, ...]
    rows: tuple[float, ...]

    @classmethod
    def of(cls, spots: Sequence[Spot]) -> _Box:
        costs = [log10(spot.cost) for spot in spots]
        low, high = min(costs), max(costs)
        room = max(0.08 * (high - low), 0.2)
        low, high = low - room, high + room
        rows = ticks(100 * min(s.low for s in spots), 100 * max(s.high for s in spots))
        return cls((low, high), _marks(low, high), tuple(rows))

    def x(self, cost: float) -> float:
        low, high = self.powers
        return LEFT + (log10(cost) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def y(self, accuracy: float) -> float:
        low, high = self.rows[0], self.rows[-1]
        return TOP + PLOT * (1 - (100 * accuracy - low) / (high - low))

    def apart(self, costs: Sequence[float]) -> list[float]:
        """Where dots stand from left to right: at their costs, but `NEAR` apart, moved as little as that takes."""
        order = sorted(range(len(costs)), key=costs.__getitem__)
        blocks: list[
            tuple[float, int]
        ] = []  # mean place and size of dots side by side: pool adjacent violators
        for i, k in enumerate(order):
            mean, size = self.x(costs[k]) - NEAR * i, 1
            while blocks and blocks[-1][0] > mean:
                before, many = blocks.pop()
                mean, size = (before * many + mean * size) / (many + size), many + size
            blocks.append((mean, size))
        places = (mean for mean, size in blocks for _ in range(size))
        found = {k: place + NEAR * i for i, (k, place) in enumerate(zip(order, places, strict=True))}
        return [found[k] for k in range(len(costs))]


def _marks(low: float, high: float) -> tuple[float, ...]:
    """Round numbers between two powers of ten: as few of a decade as it takes to have three."""
    decades = range(floor(low), ceil(high) + 1)
    for steps in ((1,), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 8)):
        found = tuple(
            step * 10.0**n for n in decades for step in steps if low <= log10(step * 10.0**n) <= high
        )
        if len(found) > 2:
            break
    return found


def _row(value: float, box: _Box) -> str:
    y = box.y(value / 100)
    return (
        f'<line class="axis" x1="{LEFT:g}" x2="{WIDTH - RIGHT:g}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text x="{LEFT - 7:g}" y="{y + 4:.1f}" text-anchor="end">{value:g} %</text>'
    )


def _column(cost: float, box: _Box) -> str:
    x = box.x(cost)
    return (
        f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP + PLOT:g}" y2="{TOP + PLOT + 5:g}"/>'
        f'<text x="{x:.1f}" y="{TOP + PLOT + 19:g}" text-anchor="middle">{short(cost)}</text>'
    )


def _dot(spot: Spot, x: float, box: _Box, best: bool) -> str:
    low, high = box.y(spot.low), box.y(spot.high)
    words = f"{spot.key}, {safe(spot.name)}: {percent(spot.accuracy)} % ({percent(spot.low)} to {percent(spot.high)})"
    return (
        f"<g><title>{words} at {short(spot.cost)}</title>"
        f'<line class="whisker" x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}"/>'
        f'<line class="whisker" x1="{x - 4:.1f}" x2="{x + 4:.1f}" y1="{low:.1f}" y2="{low:.1f}"/>'
        f'<line class="whisker" x1="{x - 4:.1f}" x2="{x + 4:.1f}" y1="{high:.1f}" y2="{high:.1f}"/>'
        f'<circle class="{"front" if best else "back"}" cx="{x:.1f}" cy="{box.y(spot.accuracy):.1f}" r="5"/></g>'
    )


def _letters(spots: Sequence[Spot], xs: Sequence[float], box: _Box) -> Iterator[str]:
    """The letter of each dot where it covers the fewest dots, whiskers and other letters."""
    dots = [(x, box.y(spot.accuracy)) for x, spot in zip(xs, spots, strict=True)]
    bars = [(x, box.y(spot.high), box.y(spot.low)) for x, spot in zip(xs, spots, strict=True)]
    taken: list[tuple[float, float]] = []

    def covered(at: tuple[float, float]) -> int:
        x, y = at[0], at[1] - 4  # of the letter's middle
        return (
            sum(abs(x - dx) < 10 and abs(y - dy) < 11 for dx, dy in dots)
            + sum(abs(x - bx) < 6 and high - 6 < y < low + 6 for bx, high, low in bars)
            + sum(abs(x - tx) < 10 and abs(at[1] - ty) < 12 for tx, ty in taken)
        )

    for spot, (x, y) in zip(spots, dots, strict=True):
        at = min(((x + dx, y + dy) for dx, dy in AROUND), key=covered)
        taken.append(at)
        yield f'<text class="key" x="{at[0]:.1f}" y="{at[1]:.1f}">{safe(spot.key)}</text>'
