"""Answers that may be sets: as many classes as it takes to hold the true one with a promised probability.

Split conformal prediction (Vovk, Gammerman and Shafer 2005) with the score of least ambiguous sets (Sadinle, Lei and
Wasserman 2019): a class is in the set where 1 - its probability is at most a threshold found on pictures that were not
trained on. If those and the new picture are exchangeable, the set holds the true class with at least the promised
probability, on average over both, whatever the model is. Nothing is promised for each class, nor for other pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil

import numpy as np
from numpy.typing import NDArray

from neocog.errors import UserError
from neocog.evaluation.intervals import TAIL, Interval, clopper_pearson
from neocog.evaluation.per_picture import demand_answers, demand_probabilities, of_truth

Floats = NDArray[np.float32]


def nonconformity(probabilities: Floats, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """1 - probability of the true class (n,); infinity where the model does not know the class: no set holds it."""
    demand_answers(probabilities, labels)
    demand_probabilities(probabilities)
    known = (labels >= 0) & (labels < probabilities.shape[1])
    return np.where(known, 1 - of_truth(probabilities, labels).astype(np.float64), np.inf)


def threshold(scores: NDArray[np.float64], coverage: float) -> float:
    """The ceil((n + 1) * coverage)-th smallest of the n `scores` of calibration pictures."""
    rank = order(len(scores), coverage)
    if np.isnan(scores).any():
        raise UserError("scores must be numbers, got NaN: the model is damaged")
    found = float(np.partition(scores, rank - 1)[rank - 1])
    if np.isinf(found):
        lost = int(np.isinf(scores).sum())
        raise UserError(
            f"a coverage of {coverage:g} needs a model that knows the classes, got {lost} of {len(scores)} calibration "
            "pictures of classes that it does not know: leave them out or ask for less"
        )
    return found


def order(n: int, coverage: float) -> int:
    """Which of n scores, counted from 1, is the threshold; UserError where n is too small for the coverage."""
    if not 0 < coverage < 1:
        raise UserError(f"coverage must lie between 0 and 1, got {coverage:g}")
    exact = Fraction(str(float(coverage)))  # the decimal that was said: in binary 100 * 0.07 is above 7
    rank = ceil((n + 1) * exact)
    if rank > n:
        raise UserError(
            f"a coverage of {coverage:g} needs at least {ceil(exact / (1 - exact))} calibration pictures, got {n}"
        )
    return rank


def answer_sets(probabilities: Floats, threshold: float) -> NDArray[np.bool_]:
    """Which classes each picture's answer holds (n, k). None: nothing seen in calibration was so unclear."""
    return 1 - probabilities.astype(np.float64) <= threshold


def abstained(sets: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Of which pictures (n,) the answer is that they are unknown: the set is not exactly one class."""
    return np.asarray(sets.sum(axis=1) != 1, np.bool_)


@dataclass(frozen=True)
class Coverage:
    """What the sets of n pictures did, beside what was promised."""

    wanted: float
    n: int
    covered: int
    """pictures whose set holds the true class"""
    interval: Interval
    """95 % interval of the share, by Clopper and Pearson"""
    expected: Interval
    """where the share of endless new pictures lies in 95 % of all calibrations: Beta(r, m + 1 - r) for the threshold
    being the r-th of m scores (Vovk 2012); with equal scores it may lie higher"""
    kept: bool
    """whether so few covered pictures, or fewer, have a chance of 2.5 % or more where the promise holds"""
    mean_size: float
    """classes of a set"""
    single: float
    """share of pictures with one class"""
    empty: float
    """share of pictures with none"""
    single_accuracy: float | None
    """share of right ones among the answers of one class; None where there is none"""

    @property
    def share(self) -> float:
        """The measured coverage."""
        return self.covered / self.n

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"{self.share:.4f} of the sets hold the true class (95 % interval {low:.4f} to {high:.4f}, "
            f"promised {self.wanted:g}); {self.mean_size:.2f} classes a set"
        )


def measured(
    sets: NDArray[np.bool_], labels: NDArray[np.int64], wanted: float, calibrated_on: int
) -> Coverage:
    """Of `sets` (n, k), whose threshold was found for the coverage `wanted` on `calibrated_on` other pictures.

    Of pictures of classes that the model knows: nothing was promised of others, which no set can hold.
    """
    if not len(labels):
        raise UserError("coverage needs a picture to be measured on, got none")
    others = int(((labels < 0) | (labels >= sets.shape[1])).sum())
    if others:
        raise UserError(
            f"coverage is measured on pictures of classes that the model knows, got {others:,} of {len(labels):,} of "
            "others: leave them out"
        )
    sizes, holds, one = sets.sum(axis=1), held(sets, labels), ~abstained(sets)
    covered, n, rank = int(holds.sum()), len(labels), order(calibrated_on, wanted)
    return Coverage(
        wanted=wanted,
        n=n,
        covered=covered,
        interval=clopper_pearson(covered, n),
        expected=_expected(rank, calibrated_on),
        kept=_chance_of_at_most(covered, n, rank, calibrated_on) >= TAIL,
        mean_size=float(sizes.mean()),
        single=float(one.mean()),
        empty=float((sizes == 0).mean()),
        single_accuracy=float(holds[one].mean()) if one.any() else None,
    )


def held(sets: NDArray[np.bool_], labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each set holds the true class (n,); never where it has no column."""
    known = (labels >= 0) & (labels < sets.shape[1])
    return np.asarray(known & sets[np.arange(len(labels)), np.where(known, labels, 0)], np.bool_)


def _expected(rank: int, calibrated_on: int) -> Interval:
    from scipy.special import betaincinv

    low, high = betaincinv(rank, calibrated_on + 1 - rank, (TAIL, 1 - TAIL))
    return float(low), float(high)


def _chance_of_at_most(covered: int, n: int, rank: int, calibrated_on: int) -> float:
    """Of that many covered pictures of n: binomial given the coverage, which the calibration has drawn."""
    from scipy.stats import betabinom

    return float(betabinom.cdf(covered, n, rank, calibrated_on + 1 - rank))
