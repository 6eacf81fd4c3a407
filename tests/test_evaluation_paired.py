"""Paired comparisons against scipy, whole numbers, and the published examples of the tests."""

from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from neocog.errors import UserError
from neocog.evaluation.intervals import bootstrap
from neocog.evaluation.paired import compared, compared_all, holm, mcnemar

RIGHTS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=80)


@given(st.integers(0, 400), st.integers(0, 400))
def test_mcnemar_s_p_is_the_binomial_one_and_symmetrical(first: int, second: int) -> None:
    expected = binomtest(first, first + second).pvalue if first + second else 1.0
    assert mcnemar(first, second) == pytest.approx(expected, rel=1e-9)
    assert mcnemar(first, second) == mcnemar(second, first)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_s_p_is_a_count_of_coin_throws(first: int, second: int) -> None:
    n, few = first + second, min(first, second)
    assert mcnemar(first, second) == pytest.approx(
        min(1, 2 * sum(comb(n, i) for i in range(few + 1)) / 2**n), rel=1e-9
    )


def test_mcnemar_s_p_of_a_table_by_hand() -> None:
    assert mcnemar(1, 7) == 18 / 256  # (1 + 8) of 256 throws of 8 coins, on either side


@given(RIGHTS)
@settings(max_examples=40)
def test_every_picture_is_in_one_of_four_counts(rights: list[tuple[bool, bool]]) -> None:
    first, second = np.array(rights).T
    got = compared(first, second)
    counts = [rights.count(pair) for pair in ((True, True), (True, False), (False, True), (False, False))]
    assert [got.both, got.only_first, got.only_second, got.neither] == counts
    assert got.n == len(rights)
    assert got.difference == pytest.approx(first.mean() - second.mean(), abs=1e-12)
    assert got.interval[0] <= got.difference + 1e-12
    assert got.interval[1] >= got.difference - 1e-12


@given(RIGHTS)
@settings(max_examples=40)
def test_exchanging_the_two_turns_the_verdict_round(rights: list[tuple[bool, bool]]) -> None:
    first, second = np.array(rights * 3).T
    one, other = compared(first, second), compared(second, first)
    assert (one.difference, one.p) == (-other.difference, other.p)
    turned = {"first": "second", "second": "first", "not distinguishable": "not distinguishable"}
    assert one.verdict == turned[other.verdict]


def test_the_interval_is_that_of_drawing_pictures_with_replacement() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.random(900) < 0.8, rng.random(900) < 0.75
    expected = bootstrap(
        lambda chosen: float(first[chosen].mean() - second[chosen].mean()), 900, seed=5, repeats=6000
    )
    assert compared(first, second).interval == pytest.approx(
        expected, abs=0.004
    )  # two draws; the width is 0.07


def test_the_verdict_needs_enough_pictures() -> None:
    """In both cases the first alone is right on twice as many."""
    few, many = (compared(np.array([1, 1, 0] * n, bool), np.array([0, 0, 1] * n, bool)) for n in (2, 40))
    assert (few.verdict, few.p > 0.5) == ("not distinguishable", True)
    assert (many.verdict, many.p < 0.001) == ("first", True)


def test_a_classifier_is_not_distinguishable_from_itself() -> None:
    right = np.array([True, False, True])
    got = compared(right, right)
    assert (got.difference, got.p, got.verdict) == (0, 1, "not distinguishable")


@given(st.integers(1, 3000))
def test_pictures_without_a_disagreement_do_not_prove_that_there_is_none(n: int) -> None:
    """With a share u of pictures that one alone gets right, n of n agree once in 40 times: (1 - u) ** n = 1 / 40."""
    right = np.arange(n) % 3 == 0
    low, high = compared(right, right).interval
    assert (1 - high) ** n == pytest.approx(0.025, rel=1e-6)
    assert low == -high


@pytest.mark.parametrize("n", [1, 7, 500])
def test_pictures_that_one_alone_gets_right_all_do_not_prove_that_it_always_will(n: int) -> None:
    """A share u of others, once in 40 times unseen, may be the other one's: 1 - u against u."""
    low, high = compared(np.ones(n, bool), np.zeros(n, bool)).interval
    other = compared(np.zeros(n, bool), np.ones(n, bool)).interval
    u = (1 - low) / 2
    assert ((1 - u) ** n, high) == (pytest.approx(0.025, rel=1e-6), 1)
    assert other == (-high, -low)


def test_equal_classifiers_are_told_apart_in_5_percent_at_most() -> None:
    rng = np.random.default_rng(1)
    told = [compared(*(rng.random((2, 120)) < 0.7)).verdict != "not distinguishable" for _ in range(600)]
    assert np.mean(told) <= 0.05


def test_holm_s_p_of_a_worked_example() -> None:
    """0.01, 0.04, 0.03, 0.005 times 3, 1, 2, 4, none below a smaller one's."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(0, 1), max_size=12), st.floats(0.001, 0.2))
def test_holm_refuses_what_his_procedure_refuses(ps: list[float], alpha: float) -> None:
    """Step by step from the smallest p: reject while p * (tests left) <= alpha."""
    rejected = set()
    for place, i in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        if ps[i] * (len(ps) - place) > alpha:
            break
        rejected.add(i)
    assert {i for i, p in enumerate(holm(ps)) if p <= alpha} == rejected


def test_several_classifiers_are_compared_in_pairs_with_holm_s_p() -> None:
    rng = np.random.default_rng(2)
    rights = {name: rng.random(300) < share for name, share in (("a", 0.9), ("b", 0.8), ("c", 0.79))}
    got = compared_all(rights)
    assert list(got) == [("a", "b"), ("a", "c"), ("b", "c")]
    alone = [compared(rights[one], rights[other]) for one, other in got]
    assert [pair.p for pair in got.values()] == holm([pair.p for pair in alone])
    assert [pair.only_first for pair in got.values()] == [pair.only_first for pair in alone]
    assert min(pair.p for pair in got.values()) == pytest.approx(3 * min(pair.p for pair in alone))


def test_another_seed_draws_other_pictures() -> None:
    rng = np.random.default_rng(4)
    rights = rng.random((2, 333)) < 0.6
    assert compared(*rights, seed=0).interval == compared(*rights, seed=0).interval
    assert compared(*rights, seed=0).interval != compared(*rights, seed=1).interval


@pytest.mark.parametrize(("first", "second"), [(3, 4), (0, 0)])
def test_other_pictures_or_none_are_refused(first: int, second: int) -> None:
    with pytest.raises(
        UserError, match=f"compared on the same pictures, at least one, got {first} and {second}"
    ):
        compared(np.ones(first, bool), np.ones(second, bool))


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(UserError, match="counts of pictures must not be negative, got -1 and 2"):
        mcnemar(-1, 2)
