"""Whether the best classifier differs from the second best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from neocog.draw.text import points
from neocog.evaluation.intervals import Interval
from neocog.evaluation.paired import ALPHA, Paired, Right, compared
from neocog.probing.differences import Difference, of_one_split, over_splits
from neocog.probing.splits import Division


class Judged(Protocol):
    """What was judged on each split."""

    @property
    def name(self) -> str: ...

    @property
    def right(self) -> tuple[Right, ...]:
        """Of each split, whether each judging picture is named rightly."""


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
    first: Judged,
    second: Judged,
    divisions: Sequence[Division],
    labels: NDArray[np.int64],
    figure: str,
) -> TwoBest:
    """Whether they differ in `figure`, by which they are ranked: over several splits by splits and pictures.

    Of one split by McNemar's test where each picture counts the same, else by the permutation test that is McNemar's
    with weights.
    """
    if len(divisions) == 1:
        return _of_one_split(first, second, labels[divisions[0].judge], figure)
    shares = np.zeros((len(divisions), len(labels)))
    for split, division in enumerate(divisions):
        counted = weights(labels[division.judge], figure)
        shares[split, division.judge] = _won(first, second, split) * counted
    judges = np.unique(np.concatenate([division.judge for division in divisions]))
    found = over_splits(shares[:, judges])
    return _named(first, second, found, "t-test over splits and pictures")


def _of_one_split(first: Judged, second: Judged, truth: NDArray[np.int64], figure: str) -> TwoBest:
    if figure == "top1":
        pair = compared(first.right[0], second.right[0])
        return _named(first, second, pair, "McNemar's test on top-1")
    found = of_one_split(_won(first, second, 0), weights(truth, figure))
    return _named(first, second, found, "paired permutation test, each class counts the same")


def _named(first: Judged, second: Judged, found: Difference | Paired, test: str) -> TwoBest:
    return TwoBest(first.name, second.name, found.difference, found.interval, found.p, test)


def _won(first: Judged, second: Judged, split: int) -> NDArray[np.float64]:
    """1 where the first alone is right about a judging picture, -1 where the second alone is, else 0."""
    return first.right[split].astype(np.float64) - second.right[split]


def weights(labels: NDArray[np.int64], figure: str) -> NDArray[np.float64]:
    """What each picture counts (n,), of sum 1: the same in `top1`; in `balanced` all pictures of a class as one."""
    if figure == "top1":
        return np.full(len(labels), 1 / len(labels))
    counts = np.bincount(labels)
    return 1 / (counts[labels] * np.count_nonzero(counts))
