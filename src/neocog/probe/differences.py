"""Whether one classifier is better than another over several random splits of the same pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

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


def corrected_t(first: Sequence[float], second: Sequence[float], trained: int, judged: int) -> Difference:
    """The corrected resampled t-test of Nadeau and Bengio (2003, section 5): two figures for each split.

    Splits share pictures, so their differences are less spread than those of new pictures would be: the variance of
    their mean is taken as (1/splits + judged/trained) times that of one, `trained` and `judged` being how many pictures
    of a split do which.
    """
    from scipy.special import stdtr, stdtrit

    if len(first) != len(second) or len(first) < 2:
        raise UserError(f"two splits or more must be compared, got {len(first)} and {len(second)} figures")
    each = np.asarray(first) - np.asarray(second)
    mean, free = float(each.mean()), len(each) - 1
    error = sqrt(float(each.var(ddof=1)) * (1 / len(each) + judged / trained))
    if error == 0:
        return Difference(mean, (mean, mean), 1.0 if mean == 0 else 0.0)
    half = float(stdtrit(free, 1 - TAIL)) * error
    return Difference(mean, (mean - half, mean + half), 2 * float(stdtr(free, -abs(mean) / error)))
