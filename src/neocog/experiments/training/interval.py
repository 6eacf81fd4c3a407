"""A mean over seeds with its 95 % interval, Student's, since the seeds are few."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt
from statistics import fmean, stdev


@dataclass(frozen=True)
class Interval:
    """A mean of `n` values, and where it lies with 95 % confidence if the values are normally distributed."""

    mean: float
    low: float
    high: float
    n: int


def interval(values: Sequence[float]) -> Interval:
    """Student's t interval of the mean; without bounds of a single value."""
    from scipy.stats import t

    mean, n = fmean(values), len(values)
    if n < 2:
        return Interval(mean, -inf, inf, n)
    half = float(t.ppf(0.975, n - 1)) * stdev(values) / sqrt(n)
    return Interval(mean, mean - half, mean + half, n)
