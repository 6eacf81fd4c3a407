"""What classes count by their sizes, against scikit-learn; and files that say it, as people write them, with faults."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight

from neocog.errors import UserError
from neocog.training.objective.class_weights import class_weights_from, weights_of
from neocog.training.recipes.recipe import Recipe

CLASSES = ["cat", "dog", "owl, snowy"]
COUNTS = np.array([50, 30, 15, 5])
LABELS = np.repeat(np.arange(4), COUNTS)


def test_auto_is_scikit_learns_balanced_and_both_have_mean_1_over_the_pictures() -> None:
    auto = weights_of(Recipe(class_weights="auto"), 4, COUNTS)
    root = weights_of(Recipe(class_weights="sqrt"), 4, COUNTS)
    assert auto is not None and root is not None
    balanced = compute_class_weight("balanced", classes=np.arange(4), y=LABELS)
    np.testing.assert_allclose(auto, balanced)
    assert compute_sample_weight("balanced", LABELS).mean() == pytest.approx(auto[LABELS].mean()) == 1
    np.testing.assert_allclose(root / root[0], np.sqrt(balanced / balanced[0]))
    assert root[LABELS].mean() == pytest.approx(1)
    assert weights_of(Recipe(), 4, COUNTS) is None


def test_a_class_without_pictures_counts_1_and_the_others_as_without_it() -> None:
    for kind in ("auto", "sqrt"):
        found = weights_of(Recipe(class_weights=kind), 5, np.array([50, 30, 0, 15, 5]))
        without = weights_of(Recipe(class_weights=kind), 4, COUNTS)
        assert found is not None and without is not None
        np.testing.assert_allclose(np.delete(found, 2), without)
        assert found[2] == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("weights.csv", 'cat,1\ndog,2.5\n"owl, snowy",0.5\n'),
        ("weights.csv", '\ufeffclass,weight\r\n"owl, snowy", 0.5\r\ncat,1\r\ndog,2.5\r\n'),
        ("weights.JSON", '{"dog": 2.5, "owl, snowy": "0.5", "cat": 1}'),
    ],
)
def test_files_are_read_in_the_order_of_the_classes(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, "utf-8")
    assert class_weights_from(tmp_path / name, CLASSES) == (1.0, 2.5, 0.5)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("w.csv", "cat,1\ndgo,2\n", "unknown class 'dgo'; did you mean dog"),
        ("w.csv", "cat,1\ndog,2\n", "'owl, snowy' has none; add it"),
        ("w.csv", "cat,1\ncat,2\n", "'cat' has two"),
        ("w.json", '{"cat": 1, "cat": 2}', "'cat' has two"),
        ("w.csv", "dog,1\ncat,many\n", "weight of 'cat' must be a number above 0, got 'many'"),
        ("w.csv", "cat,many\ndog,1\n", "weight of 'cat' must be a number above 0, got 'many'"),
        ("w.csv", "cat,-1\n", "got '-1'"),
        ("w.csv", "cat,nan\n", "got 'nan'"),
        ("w.json", '{"cat": true}', "got True"),
        ("w.json", '{"cat": [1]}', r"got \[1\]"),
        ("w.json", "[1, 2, 3]", "must be one object"),
        ("w.json", "{cat: 1}", "cannot read the class weights"),
        ("w.csv", "cat;1\n", "each line must be a class and a weight, got 'cat;1'"),
        ("w.csv", "", "'cat' has none"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, name: str, text: str, words: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=words):
        class_weights_from(tmp_path / name, CLASSES)


def test_a_file_that_is_not_there_or_not_text_is_said(tmp_path: Path) -> None:
    (tmp_path / "w.csv").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "none.csv", tmp_path / "w.csv", tmp_path):
        with pytest.raises(UserError, match="cannot read the class weights"):
            class_weights_from(path, CLASSES)
