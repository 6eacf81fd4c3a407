"""Laws of the draws of pictures per class."""

from __future__ import annotations

import hashlib
import re
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from neocog.errors import UserError
from neocog.evaluation.paired import mcnemar
from neocog.probing.differences import of_one_split, over_splits
from neocog.probing.protocols import PROTOCOLS, VTAB
from neocog.probing.splits import Division, Draw, drawn, first_of_each

NAMES = tuple("abcde")


def hashes_of(contents: list[int]) -> np.ndarray:
    return np.stack([np.frombuffer(hashlib.sha256(bytes([c])).digest(), np.uint8) for c in contents])


@st.composite
def pictures(draw: st.DrawFn) -> tuple[int, list[tuple[int, int]]]:
    """How many are asked for, and enough pictures of some classes: (class, content), some of them twice or in two."""
    count = draw(st.integers(1, 4))
    contents = st.lists(st.integers(0, 40), min_size=count + 1, max_size=20, unique=True)
    classes = draw(st.dictionaries(st.integers(0, 4), contents, min_size=1))
    rows = [(label, content) for label, those in classes.items() for content in those]
    rows += draw(st.lists(st.sampled_from(rows), max_size=8))
    return count, draw(st.permutations(rows))


@settings(max_examples=100, deadline=None)
@given(pictures(), st.none() | st.integers(1, 3), st.integers(0, 5))
def test_so_many_of_each_class_train_and_others_judge(
    given_: tuple[int, list[tuple[int, int]]], most: int | None, seed: int
) -> None:
    count, rows = given_
    labels, contents = (np.array(column) for column in zip(*rows, strict=True))
    draw = Draw(per_class=count, splits=3, most=most, seed=seed)
    found = drawn(labels, hashes_of(contents.tolist()), NAMES, draw)
    assert len(found) == 3
    for division in found:
        for label in np.unique(labels):
            trained = contents[division.train[labels[division.train] == label]]
            judged = contents[division.judge[labels[division.judge] == label]]
            assert len(trained) == len(set(trained)) == count
            assert len(judged) == len(set(judged))
            assert most is None or len(judged) <= most
        assert not set(contents[division.train]) & set(contents[division.judge])
        if most is None:  # all others judge: every content of a class that trains nowhere
            left = {(k, c) for k, c in rows if c not in set(contents[division.train])}
            assert {(int(labels[i]), int(contents[i])) for i in division.judge} == left


@settings(max_examples=50, deadline=None)
@given(pictures(), st.randoms(use_true_random=False))
def test_order_plays_no_part(given_: tuple[int, list[tuple[int, int]]], random) -> None:  # type: ignore[no-untyped-def]
    count, rows = given_
    mixed = list(rows)
    random.shuffle(mixed)

    def contents_of(given: list[tuple[int, int]]) -> list[list[list[tuple[int, int]]]]:
        labels, contents = (np.array(column) for column in zip(*given, strict=True))
        found = drawn(labels, hashes_of(contents.tolist()), NAMES, Draw(per_class=count, splits=2))
        return [
            [[(int(labels[i]), int(contents[i])) for i in side] for side in (one.train, one.judge)]
            for one in found
        ]

    assert contents_of(rows) == contents_of(mixed)


def wide(count: int = 40) -> tuple[np.ndarray, np.ndarray]:
    labels = np.repeat(np.arange(3), count)
    rng = np.random.default_rng(0)
    return labels, rng.integers(0, 256, (len(labels), 32), dtype=np.uint8)


def test_splits_and_seeds_differ_and_every_picture_has_its_turn() -> None:
    labels, hashes = wide()
    many = drawn(labels, hashes, NAMES, Draw(per_class=20, splits=60))
    times = np.bincount(np.concatenate([one.train for one in many]), minlength=120)
    # each is drawn with probability 1/2, 60 times: 30 +- 3.9
    assert times.min() > 12 and times.max() < 48
    other = drawn(labels, hashes, NAMES, Draw(per_class=20, splits=1, seed=1))[0]
    assert set(other.train) != set(many[0].train)


def test_fewer_pictures_of_a_draw_are_among_the_more() -> None:
    labels, hashes = wide()
    (one,) = drawn(labels, hashes, NAMES, Draw(per_class=20, splits=1))
    previous: set[int] = set()
    for count in (1, 2, 5, 20):
        train = first_of_each(one.train, labels, count)
        assert np.bincount(labels[train]).tolist() == [count] * 3
        assert previous <= set(train.tolist())
        previous = set(train.tolist())
    assert previous == set(one.train.tolist())


def test_a_part_of_its_own_judges_and_never_trains() -> None:
    labels, hashes = wide()
    judges = np.arange(120) % 4 == 0
    for division in drawn(labels, hashes, NAMES, Draw(per_class=30, splits=2, most=4), judges):
        assert not judges[division.train].any()
        assert judges[division.judge].all()
        assert np.bincount(labels[division.train]).tolist() == [30] * 3
        assert np.bincount(labels[division.judge]).tolist() == [4] * 3


def test_classes_with_too_few_pictures_are_named() -> None:
    labels, hashes = wide(10)
    kept = np.r_[0:10, 10:14, 20:27]
    with pytest.raises(
        UserError, match=r"needs 11 different pictures.*got 4 of b, 7 of c and|4 of b, 7 of c, 10 of a"
    ):
        drawn(labels[kept], hashes[kept], NAMES, Draw(per_class=10, splits=1))
    draw = Draw(per_class=10, splits=1, fewer=True)
    (found,) = drawn(labels[kept], hashes[kept], NAMES, draw)
    assert np.bincount(labels[kept][found.train]).tolist() == [9, 3, 6]  # one of each judges
    assert np.bincount(labels[kept][found.judge]).tolist() == [1, 1, 1]


@pytest.mark.parametrize("change", [{"per_class": 0}, {"splits": 0}, {"most": 0}])
def test_numbers_below_one_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(UserError, match="must be 1 or more, got 0"):
        Draw(**{"per_class": 1, "splits": 1, **change})


def test_divisions_are_rows() -> None:
    labels, hashes = wide(5)
    (found,) = drawn(labels, hashes, NAMES, Draw(per_class=2, splits=1))
    assert isinstance(found, Division)
    assert sorted([*found.train, *found.judge]) == list(range(15))


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 6), st.integers(2, 8), st.integers(0, 99))
def test_both_variances_are_those_of_t_tests(splits: int, pictures: int, seed: int) -> None:
    shares = np.random.default_rng(seed).normal(size=(splits, pictures)) / pictures
    found = over_splits(shares)
    by_split = stats.sem(shares.sum(axis=1))
    by_picture = stats.sem(pictures * shares.mean(axis=0))
    assert found.difference == pytest.approx(shares.sum() / splits)
    spread = np.hypot(by_split, by_picture)
    low, high = stats.t.interval(0.95, splits - 1, found.difference, spread)
    assert found.interval == pytest.approx((low, high))
    assert found.p == pytest.approx(2 * stats.t.sf(abs(found.difference) / spread, splits - 1))


def test_equal_classifiers_are_rarely_told_apart() -> None:
    """Splits have luck in common for all pictures, pictures for all splits: neither makes a difference real."""
    rng = np.random.default_rng(0)
    told = 0
    for _ in range(400):
        luck = rng.normal(0, 0.3, (5, 1)) + rng.normal(0, 0.5, (1, 200)) + rng.normal(0, 1, (5, 200))
        told += over_splits(np.clip(np.round(luck), -1, 1) / 200).p < 0.05
    assert 2 <= told <= 30  # 5 % are 20, with a deviation of 4.4; the test is a little too modest


def test_equal_figures_differ_by_nothing() -> None:
    equal = over_splits(np.zeros((3, 10)))
    assert equal.p == 1
    # ten pictures that show nothing of a share of more than 1 - 0.025 ** (1 / 10)
    assert equal.interval == pytest.approx((0.025**0.1 - 1, 1 - 0.025**0.1))
    assert over_splits(np.full((3, 8), 0.125)).p == 0
    with pytest.raises(UserError, match="two splits"):
        over_splits(np.zeros((1, 10)))


def test_the_numbers_of_the_papers() -> None:
    """Donahue and others 2014 sections 4.1 to 4.4, Saenko and others 2010, Zhai and others 2019."""
    golden = {
        "decaf-caltech101": (30, None, 5, 5, "balanced"),
        "decaf-sun397": (50, 50, 5, None, "top1"),
        "decaf-cub": (None, None, 1, None, "top1"),
        "office31": (3, None, 5, None, "top1"),
        "vtab1k": (None, None, 1, None, "top1"),
    }
    assert {
        name: (p.per_class, p.most, p.splits, p.validation, p.figure) for name, p in PROTOCOLS.items()
    } == golden
    assert PROTOCOLS["decaf-cub"].box == 1.5
    # what the lecture's page says of the same tables
    page = (Path(__file__).parents[1] / "docs" / "lecture" / "decaf.md").read_text("utf-8")
    for name, table in (
        ("decaf-caltech101", "caltech"),
        ("office31", "office"),
        ("decaf-cub", "birds"),
        ("decaf-sun397", "scenes"),
    ):
        (line,) = re.findall(rf"^ *{table} .*(all pictures|mean of classes)", page, re.MULTILINE)
        assert PROTOCOLS[name].figure == {"all pictures": "top1", "mean of classes": "balanced"}[line]
    assert PROTOCOLS["vtab1k"].sizes == (800, 200)
    assert [len(VTAB[group]) for group in ("natural", "specialized", "structured")] == [7, 4, 8]


@pytest.mark.parametrize(("won", "weights"), [
    ([1, 1, 1, -1, 0, 1, 1, -1, 1], [1, 1, 1, 1, 1, 2, 2, 2, 5]),
    ([1, -1, 0, 0, 1], [1, 2, 3, 3, 7]),
    ([1, 1, 1, 1, 1, 1, 1, -1], [3, 3, 3, 3, 3, 3, 3, 1]),
])  # fmt: skip
def test_one_split_is_tested_by_all_signs_of_its_differences(won: list[int], weights: list[int]) -> None:
    shares = np.array(won) * np.array(weights) / sum(weights)
    signs = np.array(list(product((-1, 1), repeat=len(won))))
    p = (np.abs(signs @ np.abs(shares)) >= abs(shares.sum()) - 1e-12).mean()
    found = of_one_split(np.array(won, float), np.array(weights) / sum(weights))
    assert found.difference == pytest.approx(shares.sum())
    assert found.p == pytest.approx(p, abs=0.006)


def test_where_all_pictures_count_the_same_the_test_is_mcnemars() -> None:
    won = np.repeat([1.0, -1.0, 0.0], [21, 9, 170])
    found = of_one_split(won, np.full(200, 1 / 200))
    assert found.p == pytest.approx(mcnemar(21, 9), abs=0.004)
    # Efron's standard error of a mean difference
    half = 1.96 * won.std() / np.sqrt(200)
    assert found.interval == pytest.approx((0.06 - half, 0.06 + half), abs=0.006)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_pictures_that_are_all_alike_leave_room_for_others(value: float) -> None:
    found = of_one_split(np.full(20, value), np.full(20, 1 / 20))
    low, high = found.interval
    assert low < value <= high
    assert high == (1 if value else -low)
    # twenty draws that show nothing of a share of more than 1 - 0.025 ** (1 / 20)
    assert ((1 - low) / 2 if value else -low) == pytest.approx(1 - 0.025 ** (1 / 20))
