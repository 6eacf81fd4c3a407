"""The page that sets runs beside each other: which is better, by how much, whether that is real, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neocog.draw import svg
from neocog.draw.page import STYLES, filled, framed
from neocog.draw.parts import FILTERS, GALLERY
from neocog.draw.scatter import Spot, scatter
from neocog.draw.text import count, p_value, percent, points
from neocog.errors import UserError

FULL = 8  # runs up to which the differences stand with their intervals
PIECES = 6  # colours of a bar, as in report.css
NAMED = 12  # unknown classes of a run
COSTS = ("top5", "params", "macs", "rate")  # columns that are left out where no run has them


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """A run's accuracy with its 95 % interval, and what it costs as far as that is known."""

    name: str
    model: str
    top1: float
    interval: tuple[float, float]
    top5: float | None = None
    params: float | None = None
    macs: float | None = None
    """multiply-adds for a picture"""
    rate: float | None = None
    """pictures per second"""
    note: str = ""
    unknown: tuple[str, ...] = ()
    """classes of the data that it does not know; their pictures count as wrong"""
    skipped: int = 0
    """pictures that it could not read, which count for none of the runs"""

    @property
    def lacks(self) -> str:
        """What it does not know and could not read; nothing where that is neither."""
        named = ", ".join(self.unknown[:NAMED])
        more = f" and {count(others, 'other')}" if (others := len(self.unknown) - NAMED) > 0 else ""
        facts = [f"does not know: {named}{more}: always wrong"] if self.unknown else []
        return "; ".join(facts + [f"could not read {count(self.skipped, 'picture')}"] * bool(self.skipped))


@dataclass(frozen=True, kw_only=True)
class PairRow:
    """Two runs, by their places in the page's `runs`, on the same pictures."""

    first: int
    second: int
    difference: float
    """top-1 of the first less that of the second"""
    interval: tuple[float, float]
    """95 %, of the difference"""
    p: float
    both: int
    """pictures that both name rightly"""
    only_first: int
    only_second: int
    neither: int
    distinguishable: bool
    """whether the difference is called real"""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a run said of a picture."""

    said: str
    probability: float
    right: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Disagreement:
    """A picture, (height, width, 1 or 3), of which some runs are right and others are not."""

    path: str
    pixels: NDArray[np.uint8]
    truth: str
    answers: tuple[Answer, ...]
    """one for each run"""


@dataclass(frozen=True, kw_only=True, eq=False)
class ComparisonPage:
    """Everything the page shows. In a notebook it shows itself."""

    name: str
    """of the data set"""
    n: int
    """pictures that all runs answered"""
    runs: tuple[RunRow, ...]
    pairs: tuple[PairRow, ...]
    made: str
    """ISO 8601"""
    version: str
    """of neocog"""
    how: tuple[str, ...] = ()
    """sentences about protocol, tests and seeds"""
    left_out: int = 0
    """pictures that trained one of the runs"""
    all_right: int = 0
    """pictures that every run names rightly"""
    all_wrong: int = 0
    disagreements: tuple[Disagreement, ...] = ()
    """the most telling first"""
    card: tuple[tuple[str, str], ...] = ()
    """further facts: name, value"""

    def __post_init__(self) -> None:
        n = len(self.runs)
        if n < 2:
            raise UserError(f"a comparison needs two runs, got {n}")
        if any(not 0 <= i < n for pair in self.pairs for i in (pair.first, pair.second)):
            raise UserError(f"a pair must name two of the {n} runs by their places from 0")
        if any(len(picture.answers) != n for picture in self.disagreements):
            raise UserError(f"a picture must have an answer of each of the {n} runs")

    def _repr_html_(self) -> str:
        return framed(comparison_page(self))


def comparison_page(page: ComparisonPage) -> str:
    """The whole page in one file. Names and paths are untrusted: the template escapes each of them."""
    said, detail = headline(page)
    runs = range(len(page.runs))
    cells = {(pair.first, pair.second): pair for pair in page.pairs}
    words = {
        "p": page,
        "said": said,
        "detail": detail,
        "keys": [key(i) for i in runs],
        "verdicts": [verdict(pair) for pair in page.pairs],
        "matrix": [[_cell(cells, i, j) for j in runs] for i in runs],
        "costs": [any(getattr(row, cost) is not None for row in page.runs) for cost in COSTS],
        "many": len(runs) > FULL,
        "plots": _plots(page.runs),
        "gallery": page.disagreements[:GALLERY],
        "mixed": page.n - page.all_right - page.all_wrong,
        "agreement": _agreement(page),
    }  # fmt: skip
    return filled("comparison.html", words, styles=(*STYLES, "comparison.css"), filters=FILTERS)


def key(i: int) -> str:
    """The letter that stands for a run on the page: A to Z, then A1, B1, ..."""
    return chr(ord("A") + i % 26) + (str(i // 26) if i >= 26 else "")


def verdict(pair: PairRow) -> str:
    """The pair in words: which is better and by how much, or that they are not distinguishable."""
    first, second = key(pair.first), key(pair.second)
    if not pair.distinguishable:
        low, high = pair.interval
        return (
            f"{first} and {second} are not distinguishable: {points(pair.difference)} points "
            f"({points(low)} to {points(high)}), {p_value(pair.p)}"
        )
    better, worse = (first, second) if pair.difference > 0 else (second, first)
    return f"{better} is better than {worse} by {_gain(pair)}"


def _gain(pair: PairRow) -> str:
    """`1.2 points (0.4 to 2.0), p = .004`, from the better one's side."""
    low, high = sorted(pair.interval if pair.difference > 0 else (-end for end in pair.interval))
    ends = f"{points(low)} to {points(high)}".replace("+", "")
    return f"{points(abs(pair.difference)).lstrip('+')} points ({ends}), {p_value(pair.p)}"


def headline(page: ComparisonPage) -> tuple[str, str]:
    """The result in one sentence, and its figures."""
    best = max(range(len(page.runs)), key=lambda i: page.runs[i].top1)
    name = page.runs[best].name
    pictures = count(page.n, "picture")
    rivals = [p for p in page.pairs if best in (p.first, p.second)]
    equals = [p for p in rivals if not p.distinguishable]
    if len(page.runs) == 2 and rivals:
        other = page.runs[1 - best].name
        if equals:
            return (
                f"{page.runs[0].name} and {page.runs[1].name} are not distinguishable",
                f"on {pictures}: {_spread(rivals[0])}",
            )
        return f"{name} is better than {other}", f"by {_gain(rivals[0])}, on {pictures}"
    top = f"{percent(page.runs[best].top1)} % of {pictures} right"
    if not equals:
        return (
            f"{name} is the best of {len(page.runs)} runs",
            f"{top}, and distinguishable from each of the others",
        )
    alike = f"{count(len(equals), 'other')} {'is' if len(equals) == 1 else 'are'} not distinguishable from it"
    return f"{name} has the highest accuracy of {len(page.runs)} runs", f"{top}; {alike}"


def _spread(pair: PairRow) -> str:
    low, high = pair.interval
    return f"{points(pair.difference)} points ({points(low)} to {points(high)}), {p_value(pair.p)}"


def _cell(pairs: dict[tuple[int, int], PairRow], i: int, j: int) -> dict[str, str] | None:
    """Run i less run j: the difference, its interval, and whether it is called real."""
    pair = pairs.get((i, j)) or pairs.get((j, i))
    if i == j or pair is None:
        return None
    sign = 1 if pair.first == i else -1
    low, high = sorted(sign * end for end in pair.interval)
    css = ("hit" if sign * pair.difference > 0 else "miss") if pair.distinguishable else "none"
    return {
        "css": css,
        "difference": points(sign * pair.difference),
        "interval": f"{points(low)} to {points(high)}",
        "p": p_value(pair.p),
    }


def _plots(runs: Sequence[RunRow]) -> list[str]:
    """Accuracy against multiply-adds and against speed, as far as two runs or more have them."""
    kinds = (
        ("macs", "Accuracy by multiply-adds", "multiply-adds for a picture (fewer is better)", False),
        ("rate", "Accuracy by speed", "pictures per second (more is better)", True),
    )
    plots = []
    for field, title, across, more in kinds:
        spots = [
            Spot(key(i), row.name, cost, row.top1, *row.interval)
            for i, row in enumerate(runs)
            if (cost := getattr(row, field))
        ]
        if len(spots) > 1:
            plots.append(scatter(title, across, spots, more))
    return plots


def _agreement(page: ComparisonPage) -> tuple[str, list[tuple[str, int]]]:
    """A bar of how many pictures all, some and none of the runs name rightly, and its pieces."""
    if len(page.runs) == 2 and len(page.pairs) == 1:
        pair = page.pairs[0]
        first, second = key(pair.first), key(pair.second)
        pieces = [
            ("both right", pair.both),
            (f"only {first} right", pair.only_first),
            (f"only {second} right", pair.only_second),
            ("neither right", pair.neither),
        ]
    else:
        mixed = page.n - page.all_right - page.all_wrong
        pieces = [("all right", page.all_right), ("some right", mixed), ("none right", page.all_wrong)]
    label = ", ".join(f"{name} {n:,}" for name, n in pieces)
    return svg.stacked(label, [n for _, n in pieces], PIECES), pieces
