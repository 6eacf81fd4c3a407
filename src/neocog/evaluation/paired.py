"""Whether one classifier is better than another on the same pictures, or only luckier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from neocog.errors import UserError
from neocog.evaluation.intervals import REPEATS, Interval, clopper_pearson, middle

ALPHA = 0.05  # a difference is told where chance gives one as large less often than this

Right = NDArray[np.bool_]
"""(n,), whether a classifier is right about each picture"""


@dataclass(frozen=True)
class Paired:
    """Two classifiers on the same pictures."""

    both: int
    """pictures that both get right"""
    only_first: int
    only_second: int
    neither: int
    difference: float
    """top-1 accuracy of the first less that of the second"""
    interval: Interval
    """its 95 % interval by the paired bootstrap; of this pair alone, however many were compared"""
    p: float
    """how often chance alone gives so uneven a count of `only_first` and `only_second`: McNemar's exact test; where
    several pairs were compared it is Holm's adjusted one"""

    @property
    def n(self) -> int:
        return self.both + self.only_first + self.only_second + self.neither

    @property
    def verdict(self) -> str:
        """`first` or `second` is better, or `not distinguishable`."""
        if self.p >= ALPHA:
            return "not distinguishable"
        return "first" if self.only_first > self.only_second else "second"


def mcnemar(only_first: int, only_second: int) -> float:
    """The two-sided p of McNemar's (1947) test, by the binomial distribution itself: the pictures that one of two
    classifiers alone gets right are as likely to be one's as the other's where both are equally good."""
    from scipy.special import bdtr

    if only_first < 0 or only_second < 0:
        raise UserError(f"counts of pictures must not be negative, got {only_first} and {only_second}")
    return min(1.0, 2 * float(bdtr(min(only_first, only_second), only_first + only_second, 0.5)))


def compared(first_right: Right, second_right: Right, seed: int = 0) -> Paired:
    """Two classifiers by whether each is right about the same pictures, in the same order."""
    if first_right.shape != second_right.shape or not first_right.size:
        raise UserError(
            "two classifiers are compared on the same pictures, at least one, "
            f"got {first_right.size} and {second_right.size}"
        )
    both, neither = int((first_right & second_right).sum()), int((~first_right & ~second_right).sum())
    first, second = int(first_right.sum()) - both, int(second_right.sum()) - both
    return Paired(
        both=both,
        only_first=first,
        only_second=second,
        neither=neither,
        difference=(first - second) / first_right.size,
        interval=_difference_interval(first, second, first_right.size, seed),
        p=mcnemar(first, second),
    )


def compared_all(rights: Mapping[str, Right], seed: int = 0) -> dict[tuple[str, str], Paired]:
    """Every pair of several classifiers by name; p is Holm's adjusted one, so that all verdicts hold together."""
    pairs = {pair: compared(rights[pair[0]], rights[pair[1]], seed) for pair in combinations(rights, 2)}
    adjusted = holm([found.p for found in pairs.values()])
    return {pair: replace(found, p=p) for (pair, found), p in zip(pairs.items(), adjusted, strict=True)}


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's (1979) adjusted p of several tests, in their order.

    Where no classifier differs, the chance that even one of them falls below 0.05 is 5 % at most.
    """
    by_size = sorted(range(len(ps)), key=lambda i: ps[i])
    adjusted, largest = [0.0] * len(ps), 0.0
    for place, i in enumerate(by_size):
        largest = max(largest, min(1.0, (len(ps) - place) * ps[i]))
        adjusted[i] = largest
    return adjusted


def _difference_interval(first: int, second: int, n: int, seed: int) -> Interval:
    """By the paired bootstrap. Drawing n pictures anew counts those of each kind, so the counts are drawn at once.

    Where all n are of one kind every draw is the same and says nothing of the other kinds. These are then as many as
    0 of n allow: the upper end of Clopper and Pearson's interval of their share, all of them in favour of one.
    """
    if n in (first, second, n - first - second):
        unseen = clopper_pearson(0, n)[1]
        seen, reach = (first - second) / n, unseen * (2 if first or second else 1)
        return max(-1.0, seen - reach), min(1.0, seen + reach)
    shares = [first / n, second / n, (n - first - second) / n]
    drawn = np.random.default_rng(seed).multinomial(n, shares, REPEATS)
    return middle((drawn[:, 0] - drawn[:, 1]) / n)
