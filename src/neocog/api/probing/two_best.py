"""Whether the best classifier differs from the second best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neocog.api.probing.measured import Measured
from neocog.draw.text import points
from neocog.evaluation.intervals import Interval
from neocog.evaluation.paired import ALPHA, compared
from neocog.probing.differences import over_splits
from neocog.probing.splits import Division


@dataclass(frozen=True)
class TwoBest:
    """The two by name, and their difference with what chance may have to do with it."""

    first: str
    second: str
    difference: float
    interval: Interval
    """95 %"""
    p: float
    test: str

    @property
    def equal(self) -> bool:
        return self.p >= ALPHA

    @property
    def verdict(self) -> str:
        low, high = self.interval
        amount = f"{points(self.difference)} points (95 % interval {points(low)} to {points(high)}), p = {self.p:.2g}"
        if self.equal:
            return f"{self.first} and {self.second} are not distinguishable: {amount}, {self.test}"
        better, worse = (self.first, self.second) if self.difference > 0 else (self.second, self.first)
        return f"{better} is better than {worse}: {amount}, {self.test}"


def two_best(
    first: Measured,
    second: Measured,
    divisions: Sequence[Division],
    labels: NDArray[np.int64],
    figure: str,
) -> TwoBest:
    """Over several splits by splits and pictures; of one split by McNemar's test on its pictures."""
    if len(divisions) == 1:
        pair = compared(first.right[0], second.right[0])
        return TwoBest(
            first.name, second.name, pair.difference, pair.interval, pair.p, "McNemar's test on top-1"
        )
    shares = np.zeros((len(divisions), len(labels)))
    for split, division in enumerate(divisions):
        won = first.right[split].astype(np.float64) - second.right[split]
        shares[split, division.judge] = won * weights(labels[division.judge], figure)
    judges = np.unique(np.concatenate([division.judge for division in divisions]))
    found = over_splits(shares[:, judges])
    test = "t-test over splits and pictures"
    return TwoBest(first.name, second.name, found.difference, found.interval, found.p, test)


def weights(labels: NDArray[np.int64], figure: str) -> NDArray[np.float64]:
    """What each picture counts (n,), of sum 1: the same in `top1`; in `balanced` all pictures of a class as one."""
    if figure == "top1":
        return np.full(len(labels), 1 / len(labels))
    counts = np.bincount(labels)
    return 1 / (counts[labels] * np.count_nonzero(counts))
