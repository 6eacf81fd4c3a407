"""Intervals against scipy, and the bootstrap against the formula for a mean."""

from math import comb, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binomtest
from scipy.stats import bootstrap as scipy_bootstrap

from neocog.errors import UserError
from neocog.evaluation.intervals import (
    Interval,
    bootstrap,
    clopper_pearson,
    middle,
    reflected,
    resamples,
    wilson,
)

COUNTS = st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def of_mean(values: NDArray[np.float64], seed: int = 0, repeats: int = 2000) -> Interval:
    return bootstrap(lambda chosen: float(values[chosen].mean()), len(values), seed=seed, repeats=repeats)


@given(COUNTS)
def test_wilson_s_interval_is_that_of_scipy(counts: tuple[int, int]) -> None:
    expected = binomtest(*counts).proportion_ci(0.95, method="wilson")
    np.testing.assert_allclose(wilson(*counts), (expected.low, expected.high), atol=1e-12)  # double precision


@given(COUNTS)
def test_clopper_and_pearson_s_interval_is_that_of_scipy(counts: tuple[int, int]) -> None:
    expected = binomtest(*counts).proportion_ci(0.95, method="exact")
    np.testing.assert_allclose(clopper_pearson(*counts), (expected.low, expected.high), atol=1e-9)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.97])
def test_clopper_and_pearson_s_interval_holds_the_share_in_95_percent_at_least(share: float) -> None:
    n = 30
    chances = [comb(n, right) * share**right * (1 - share) ** (n - right) for right in range(n + 1)]
    ends = [clopper_pearson(right, n) for right in range(n + 1)]
    held = sum(chance for chance, (low, high) in zip(chances, ends, strict=True) if low <= share <= high)
    assert held >= 0.95


@pytest.mark.parametrize("interval", [wilson, clopper_pearson])
@pytest.mark.parametrize(("right", "n"), [(-1, 5), (6, 5), (0, 0)])
def test_an_impossible_count_is_refused(interval: type[wilson], right: int, n: int) -> None:
    with pytest.raises(UserError, match=f"right must lie between 0 and n > 0, got {right} of {n}"):
        interval(right, n)


def test_the_bootstrap_of_a_mean_is_as_wide_as_its_standard_error_says() -> None:
    values = np.random.default_rng(3).exponential(size=400)
    low, high = of_mean(values, repeats=8000)
    error = values.std() / sqrt(len(values))
    assert (high - low) / (2 * 1.959964 * error) == pytest.approx(1, abs=0.03)  # 8,000 draws leave about 1 %


def test_the_bootstrap_is_that_of_scipy() -> None:
    values = np.random.default_rng(4).gamma(2, size=150)
    expected = scipy_bootstrap(
        (values,), np.median, n_resamples=4000, method="percentile", rng=np.random.default_rng(9)
    ).confidence_interval
    got = bootstrap(lambda chosen: float(np.median(values[chosen])), len(values), repeats=4000)
    assert got == pytest.approx(tuple(expected), abs=0.03)  # two draws of 4,000


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=40), st.integers(0, 99))
@settings(max_examples=40)
def test_the_interval_holds_the_mean_and_is_the_same_again(values: list[float], seed: int) -> None:
    array = np.array(values)
    low, high = of_mean(array, seed=seed, repeats=400)
    rounding = 1e-12
    assert array.min() - rounding <= low <= array.mean() + rounding
    assert array.mean() - rounding <= high <= array.max() + rounding
    assert (low, high) == of_mean(array, seed=seed, repeats=400)


def test_each_draw_has_as_many_pictures_as_there_are_and_each_as_often_as_another() -> None:
    draws = np.array(list(resamples(20, seed=1, repeats=5000)))
    assert draws.shape == (5000, 20)
    counts = np.bincount(draws.ravel(), minlength=20)
    assert len(counts) == 20
    assert np.abs(counts - 5000).max() < 5 * sqrt(5000)  # five deviations
    assert not (draws[0] == draws[1]).all()


def test_another_seed_gives_another_interval() -> None:
    values = np.random.default_rng(0).random(50)
    assert of_mean(values, seed=1) != of_mean(values, seed=2)


def test_the_middle_leaves_out_a_fortieth_on_either_side() -> None:
    assert middle(np.arange(0, 401.0)) == (10, 390)


@pytest.mark.parametrize(
    ("estimate", "expected"),
    [(20.0, (0.0, 30.0)), (300.0, (210.0, 590.0)), (5.0, (0.0, 5.0)), (500.0, (500.0, 990.0))],
)
def test_the_reflected_interval_lies_on_the_other_side(
    estimate: float, expected: tuple[float, float]
) -> None:
    assert reflected(np.arange(0, 401.0), estimate) == expected  # percentile interval 10 to 390


@pytest.mark.parametrize(("n", "repeats"), [(0, 5), (5, 0)])
def test_a_bootstrap_of_nothing_is_refused(n: int, repeats: int) -> None:
    with pytest.raises(UserError, match="the bootstrap needs a picture and a repeat"):
        bootstrap(lambda chosen: 0.0, n, repeats=repeats)
