"""Conformal sets: the promise itself by simulation, the order statistic by counting, intervals by scipy."""

from fractions import Fraction
from math import ceil, inf, isinf, nan, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import beta, betabinom, binomtest

from neocog.errors import UserError
from neocog.evaluation.conformal import (
    abstained,
    answer_sets,
    held,
    measured,
    nonconformity,
    order,
    threshold,
)

Case = tuple[NDArray[np.float32], NDArray[np.int64]]


def drawn(n: int, rng: np.random.Generator, classes: int = 6) -> Case:
    """A classifier far too sure of itself, which the promise does not mind."""
    logits = rng.normal(0, 1.5, (n, classes))
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (true.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    said = np.exp(3 * logits)
    return (said / said.sum(axis=1, keepdims=True)).astype(np.float32), labels


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.95])
@pytest.mark.parametrize("n", [20, 99])
def test_the_sets_hold_the_truth_as_often_as_promised(coverage: float, n: int) -> None:
    """On average over calibrations at least as often, and by 1 / (n + 1) more at most, since no scores are equal."""
    rng, shares = np.random.default_rng(n), []
    for _ in range(400):
        limit = threshold(nonconformity(*drawn(n, rng)), coverage)
        probabilities, labels = drawn(50, rng)
        shares.append(held(answer_sets(probabilities, limit), labels).mean())
    error = np.std(shares) / sqrt(len(shares))
    assert coverage - 4 * error <= np.mean(shares) <= coverage + 1 / (n + 1) + 4 * error


def test_the_coverage_of_calibrations_is_drawn_from_the_stated_distribution() -> None:
    """Half of endless pictures' coverages lie below the median of Beta(r, n + 1 - r), 95 % in the stated interval."""
    rng, shares, n = np.random.default_rng(8), [], 40
    new = drawn(4000, rng)
    for _ in range(400):
        limit = threshold(nonconformity(*drawn(n, rng)), 0.9)
        shares.append(measured(answer_sets(new[0], limit), new[1], 0.9, n).share)
    rank = 37  # of 41 * 0.9 = 36.9
    low, high = measured(answer_sets(new[0], 0.5), new[1], 0.9, n).expected
    assert (low, high) == pytest.approx(beta.interval(0.95, rank, n + 1 - rank), abs=1e-9)
    assert 0.92 <= np.mean([low <= share <= high for share in shares]) <= 0.98
    assert 0.42 <= np.mean(np.array(shares) < beta.median(rank, n + 1 - rank)) <= 0.58


@given(st.integers(1, 300), st.integers(1, 99))
def test_the_rank_is_the_smallest_whose_share_of_n_plus_1_reaches_the_coverage(n: int, percent: int) -> None:
    coverage = Fraction(percent, 100)
    wanted = [rank for rank in range(1, n + 1) if Fraction(rank, n + 1) >= coverage]
    if wanted:
        assert order(n, percent / 100) == wanted[0]
    else:
        enough = next(m for m in range(n, 1000) if Fraction(m, m + 1) >= coverage)
        with pytest.raises(UserError, match=f"needs at least {enough} calibration pictures, got {n}"):
            order(n, percent / 100)


@given(st.lists(st.floats(0, 1), min_size=19, max_size=60), st.sampled_from([0.5, 0.9, 0.95]))
def test_the_threshold_has_at_least_so_many_scores_at_or_below_it(
    scores: list[float], coverage: float
) -> None:
    limit, n = threshold(np.array(scores), coverage), len(scores)
    assert limit in scores
    assert sum(score <= limit for score in scores) >= (n + 1) * coverage - 1e-9
    assert sum(score < limit for score in scores) < (n + 1) * coverage


def test_the_set_of_a_calibration_picture_at_the_threshold_holds_its_class() -> None:
    """Rounding must not part a score from the same score."""
    probabilities, labels = drawn(500, np.random.default_rng(0))
    scores = nonconformity(probabilities, labels)
    for percent in range(2, 100):
        limit = threshold(scores, percent / 100)
        inside = held(answer_sets(probabilities, limit), labels)
        assert (inside == (scores <= limit)).all()
        assert inside.sum() == ceil(Fraction(501 * percent, 100))


def test_small_probabilities_are_told_apart() -> None:
    """1 - 1e-9 and 1 - 2e-9 are the same number in float32."""
    row = np.array([[1, 2e-9, 1e-9]], np.float32)
    limit = threshold(nonconformity(np.repeat(row, 9, axis=0), np.ones(9, np.int64)), 0.9)
    assert answer_sets(row, limit).tolist() == [[True, True, False]]


def test_more_coverage_never_takes_a_class_away() -> None:
    probabilities, labels = drawn(300, np.random.default_rng(1))
    scores = nonconformity(probabilities, labels)
    sets = [answer_sets(probabilities, threshold(scores, coverage)) for coverage in (0.5, 0.7, 0.9, 0.99)]
    for small, large in zip(sets, sets[1:], strict=False):
        assert (small <= large).all()
        assert small.sum() < large.sum()


def test_what_was_measured_is_what_the_sets_say() -> None:
    sets = np.array([[1, 0, 0], [1, 0, 0], [1, 1, 0], [0, 0, 0], [1, 1, 0], [0, 0, 1]], bool)
    got = measured(sets, np.array([0, 1, 1, 2, 2, 0]), 0.9, calibrated_on=30)
    assert (got.n, got.covered, got.share) == (6, 2, 1 / 3)
    assert abstained(sets).tolist() == [False, False, True, True, True, False]
    assert (got.mean_size, got.single, got.empty) == (7 / 6, 3 / 6, 1 / 6)
    assert got.single_accuracy == 1 / 3
    expected = binomtest(2, 6).proportion_ci(0.95, method="exact")
    assert got.interval == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert not got.kept
    assert "0.3333 of the sets hold the true class (95 % interval 0.0433 to 0.7772, promised 0.9)" in str(got)


@pytest.mark.parametrize("label", [-1, 3])
def test_nothing_was_promised_of_classes_that_the_model_does_not_know(label: int) -> None:
    sets = np.ones((3, 3), bool)
    with pytest.raises(
        UserError, match=r"classes that the model knows, got 1 of 3 of others: leave them out"
    ):
        measured(sets, np.array([0, label, 1]), 0.5, calibrated_on=9)
    assert held(sets, np.array([0, label, 1])).tolist() == [True, False, True]


def test_no_single_answer_has_no_accuracy() -> None:
    assert measured(np.ones((2, 3), bool), np.array([0, 1]), 0.5, 9).single_accuracy is None


@pytest.mark.parametrize("calibrated_on", [19, 99, 999])
def test_a_promise_is_broken_where_so_few_are_rarely_covered(calibrated_on: int) -> None:
    """The fewest covered of 200 that are believed have a chance of 2.5 % or more, one less has not."""
    rank = order(calibrated_on, 0.9)
    chance = betabinom(200, rank, calibrated_on + 1 - rank)
    kept = []
    for covered in range(201):
        sets = (np.arange(200) < covered)[:, None]
        kept.append(measured(sets, np.zeros(200, np.int64), 0.9, calibrated_on).kept)
    fewest = kept.index(True)
    assert kept == [covered >= fewest for covered in range(201)]
    assert sum(chance.pmf(covered) for covered in range(fewest + 1)) >= 0.025
    assert sum(chance.pmf(covered) for covered in range(fewest)) < 0.025


def test_a_promise_is_kept_in_19_of_20_draws_at_least() -> None:
    rng, kept = np.random.default_rng(3), []
    for _ in range(400):
        limit = threshold(nonconformity(*drawn(60, rng)), 0.8)
        probabilities, labels = drawn(60, rng)
        kept.append(measured(answer_sets(probabilities, limit), labels, 0.8, 60).kept)
    assert np.mean(kept) >= 0.95


def test_a_class_that_the_model_does_not_know_is_in_no_set() -> None:
    rows = np.full((2, 3), 1 / 3, np.float32)
    assert all(isinf(score) for score in nonconformity(rows, np.array([3, -1])))
    assert not held(np.ones((2, 3), bool), np.array([3, -1])).any()


def test_unknown_classes_that_forbid_a_coverage_are_told() -> None:
    scores = np.array([0.1] * 90 + [inf] * 10)
    assert threshold(scores, 0.85) == 0.1
    with pytest.raises(
        UserError, match="got 10 of 100 calibration pictures of classes that it does not know"
    ):
        threshold(scores, 0.95)


@pytest.mark.parametrize("coverage", [0.0, 1.0, -0.5, 95, nan])
def test_a_coverage_that_is_no_share_is_refused(coverage: float) -> None:
    with pytest.raises(UserError, match="coverage must lie between 0 and 1, got"):
        threshold(np.zeros(1000), coverage)


def test_scores_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(UserError, match="scores must be numbers, got NaN"):
        threshold(np.array([0.1, nan] * 20), 0.9)


def test_nothing_to_measure_on_is_refused() -> None:
    with pytest.raises(UserError, match="coverage needs a picture to be measured on, got none"):
        measured(np.empty((0, 2), bool), np.empty(0, np.int64), 0.9, 100)
