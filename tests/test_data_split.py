import re
from collections import Counter
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import zoo
from neocog.data.dataset import Dataset
from neocog.data.divide import units_of
from neocog.data.reading import Reading
from neocog.data.samples import Files
from neocog.data.source import open_dataset
from neocog.data.split import Dealt, Wish, deal, grouped, groups_by, stratified, two_labels
from neocog.errors import UserError

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


def dataset(labels: list[int], parts: list[str] | None = None, names: list[str] | None = None) -> Dataset:
    n = len(labels)
    return Dataset(
        "data",
        Files(names or [f"{i}.png" for i in range(n)]),
        np.array(labels),
        tuple("abcde"),
        np.array(parts or [""] * n),
        columns={"patient": np.arange(n) // 3},
    )


def dealt(data: Dataset, contents: list[int], wish: Wish) -> Dealt:
    hashes = hashes_of(contents)
    return deal(data, hashes, units_of(hashes), wish)


def test_fractions_are_of_all_pictures() -> None:
    found = dealt(dataset([0] * 50 + [1] * 150), list(range(200)), Wish(val=0.2, test=0.1))
    assert Counter(found.parts[:50].tolist()) == {"train": 35, "val": 10, "test": 5}
    assert Counter(found.parts[50:].tolist()) == {"train": 105, "val": 30, "test": 15}
    assert (found.folds == -1).all()


def test_a_fifth_judges_where_nothing_is_said() -> None:
    found = dealt(dataset([0] * 50), list(range(50)), Wish())
    assert Counter(found.parts.tolist()) == {"train": 40, "val": 10}


def test_folds_divide_what_the_test_part_leaves() -> None:
    found = dealt(dataset([0] * 100), list(range(100)), Wish(test=0.1, folds=3))
    assert Counter(found.parts.tolist()) == {"train": 90, "test": 10}
    assert Counter(found.folds.tolist()) == {0: 30, 1: 30, 2: 30, -1: 10}
    assert ((found.folds == -1) == (found.parts == "test")).all()


def test_parts_of_the_data_are_kept_and_what_belongs_to_them_is_left_out() -> None:
    """Eight pictures of the train folder are copies of some in the test folder."""
    data = dataset([0] * 40, ["train"] * 30 + ["test"] * 10)
    found = dealt(data, [*range(30), *range(22, 32)], Wish(val=0.5))
    assert found.parts[30:].tolist() == ["test"] * 10
    assert found.parts[22:30].tolist() == [""] * 8
    assert found.torn == 8
    assert Counter(found.parts[:22].tolist()) == {"train": 11, "val": 11}


def test_data_with_every_part_keep_them() -> None:
    parts = ["train", "val", "test"] * 5
    assert dealt(dataset([0] * 15, parts), list(range(15)), Wish()).parts.tolist() == parts


@pytest.mark.parametrize(
    ("wish", "parts", "said"),
    [
        ({"val": 0.6, "test": 0.4}, [], "must leave pictures to train on"),
        ({"val": 1.0}, [], "val must be a share"),
        ({"test": -0.1}, [], "test must be a share"),
        ({"folds": 1}, [], "two folds or more"),
        ({"folds": 3, "val": 0.2}, [], "not both"),
        ({"val": 0.2}, ["train", "val"], "leave --val out"),
        ({"test": 0.2}, ["train", "test"], "leave --test out"),
        ({"folds": 3}, ["train", "val"], "without a val part"),
    ],
)
def test_wishes_that_cannot_be_are_refused(wish: dict[str, float], parts: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        dealt(dataset([0, 0], parts), [0, 1], Wish(**wish))  # type: ignore[arg-type]


def test_groups_come_from_a_column_or_a_path() -> None:
    data = dataset([0] * 4, names=["p07/a.png", "p07/b.png", "p8/c.png", "other.png"])
    assert groups_by(data, r"p(\d+)/").tolist() == ["07", "07", "8", ""]
    assert groups_by(data, "patient").tolist() == ["0", "0", "0", "1"]


def test_a_column_that_was_read_as_the_group_keeps_its_name(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("path,label,Patient_ID\na.png,x,p1\nb.png,y,p2\n")
    zoo.make(tmp_path, dict.fromkeys(("a.png", "b.png"), b"not read"))
    data = open_dataset(tmp_path / "t.csv", Reading())
    for key in ("group", "patient_id", "Patient_ID"):
        assert groups_by(data, key).tolist() == ["p1", "p2"]


@pytest.mark.parametrize(
    ("key", "said"),
    [("patients", "did you mean patient"), ("(", "regular expression"), (r"(\d+)x", "it matches none")],
)
def test_groups_that_cannot_be_are_refused(key: str, said: str) -> None:
    with pytest.raises(UserError, match=re.escape(said)):
        groups_by(dataset([0] * 4), key)


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 12)), min_size=2, max_size=60),
    SHARES,
    SEEDS,
    st.data(),
)
def test_no_group_and_no_copy_is_on_both_sides(
    pictures: list[tuple[int, int]], fraction: float, seed: int, data: st.DataObject
) -> None:
    """Also where a chain of copies and groups links pictures, whatever their order."""
    labels, groups = (np.array(column) for column in zip(*pictures, strict=True))
    contents = data.draw(st.lists(st.integers(0, 80), min_size=len(labels), max_size=len(labels)))
    names = np.where(groups == 0, "", groups.astype(str))
    held = grouped(labels, hashes_of(contents), names, fraction, seed)
    for values, none in ((names, ""), (np.array(contents), None)):
        for value in set(values.tolist()) - {none}:
            assert len(set(held[values == value].tolist())) == 1
    order = np.array(data.draw(st.permutations(range(len(labels)))))
    again = grouped(labels[order], hashes_of(contents)[order], names[order], fraction, seed)
    assert (again == held[order]).all()


def test_groups_of_equal_size_give_every_class_its_share() -> None:
    labels, groups = np.repeat([0, 1], 100), np.repeat(np.arange(40), 5).astype(str)
    held = grouped(labels, hashes_of(list(range(200))), groups, 0.2, 0)
    assert [int(held[labels == k].sum()) for k in (0, 1)] == [20, 20]


def test_of_groups_that_are_all_too_large_the_smallest_judges() -> None:
    """Two classes in groups of 6 and 4; a class of one group always trains."""
    labels = np.repeat([0, 1, 2], [10, 10, 3])
    groups = np.repeat(["a", "b", "c", "d", "e"], [6, 4, 6, 4, 3])
    held = grouped(labels, hashes_of(list(range(23))), groups, 0.05, 0)
    assert set(groups[held]) in ({"b"}, {"d"})
    assert held.sum() == 4


def test_pictures_under_two_labels_are_counted_once_each() -> None:
    contents, labels = [1, 1, 2, 2, 2, 3, 4, 4], np.array([0, 1, 0, 1, 2, 0, 1, 1])
    assert two_labels(labels, hashes_of(contents)) == 2
    assert two_labels(labels[:0], hashes_of([])) == 0
