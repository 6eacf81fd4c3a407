"""Label sets and subsets of classes against loops over single pictures."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from neocog.data.sources.names import class_names
from neocog.errors import UserError
from neocog.evaluation.metrics import topk
from neocog.evaluation.truth import (
    LabelSets,
    class_subset,
    label_sets,
    read_class_list,
    read_label_sets,
    restricted,
)

ANIMALS = ("cat", "dog", "fox", "owl")


@st.composite
def several_truths(draw: st.DrawFn) -> tuple[NDArray[np.float32], LabelSets]:
    """Probabilities (n, k), many of them equal, and for each picture any number of right classes."""
    n, classes = draw(st.integers(1, 25)), draw(st.integers(2, 8))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    levels = rng.integers(1, 5, (n, classes))
    rights = rng.random((n, classes)) < 0.25
    rights[0, 0] = True
    probabilities = (levels / levels.sum(axis=1, keepdims=True)).astype(np.float32)
    return probabilities, LabelSets(tuple(tuple(np.flatnonzero(row).tolist()) for row in rights))


@given(several_truths(), st.integers(1, 8))
def test_an_answer_is_right_where_any_of_its_first_k_is_in_the_set(
    case: tuple[NDArray[np.float32], LabelSets], k: int
) -> None:
    probabilities, truth = case
    k = min(k, probabilities.shape[1])
    expected = []
    for row, right in zip(probabilities.tolist(), truth.sets, strict=True):
        first = sorted(range(len(row)), key=lambda i: (-row[i], i))[:k]  # noqa: B023
        expected += [bool(set(first) & set(right))] if right else []
    labels = truth.labels(probabilities)
    assert truth.scored.tolist() == [bool(right) for right in truth.sets]
    assert truth.excluded == len(probabilities) - len(expected)
    assert (labels[~truth.scored] == -1).all()
    assert topk(probabilities[truth.scored], labels[truth.scored], k) == np.mean(expected)


def test_of_equally_probable_right_classes_the_first_is_the_label_in_whatever_order_they_are_named() -> None:
    assert LabelSets(((2, 0), (1, 2))).labels(np.full((2, 3), 1 / 3, np.float32)).tolist() == [0, 1]


def test_a_list_belongs_to_the_pictures_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "sets.json").write_text("[[1], [], [3, 0]]")
    got = read_label_sets(tmp_path / "sets.json", ["x.png", "a.png", "m.png"], ANIMALS)
    assert got == LabelSets(((1,), (), (0, 3)))


def test_a_list_belongs_to_ilsvrc_s_pictures_by_their_number() -> None:
    """In folders of classes they come in another order, and some may be missing."""
    pictures = ["n2/ILSVRC2012_val_00000003.JPEG", "n9/ILSVRC2012_val_00000001.JPEG"]
    assert label_sets([[0], [1], [2, 3]], pictures, ANIMALS).sets == ((2, 3), (0,))


def test_an_object_belongs_to_pictures_by_path_or_name(tmp_path: Path) -> None:
    stored = {"a.png": ["owl"], "b/c.png": ["fox", 0, "fox"], "elsewhere.png": [1]}
    (tmp_path / "sets.json").write_text(json.dumps(stored))
    got = read_label_sets(tmp_path / "sets.json", ["b/c.png", "b/a.png"], ANIMALS)
    assert got.sets == ((0, 2), (3,))


def test_a_class_may_be_named_by_its_wordnet_id() -> None:
    """Two classes each are called crane and maillot: published networks call the second ones otherwise."""
    names = ("goldfish", "crane", "crane bird", "maillot", "maillot tank suit", "n99999999")
    ids = ["n01443537", "n03126707", "n02012849", "n03710637", "n03710721", "n99999999"]
    assert [class_subset(names, [one]).tolist() for one in ids] == [[i] for i in range(6)]
    assert label_sets([["n02012849", "goldfish"]], ["a"], names).sets == ((0, 2),)


def test_a_class_called_by_a_number_is_found_before_the_one_at_that_place() -> None:
    """Sorted as text, ten comes before two."""
    digits = ("0", "1", "10", "2")
    assert class_subset(digits, ["10", 3]).tolist() == [2, 3]
    assert class_subset(digits, ["3"]).tolist() == [3]
    assert class_subset(digits, [2]).tolist() == [2]


def test_the_data_s_classes_are_the_model_s_by_name_and_never_by_number() -> None:
    digits = ("0", "1", "10", "2")
    assert class_subset(digits, ["2", "3", "1", "n01443537"], by_name=True).tolist() == [1, 3]
    with pytest.raises(
        UserError, match=r"share a class, none of the data's 2, such as '0', is one of the model's 4"
    ):
        class_subset(ANIMALS, ["0", "1"], by_name=True)


def ilsvrc() -> list[list[str]]:
    """WordNet id and name of its classes: ReaL, ImageNet-A and -R count them in the order of the ids."""
    return sorted(line.split(maxsplit=1) for line in class_names("ilsvrc-2012"))


@pytest.mark.parametrize("called", [0, 1])
def test_numbers_are_ilsvrc_s_where_the_model_has_its_classes_in_another_order(called: int) -> None:
    renamed = {"n02012849": "crane bird", "n03710721": "maillot tank suit"}
    names = [(wnid, renamed.get(wnid, name))[called] for wnid, name in ilsvrc()]
    model = tuple(sorted(names, reverse=True))
    assert model[0] != names[-1] or not called
    sets = label_sets([[0, 1], [999], ["388"]], ["a", "b", "c"], model).sets
    named = [{model[i] for i in right} for right in sets]
    assert named == [{names[0], names[1]}, {names[999]}, {names[388]}]
    assert names[388] in ("giant panda", "n02510455")
    assert [model[i] for i in class_subset(model, [388])] == [names[388]]


def test_numbers_are_places_among_the_model_s_where_its_classes_are_not_ilsvrc_s() -> None:
    names = tuple(reversed([name for _, name in ilsvrc()][:999]))
    assert label_sets([[0], [998]], ["a", "b"], names).sets == ((0,), (998,))


def test_a_class_called_by_an_id_is_found_before_ilsvrc_s() -> None:
    assert class_subset(("goldfish", "n01443537"), ["n01443537"]).tolist() == [1]


@given(st.integers(2, 9), st.integers(1, 20), st.integers(0, 2**32))
def test_answers_of_a_subset_are_those_with_the_other_columns_struck_out(k: int, n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(k), n).astype(np.float32)
    chosen = rng.permutation(k)[: rng.integers(1, k + 1)].tolist()
    columns = class_subset(tuple(map(str, range(k))), chosen)
    assert columns.tolist() == sorted(chosen)
    got = restricted(probabilities, columns)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got.sum(axis=1), 1, atol=1e-6)
    struck = np.where(np.isin(np.arange(k), chosen), probabilities, -1)
    assert (columns[got.argmax(axis=1)] == struck.argmax(axis=1)).all()
    pairs = got[:, :, None] * probabilities[:, None, columns]
    np.testing.assert_allclose(pairs, pairs.transpose(0, 2, 1), atol=1e-6)  # in the same proportions


def test_a_subset_without_any_probability_has_no_favourite() -> None:
    got = restricted(np.array([[1, 0, 0], [0, 0.5, 0.5]], np.float32), np.array([1, 2]))
    assert got.tolist() == [[0.5, 0.5], [0.5, 0.5]]


def test_a_list_of_classes_is_read(tmp_path: Path) -> None:
    (tmp_path / "some.txt").write_text("owl\n\n 2 \nn01443537\n")
    (tmp_path / "some.json").write_text('["owl", 2]')
    assert read_class_list(tmp_path / "some.txt") == ["owl", "2", "n01443537"]
    assert read_class_list(tmp_path / "some.json") == ["owl", 2]


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ([], "a subset of classes must name at least one, got none"),
        (["owl", "cat", 3], "a subset of classes must name each once, got 'owl' several times"),
        (["oul"], "unknown class 'oul'; did you mean owl?"),
        (["n01443537"], "unknown class 'n01443537'; there are cat, dog, fox, owl"),
        ([4], "a class's number must be below 4, the model's classes, got 4"),
        ([-1], "a class's number must be below 4, the model's classes, got -1"),
    ],
)
def test_a_subset_that_is_none_is_refused(chosen: list[int | str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        class_subset(ANIMALS, chosen)


@pytest.mark.parametrize(
    ("stored", "pictures", "said"),
    [
        ([[0]], ["a", "b"], "must have one for each picture, got 1 for 2; name the pictures"),
        ({"a": [0]}, ["a", "b/c"], "must name every picture, 1 of 2 are not named, such as c"),
        ([[], []], ["a", "b"], "must name a class for some picture, got 2 empty ones"),
        ([], [], "there must be a picture to score, got none"),
        ([[7]], ["a"], "a class's number must be below 4"),
        ([["goose"]], ["a"], "unknown class 'goose'"),
        (
            {"1.png": [0], "2.png": [1]},
            ["cat/1.png", "dog/1.png", "dog/2.png"],
            "must tell pictures apart, 1.png may be cat/1.png or dog/1.png: name pictures by their paths",
        ),
        ({"1.png": [0]}, ["1.png", "dog/1.png"], "1.png may be 1.png or dog/1.png"),
        ([[0]], ["ILSVRC2012_val_00000002.JPEG"] * 2, "got 1 for 2"),
    ],
)
def test_label_sets_that_fit_no_pictures_are_refused(stored: object, pictures: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        label_sets(stored, pictures, ANIMALS)


def test_pictures_of_one_name_are_told_apart_by_their_paths() -> None:
    stored = {"1.png": [2], "cat/1.png": [0]}
    assert label_sets(stored, ["cat/1.png", "dog/1.png"], ANIMALS).sets == ((0,), (2,))


@pytest.mark.parametrize("stored", ["3", "[1, 2]", '{"a": 1}', "[[true]]", "[[1.5]]", "[[[1]]]", "[null]"])
def test_files_that_hold_no_lists_are_refused(stored: str, tmp_path: Path) -> None:
    (tmp_path / "sets.json").write_text(stored)
    with pytest.raises(UserError, match=r"sets.json must hold lists of class numbers or names"):
        read_label_sets(tmp_path / "sets.json", ["a"], ANIMALS)


def test_files_that_are_no_json_or_not_there_are_refused(tmp_path: Path) -> None:
    (tmp_path / "sets.json").write_text("[1, 2")
    with pytest.raises(UserError, match=r"sets.json must be JSON, got something else: Expecting"):
        read_label_sets(tmp_path / "sets.json", ["a"], ANIMALS)
    for name in ("none.txt", "none.json"):
        with pytest.raises(UserError, match=f"^[^ ]*{name} cannot be read: No such file or directory$"):
            read_class_list(tmp_path / name)
    for name in ("odd.txt", "odd.json"):
        (tmp_path / name).write_bytes(b"\xff\xfe\x00")
        with pytest.raises(UserError, match=f"^[^ ]*{name} must be text in UTF-8, got byte 0xff$"):
            read_class_list(tmp_path / name)
    (tmp_path / "odd.json").write_text('{"a": 1}')
    with pytest.raises(UserError, match=r"odd.json must hold a list of class numbers or names"):
        read_class_list(tmp_path / "odd.json")


def test_sets_and_answers_must_belong_together() -> None:
    with pytest.raises(UserError, match="a set of labels for each picture, got 1 for 2"):
        LabelSets(((0,),)).labels(np.ones((2, 3), np.float32))
    with pytest.raises(UserError, match="must name the model's 3 classes, got class number 3"):
        LabelSets(((3,),)).labels(np.ones((1, 3), np.float32))
