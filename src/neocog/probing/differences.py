"""Whether one classifier is better than another: by the figure that they are ranked by, of one split or of several."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from neocog.errors import UserError
from neocog.evaluation.intervals import REPEATS, TAIL, Interval, clopper_pearson, middle

FLIPS = 100_000  # draws of the signs: a p of 0.05 is off by 0.0014 in 95 of 100 cases


@dataclass(frozen=True)
class Difference:
    """First less second; of several splits the mean."""

    difference: float
    interval: Interval
    """95 %"""
    p: float
    """how often chance alone gives so large a difference"""


def over_splits(shares: NDArray[np.float64]) -> Difference:
    """The mean difference with what chance does to it, by the draw of the splits and by that of the pictures.

    `shares` (splits, pictures) say what each picture adds to the difference of each split: the difference is the sum
    of a row; 0 where a picture does not judge. Splits judge the same pictures, so the variance of the mean is more
    than that of the splits alone: it is taken as the sum of the variance by splits and that by pictures, a little too
    much (Owen 2007, The pigeonhole bootstrap). Student's t with splits - 1 degrees of freedom.
    """
    from scipy.special import stdtr, stdtrit

    splits = len(shares)
    if splits < 2:
        raise UserError(f"two splits or more must be compared, got {splits}")
    each, added = shares.sum(axis=1), shares.mean(axis=0)
    mean, n = float(each.mean()), len(added)
    by_pictures = float(np.square(added - mean / n).sum()) * n / max(n - 1, 1)
    error = sqrt(float(each.var(ddof=1)) / splits + by_pictures)
    if error == 0:
        return Difference(mean, _room_for_others(mean, n), 1.0 if mean == 0 else 0.0)
    half = float(stdtrit(splits - 1, 1 - TAIL)) * error
    return Difference(mean, (mean - half, mean + half), 2 * float(stdtr(splits - 1, -abs(mean) / error)))


def of_one_split(won: NDArray[np.float64], weights: NDArray[np.float64], seed: int = 0) -> Difference:
    """The weighted difference of two classifiers on the same pictures, with what the draw of the pictures does to it.

    `won` (n,) is 1 where the first alone is right, -1 where the second alone is, else 0; `weights` (n,) of sum 1 say
    what each picture counts. p is that of the paired permutation test (Fisher 1935, section 21): were both equally
    good, each picture that one alone gets right would be as likely the other's. With equal weights this is McNemar's
    test. The interval is the paired bootstrap's.
    """
    shares, n = won * weights, len(won)
    mean = float(shares.sum())
    rng = np.random.default_rng(seed)
    sizes, counts = np.unique(np.abs(shares[shares != 0]), return_counts=True)
    flipped = (2 * rng.binomial(counts, 0.5, (FLIPS, len(counts))) - counts) @ sizes
    as_large = int((np.abs(flipped) >= abs(mean) - 1e-12).sum())
    values, counts = np.unique(shares, return_counts=True)
    if len(values) > 1:
        interval = middle(rng.multinomial(n, counts / n, REPEATS) @ values)
    else:  # each draw would be the same
        interval = _room_for_others(mean, round(1 / np.square(weights).sum()))
    return Difference(mean, interval, (1 + as_large) / (1 + FLIPS))


def _room_for_others(mean: float, n: int) -> Interval:
    """Of n pictures that are all alike, whose difference is `mean`: others are as many as none among so many allow."""
    unseen = clopper_pearson(0, n)[1] * (2 if mean else 1)
    return max(-1.0, mean - unseen), min(1.0, mean + unseen)
