from collections import Counter
from fractions import Fraction
from hashlib import sha256
from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from neocog.data.split import stratified

Labels, Hashes = NDArray[np.int64], NDArray[np.uint8]
SHARES = st.sampled_from((0.05, 0.1, 0.2, 0.25, 0.5, 0.9))
SEEDS = st.integers(0, 2**32)


def hashes_of(contents: list[int]) -> Hashes:
    """The hash of each content, as of files that differ where the numbers do."""
    joined = b"".join(sha256(str(content).encode()).digest() for content in contents)
    return np.frombuffer(joined, np.uint8).reshape(-1, 32)


@st.composite
def distinct(draw: st.DrawFn) -> tuple[Labels, Hashes]:
    """Pictures of a few classes, no two of them alike."""
    labels = draw(st.lists(st.integers(0, 4), min_size=1, max_size=60))
    return np.array(labels), hashes_of(draw(st.permutations(range(len(labels)))))


@st.composite
def copied(draw: st.DrawFn) -> tuple[Labels, Hashes]:
    """Pictures of which some are copies of others in their class."""
    contents = draw(st.lists(st.integers(0, 20), min_size=1, max_size=60))
    return np.array([content % 3 for content in contents]), hashes_of(contents)


def share(n: int, fraction: float) -> int:
    """How many of `n` different pictures are to be held out: nearest to the share, one at least, never all."""
    return min(max(1, round(Fraction(fraction) * n)), n - 1)


@given(distinct(), SHARES, SEEDS)
def test_every_class_gives_its_share(pictures: tuple[Labels, Hashes], fraction: float, seed: int) -> None:
    labels, hashes = pictures
    given = Counter(labels[stratified(labels, hashes, fraction, seed)].tolist())
    assert given == {label: share(n, fraction) for label, n in Counter(labels.tolist()).items() if n > 1}


@given(copied(), SHARES, SEEDS)
def test_a_share_grows_through_copies_only_to_the_smallest_group_of_them(
    pictures: tuple[Labels, Hashes], fraction: float, seed: int
) -> None:
    labels, hashes = pictures
    given = Counter(labels[stratified(labels, hashes, fraction, seed)].tolist())
    for label, n in Counter(labels.tolist()).items():
        copies = Counter(row.tobytes() for row in hashes[labels == label])
        assert given[label] <= max(share(n, fraction), min(copies.values()))
        assert given[label] < n


@given(copied(), SHARES, SEEDS)
def test_copies_stay_together(pictures: tuple[Labels, Hashes], fraction: float, seed: int) -> None:
    labels, hashes = pictures
    held_out = stratified(labels, hashes, fraction, seed)
    sides = {(hashes[i].tobytes(), bool(held_out[i])) for i in range(len(labels))}
    assert len(sides) == len(np.unique(hashes, axis=0))


@given(copied(), SHARES, SEEDS)
def test_a_class_of_more_than_one_content_is_judged(
    pictures: tuple[Labels, Hashes], fraction: float, seed: int
) -> None:
    labels, hashes = pictures
    held_out = stratified(labels, hashes, fraction, seed)
    for label in np.unique(labels):
        of_class = labels == label
        copies = Counter(row.tobytes() for row in hashes[of_class])
        assert held_out[of_class].any() == (len(copies) > 1)


@given(copied(), SHARES, SEEDS, st.randoms(use_true_random=False))
def test_the_order_of_the_pictures_changes_nothing(
    pictures: tuple[Labels, Hashes], fraction: float, seed: int, random: Random
) -> None:
    labels, hashes = pictures
    order = np.array(random.sample(range(len(labels)), len(labels)))
    expected = stratified(labels, hashes, fraction, seed)[order]
    assert (stratified(labels[order], hashes[order], fraction, seed) == expected).all()


@given(distinct(), SHARES, SEEDS)
def test_the_numbers_of_the_classes_change_nothing(
    pictures: tuple[Labels, Hashes], fraction: float, seed: int
) -> None:
    labels, hashes = pictures
    expected = stratified(labels, hashes, fraction, seed)
    assert (stratified(9 - labels, hashes, fraction, seed) == expected).all()


@given(SEEDS)
def test_another_class_changes_nothing_in_this_one(seed: int) -> None:
    labels, hashes = np.arange(40) % 2, hashes_of(list(range(40)))
    alone = stratified(labels[labels == 1], hashes[labels == 1], 0.2, seed)
    assert (stratified(labels, hashes, 0.2, seed)[labels == 1] == alone).all()


def test_each_picture_is_held_out_by_its_share_of_the_seeds() -> None:
    labels, hashes = np.zeros(20, int), hashes_of(list(range(20)))
    drawn = np.mean([stratified(labels, hashes, 0.2, seed) for seed in range(1000)], axis=0)
    assert np.abs(drawn - 0.2).max() < 5 * np.sqrt(0.2 * 0.8 / 1000)  # five standard deviations


def test_a_picture_alone_in_its_class_always_trains() -> None:
    assert not stratified(np.arange(30), hashes_of(list(range(30))), 0.9, 0).any()


def test_a_class_of_copies_alone_always_trains() -> None:
    assert not stratified(np.zeros(9, int), hashes_of([7] * 9), 0.2, 0).any()


def test_a_class_of_many_copies_is_judged_by_its_smallest_group() -> None:
    """Fifteen pictures, but only three contents: a fifth of the class is less than any group."""
    contents = np.repeat(np.arange(3, dtype=np.uint8), [5, 4, 6])
    hashes = np.repeat(contents[:, None], 32, axis=1)
    held_out = stratified(np.zeros(15, dtype=np.int64), hashes, 0.2, seed=0)
    assert set(contents[held_out].tolist()) == {1}
    assert held_out.sum() == 4


def test_a_picture_under_two_labels_is_on_one_side() -> None:
    drawn = np.random.default_rng(0).integers(0, 256, (60, 32), dtype=np.uint8)
    hashes = np.concatenate([drawn[:20], drawn[:10], drawn[20:]])  # ten pictures lie in both classes
    labels = np.repeat([0, 1], [20, 50])
    held_out = stratified(labels, hashes, 0.3, seed=1)
    assert (held_out[:10] == held_out[20:30]).all()
    assert held_out[10:20].any()
    assert held_out[30:].any()
