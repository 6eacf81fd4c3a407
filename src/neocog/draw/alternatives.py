"""Rows of the evaluation page: what else was tried on the same pictures, what it costs, and by how much it differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from neocog.draw import svg
from neocog.draw.text import p_value, points

OPTIONAL = ("difference", "p", "top5", "macs", "rate")


@dataclass(frozen=True, kw_only=True)
class AlternativeRow:
    """Another way to answer the same pictures, such as one member of an ensemble or another protocol, and its cost."""

    name: str
    views: int
    """of each picture"""
    top1: float
    interval: tuple[float, float]
    top5: float | None = None
    macs: float | None = None
    """multiply-adds for a picture, all views together"""
    rate: float | None = None
    """pictures per second"""
    difference: float | None = None
    """its top-1 less that of the page's headline; None for the way that the page is about"""
    difference_interval: tuple[float, float] | None = None
    """95 %, of `difference`, the same pictures in pairs"""
    p: float | None = None
    """how often chance alone makes the two differ so; None where that was not tested"""

    @property
    def apart(self) -> str:
        """`difference` in points."""
        return "–" if self.difference is None else points(self.difference)

    @property
    def ends(self) -> str:
        """`difference_interval` in points; nothing where there is none."""
        return " to ".join(map(points, self.difference_interval)) if self.difference_interval else ""

    @property
    def chance(self) -> str:
        """`p` as papers print it: .031, < .001."""
        return "–" if self.p is None else p_value(self.p).removeprefix("p ").removeprefix("= ")


def columns_of(rows: Sequence[AlternativeRow]) -> dict[str, bool]:
    """Of each column that may be missing whether some row has it."""
    return {column: any(getattr(row, column) is not None for row in rows) for column in OPTIONAL}


def scale_of(rows: Sequence[AlternativeRow]) -> tuple[float, float]:
    """The axis that holds every interval, as shares."""
    ends = [end for row in rows for end in row.interval] or [0.0, 1.0]
    marks = svg.ticks(100 * min(ends), 100 * max(ends))
    return marks[0] / 100, marks[-1] / 100
