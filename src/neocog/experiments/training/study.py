"""What an experiment is: networks trained side by side, and the claims that their figures speak to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from math import exp, log
from typing import Any

from neocog.experiments.training.interval import Interval, interval
from neocog.experiments.training.pictures import Pictures, fashion
from neocog.experiments.training.scale import Scale

Point = tuple[float, float]


class Verdict(StrEnum):
    """What an experiment on a laptop can say about a claim; never that it is refuted."""

    SUPPORTED = "supported"
    """the whole interval lies where the claim says"""
    UNSEEN = "not seen at this scale"
    """the interval holds both what the claim says and its opposite"""
    CONTRADICTED = "contradicted at this scale"
    """the whole interval lies on the other side"""


@dataclass(frozen=True)
class Record:
    """What one trial came to."""

    figures: dict[str, float]
    """such as the test error; shares, not percent"""
    curves: dict[str, list[Point]] = field(default_factory=dict)
    """such as the test error over the epochs: (x, y)"""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Record:
        curves = {name: [(x, y) for x, y in points] for name, points in stored["curves"].items()}
        return cls(stored["figures"], curves)


Arm = Callable[[Pictures, int], Record]
"""one of the ways that are compared: pictures and a seed become a record"""
Records = Mapping[tuple[str, int], Record]
"""by arm and seed"""
Cell = tuple[str, str]
"""an arm and one of its figures"""


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """A claim as an inequality between two figures: `lower` is below `higher`, seed by seed."""

    claim: str
    lower: Cell
    higher: Cell
    times: float | None = None
    """the claim is about the ratio: `higher` is more than so many times `lower`; else it is about the difference"""
    equal: bool = False
    """the claim is that both are the same number for every seed, to the last digit"""

    def find(self, records: Records) -> Finding:
        """The mean difference (or ratio) over the seeds that both have, and the verdict."""
        seeds = sorted({seed for arm, seed in records if arm == self.lower[0]})
        pairs = [(_value(records, self.lower, s), _value(records, self.higher, s)) for s in seeds]
        if self.times is not None:
            return self._of_ratio(pairs, self.times)
        found = interval([high - low for low, high in pairs])
        if self.equal:
            same = all(low == high for low, high in pairs)
            return Finding(self, found, Verdict.SUPPORTED if same else Verdict.CONTRADICTED)
        return Finding(self, found, _verdict(found, 0.0))

    def _of_ratio(self, pairs: list[Point], times: float) -> Finding:
        """Ratios are averaged by their logarithms, so that twice and half cancel."""
        found = interval([log(high / low) for low, high in pairs])
        mean, low, high = (exp(min(value, 700.0)) for value in (found.mean, found.low, found.high))
        back = Interval(mean, low, high, found.n)
        return Finding(self, back, _verdict(back, times))


def _value(records: Records, cell: Cell, seed: int) -> float:
    return records[cell[0], seed].figures[cell[1]]


def _verdict(found: Interval, bound: float) -> Verdict:
    if found.low > bound:
        return Verdict.SUPPORTED
    return Verdict.CONTRADICTED if found.high < bound else Verdict.UNSEEN


@dataclass(frozen=True)
class Finding:
    """A claim, the interval of what it is about, and the verdict."""

    contrast: Contrast
    interval: Interval
    """of `higher` - `lower`, or of `higher` / `lower` where the claim is about a ratio"""
    verdict: Verdict


@dataclass(frozen=True)
class Plot:
    """Which curve is drawn, a band for each arm: the mean over the seeds and its interval."""

    curve: str
    across: str = "epochs"
    arms: tuple[str, ...] = ()
    """those that are drawn; all that have the curve if empty"""
    percent: bool = True
    """the curve holds shares"""
    edges: tuple[str, str] | None = None
    """curves of the first seed that bound the band, around its `curve`; else the band is the interval of the "
    "mean"""


@dataclass(frozen=True, kw_only=True)
class Study:
    """An experiment on one of the lecture's claims."""

    name: str
    title: str
    says: str
    """what the lecture says, and where"""
    source: str
    """the paper behind it, and its own figure"""
    setup: str
    """what is trained here, in a few sentences"""
    arms: Callable[[Scale], dict[str, Arm]]
    contrasts: tuple[Contrast, ...]
    scales: dict[str, Scale]
    pictures: Callable[[Scale, int], Pictures] = fashion
    plots: tuple[Plot, ...] = (Plot("test error"),)
    remark: str = ""
    """what else there is to know to read the result"""
