"""Whether one classifier is better than another over several random splits of the same pictures."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from neocog.errors import UserError
from neocog.evaluation.intervals import TAIL, Interval


@dataclass(frozen=True)
class Difference:
    """The mean of first less second over the splits."""

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
        return Difference(mean, (mean, mean), 1.0 if mean == 0 else 0.0)
    half = float(stdtrit(splits - 1, 1 - TAIL)) * error
    return Difference(mean, (mean - half, mean + half), 2 * float(stdtr(splits - 1, -abs(mean) / error)))
