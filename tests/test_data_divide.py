"""Pictures dealt out to parts: laws, and its quality beside scikit-learn's and the paper's own algorithm."""

from fractions import Fraction
from hashlib import sha256
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from neocog.data.divide import class_table, divide, units_of
from reference.iterative import iterative, labels_distribution

Ints, Hashes = NDArray[np.int64], NDArray[np.uint8]
WEIGHTS = st.sampled_from([(4, 1), (7, 2, 1), (1, 1, 1, 1, 1), (1, 1), (98, 1, 1), (1, 3, 2)])
SEEDS = st.integers(0, 2**32)


def hashes_of(contents: list[int]) -> Hashes:
    joined = b"".join(sha256(str(content).encode()).digest() for content in contents)
    return np.frombuffer(joined, np.uint8).reshape(-1, 32)


def divided(labels: Ints, hashes: Hashes, unit: Ints, weights: tuple[int, ...], seed: int) -> Ints:
    return divide(class_table(labels, None, int(labels.max()) + 1), hashes, unit, weights, seed)


@st.composite
def single(draw: st.DrawFn) -> tuple[Ints, Hashes]:
    """Pictures of a few classes, some without any, no two alike."""
    labels = draw(st.lists(st.integers(-1, 4), min_size=1, max_size=80).filter(lambda found: max(found) >= 0))
    return np.array(labels), hashes_of(draw(st.permutations(range(len(labels)))))


@st.composite
def grouped(draw: st.DrawFn) -> tuple[Ints, Hashes, list[Ints | NDArray[np.str_]]]:
    """Pictures with copies among them, and two groupings that overlap."""
    n = draw(st.integers(1, 40))

    def numbers(most: int) -> list[int]:
        return draw(st.lists(st.integers(-1, most), min_size=n, max_size=n))

    names = np.array(["" if number < 0 else f"patient {number}" for number in numbers(9)])
    return np.array(numbers(3)), hashes_of(numbers(30)), [np.array(numbers(9)), names]


def same_unit(hashes: Hashes, groupings: list[Ints | NDArray[np.str_]]) -> NDArray[np.bool_]:
    """(n, n): whether two pictures are linked through any chain of copies and groups, by closing the relation."""
    linked = (hashes[:, None] == hashes[None]).all(axis=-1)
    for values in groupings:
        there = values != "" if values.dtype.kind == "U" else values >= 0
        linked |= (values[:, None] == values[None]) & there[:, None] & there[None]
    for k in range(len(hashes)):
        linked |= linked[:, k, None] & linked[None, k]
    return linked


@given(grouped())
def test_units_are_what_chains_of_copies_and_groups_link(
    pictures: tuple[Ints, Hashes, list[Ints | NDArray[np.str_]]],
) -> None:
    _, hashes, groupings = pictures
    unit = units_of(hashes, groupings)
    assert ((unit[:, None] == unit[None]) == same_unit(hashes, groupings)).all()
    least = [min(hashes[i].tobytes() for i in np.flatnonzero(unit == u)) for u in range(unit.max() + 1)]
    assert least == sorted(least)


@given(grouped(), WEIGHTS, SEEDS)
def test_no_unit_is_torn(
    pictures: tuple[Ints, Hashes, list[Ints | NDArray[np.str_]]], weights: tuple[int, ...], seed: int
) -> None:
    labels, hashes, groupings = pictures
    parts = divided(np.maximum(labels, 0), hashes, units_of(hashes, groupings), weights, seed)
    together = same_unit(hashes, groupings)
    assert (parts[:, None] == parts[None])[together].all()
    assert set(parts.tolist()) <= set(range(len(weights)))


@given(single(), WEIGHTS, SEEDS)
def test_every_part_has_its_share_of_a_class_to_less_than_a_picture(
    pictures: tuple[Ints, Hashes], weights: tuple[int, ...], seed: int
) -> None:
    labels, hashes = pictures
    parts = divided(labels, hashes, units_of(hashes), weights, seed)
    for label in np.unique(labels):
        n = int((labels == label).sum())
        wanted = [Fraction(w, sum(weights)) * n for w in weights]
        given = np.bincount(parts[labels == label], minlength=len(weights)).tolist()
        if n >= len(weights):
            assert min(given) >= 1
        if n < len(weights) or min(wanted) >= 1:
            assert all(abs(a - b) < 1 for a, b in zip(given, wanted, strict=True))


@given(grouped(), WEIGHTS, SEEDS, st.randoms(use_true_random=False))
def test_neither_order_nor_names_change_anything(
    pictures: tuple[Ints, Hashes, list[Ints | NDArray[np.str_]]],
    weights: tuple[int, ...],
    seed: int,
    random: Random,
) -> None:
    """The pictures in another order, the classes under other numbers, the groups under other names."""
    labels, hashes, (numbers, names) = pictures
    labels = np.maximum(labels, 0)
    expected = divided(labels, hashes, units_of(hashes, [numbers, names]), weights, seed)
    order = np.array(random.sample(range(len(labels)), len(labels)))
    classes = np.array(random.sample(range(7), 7))
    renamed = np.array([f"person {'zyxwvutsrq'[int(name[8:])]}" if name else "" for name in names])
    other = np.where(numbers >= 0, 50 - numbers, -5)
    found = divided(
        classes[labels][order],
        hashes[order],
        units_of(hashes[order], [renamed[order], other[order]]),
        weights,
        seed,
    )
    assert (found == expected[order]).all()


@given(SEEDS, st.randoms(use_true_random=False))
def test_the_order_changes_nothing_where_pictures_show_several_classes(seed: int, random: Random) -> None:
    targets = np.random.default_rng(seed).random((50, 6)) < 0.2
    hashes = hashes_of(list(range(50)))
    order = np.array(random.sample(range(50), 50))
    classes = np.array(random.sample(range(6), 6))

    def parts(targets: NDArray[np.bool_], hashes: Hashes) -> Ints:
        table = class_table(np.full(50, -1), targets, 6)
        return divide(table, hashes, units_of(hashes), (3, 1, 1), seed)

    assert (parts(targets[order][:, classes], hashes[order]) == parts(targets, hashes)[order]).all()


def test_roundings_of_many_classes_do_not_add_up() -> None:
    """A hundred classes of twelve: each is one picture or two of a tenth, together they are a tenth."""
    labels, hashes = np.repeat(np.arange(100), 12), hashes_of(list(range(1200)))
    for seed in range(3):
        parts = divided(labels, hashes, units_of(hashes), (7, 2, 1), seed)
        assert np.abs(np.bincount(parts) - [840, 240, 120]).max() <= 2


def test_each_picture_comes_into_each_part_by_its_share_of_the_seeds() -> None:
    labels, hashes = np.zeros(20, int), hashes_of(list(range(20)))
    unit = units_of(hashes)
    drawn = np.array([divided(labels, hashes, unit, (3, 1, 1), seed) for seed in range(1000)])
    for part, share in enumerate((0.6, 0.2, 0.2)):
        off = np.abs((drawn == part).mean(axis=0) - share)
        assert off.max() < 5 * np.sqrt(share * (1 - share) / 1000)  # five standard deviations


def test_the_draw_is_the_same_on_every_machine() -> None:
    """Written down once; SHA-256 and whole numbers give the same anywhere."""
    labels, hashes = np.arange(20) % 3, hashes_of(list(range(20)))
    drawn = divided(labels, hashes, units_of(hashes), (3, 1, 1), 0)
    assert "".join(map(str, drawn)) == "20102000000011212000"


def unevenness(labels: Ints, folds: Ints) -> float:
    """Mean difference between a fold's share of a class and a fifth."""
    shares = [
        np.bincount(folds[labels == label], minlength=5) / (labels == label).sum() for label in set(labels)
    ]
    return float(np.abs(np.array(shares) - 0.2).mean())


@pytest.mark.parametrize(("n", "classes", "groups"), [(1000, 5, 75), (1000, 20, 200), (600, 3, 30)])
def test_groups_are_as_balanced_as_scikit_learns(n: int, classes: int, groups: int) -> None:
    rng = np.random.default_rng(0)
    ours, theirs = [], []
    for _ in range(6):
        group = np.sort(rng.integers(0, groups, n))
        taste = rng.dirichlet(np.ones(classes) / 2, groups)  # groups prefer some classes
        labels = np.array([rng.choice(classes, p=taste[g]) for g in group])
        hashes = hashes_of(list(range(n)))
        ours.append(unevenness(labels, divided(labels, hashes, units_of(hashes, [group]), (1,) * 5, 0)))
        folds = np.zeros(n, int)
        split = StratifiedGroupKFold(5, shuffle=True, random_state=0).split(labels, labels, group)
        for fold, (_, judged) in enumerate(split):
            folds[judged] = fold
        theirs.append(unevenness(labels, folds))
    assert np.mean(ours) < 1.1 * np.mean(theirs)


@pytest.mark.parametrize("weights", [(1, 1, 1, 1, 1), (7, 2, 1)])
def test_several_classes_per_picture_are_as_balanced_as_by_the_papers_algorithm(
    weights: tuple[int, ...],
) -> None:
    rng = np.random.default_rng(1)
    shares, n = [weight / sum(weights) for weight in weights], len(weights)
    ours, paper, chance = [], [], []
    for trial in range(4):
        targets = rng.random((300, 12)) < rng.uniform(0.02, 0.3, 12)
        hashes = hashes_of(list(range(300)))
        table = class_table(np.full(300, -1), targets, 12)
        parts = divide(table, hashes, units_of(hashes), weights, trial)
        ours.append(labels_distribution(targets, parts, n))
        paper.append(labels_distribution(targets, iterative(targets, shares, Random(trial)), n))
        chance.append(labels_distribution(targets, rng.choice(n, 300, p=shares), n))
        assert np.abs(np.bincount(parts) - 300 * np.array(shares)).max() < 1
    assert np.mean(ours) < 1.05 * np.mean(paper)
    assert np.mean(ours) < 0.5 * np.mean(chance)
