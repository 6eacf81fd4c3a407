"""WebDataset shards."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import trees
from neocog.data.dataset import Dataset
from neocog.data.source import open_dataset
from neocog.data.sources.shards import expand
from neocog.errors import UserError


def samples(*numbers: int, label: str = "cls", classes: int = 3) -> list[tuple[str, bytes]]:
    """Pictures 00000i.jpg with their labels, i modulo `classes`."""
    made = []
    for i in numbers:
        text = str(i % classes).encode()
        made.append((f"{i:06d}.jpg", trees.picture(str(i))))
        made.append(
            (f"{i:06d}.{label}", json.dumps({"label": i % classes}).encode() if label == "json" else text)
        )
    return made


def listed(dataset: Dataset) -> list[tuple[str, str, str]]:
    return [
        (dataset.short_name(i), dataset.classes[dataset.labels[i]], str(dataset.parts[i]))
        for i in range(len(dataset))
    ]


@pytest.mark.parametrize("label", ["cls", "txt", "json"])
def test_a_folder_of_shards_is_read_in_their_order(tmp_path: Path, label: str) -> None:
    trees.shard(tmp_path / "data-10.tar", samples(5, 4, label=label))
    trees.shard(tmp_path / "data-2.tar", samples(1, 2, 3, label=label))
    dataset = open_dataset(tmp_path)
    assert listed(dataset) == [
        ("data-2.tar/000001.jpg", "1", ""),
        ("data-2.tar/000002.jpg", "2", ""),
        ("data-2.tar/000003.jpg", "0", ""),
        ("data-10.tar/000005.jpg", "2", ""),
        ("data-10.tar/000004.jpg", "1", ""),
    ]
    assert [dataset.samples.read(i) for i in range(5)] == [trees.picture(i) for i in "12354"]


def test_parts_are_told_by_the_shards_names(tmp_path: Path) -> None:
    trees.shard(tmp_path / "x-train-00.tar", samples(0, 1))
    trees.shard(tmp_path / "x-validation-00.tar", samples(2))
    trees.shard(tmp_path / "test" / "00.tar", samples(3))
    assert [(name, part) for name, _, part in listed(open_dataset(tmp_path))] == [
        ("test/00.tar/000003.jpg", "test"),
        ("x-train-00.tar/000000.jpg", "train"),
        ("x-train-00.tar/000001.jpg", "train"),
        ("x-validation-00.tar/000002.jpg", "val"),
    ]


@pytest.mark.parametrize(
    ("pattern", "count"),
    [("train-{000..002}.tar", 3), ("train-{000,002}.tar", 2), ("train-*.tar", 4), ("train-00[0-1].tar", 2)],
)
def test_a_pattern_stands_for_its_shards(tmp_path: Path, pattern: str, count: int) -> None:
    for i in range(4):
        trees.shard(tmp_path / f"train-{i:03d}.tar", samples(i))
    assert len(open_dataset(str(tmp_path / pattern))) == count


@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 5))
def test_braces_count_as_a_shell_counts(first: int, more: int, width: int) -> None:
    found = expand(f"a/x-{{{first:0{width}d}..{first + more:0{width}d}}}.tar")
    assert found == [f"a/x-{i:0{max(width, len(str(first)))}d}.tar" for i in range(first, first + more + 1)]


def test_a_shard_missing_from_a_pattern_is_told(tmp_path: Path) -> None:
    trees.shard(tmp_path / "x-0.tar", samples(0))
    with pytest.raises(UserError, match=r"x-1\.tar does not exist"):
        open_dataset(str(tmp_path / "x-{0..1}.tar"))
    with pytest.raises(UserError, match=r"y-\*\.tar does not exist"):
        open_dataset(str(tmp_path / "y-*.tar"))


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("classes.txt", "ant\nbee\ncow\n"),
        ("classnames.txt", "ant\nbee\ncow\n"),
        ("classes.json", '["ant", "bee", "cow"]'),
        ("classes.json", '{"0": "ant", "2": "cow", "1": "bee"}'),
        ("classes.json", '{"bee": 1, "ant": 0, "cow": 2}'),
    ],
)
def test_numbers_are_named_by_the_file_beside(tmp_path: Path, file: str, text: str) -> None:
    trees.shard(tmp_path / "0.tar", samples(2, 0))
    (tmp_path / file).write_text(text)
    dataset = open_dataset(tmp_path)
    assert (dataset.classes, dataset.labels.tolist()) == (("ant", "bee", "cow"), [2, 0])


def test_words_as_labels_are_classes_in_natural_order(tmp_path: Path) -> None:
    made = [
        (f"{i}.{kind}", data)
        for i, word in enumerate([b"dog\n", b"ant", b"dog"])
        for kind, data in (("cls", word), ("PNG", trees.picture(str(i))))
    ]
    dataset = open_dataset(trees.shard(tmp_path / "0.tar", made))
    assert (dataset.classes, dataset.labels.tolist()) == (("ant", "dog"), [1, 0, 1])


def test_the_first_dot_of_the_last_part_divides_key_and_suffix(tmp_path: Path) -> None:
    made = [
        ("a.b/x.jpg", trees.picture("x")),
        ("a.b/x.seg.png", b"mask"),
        ("a.b/x.cls", b"7"),
        ("a.b/y.cls", b"8"),
        ("a.b/y.webp", trees.picture("y")),
        ("a.b/y.txt", b"a caption\nof two lines"),
    ]
    dataset = open_dataset(trees.shard(tmp_path / "0.tar", made))
    assert listed(dataset) == [("0.tar/a.b/x.jpg", "7", ""), ("0.tar/a.b/y.webp", "8", "")]


def test_pictures_without_a_label_have_none(tmp_path: Path) -> None:
    made = [*samples(1), ("lonely.jpg", trees.picture("lonely")), ("only.cls", b"1")]
    dataset = open_dataset(trees.shard(tmp_path / "0.tar", made))
    assert dataset.labels.tolist() == [0, -1]


def test_a_tar_of_class_folders_is_no_shard(tmp_path: Path) -> None:
    path = trees.shard(tmp_path / "x.tar", [("a/1.jpg", trees.picture("1")), ("b/2.jpg", trees.picture("2"))])
    assert open_dataset(path).classes == ("a", "b")


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ([("1.jpg", b"x"), ("1.cls", b"")], "0.tar, 1.cls must be one line, a label, got ''"),
        ([("1.jpg", b"x"), ("1.cls", b"\xff\xfe")], "0.tar, 1.cls is no label"),
        ([("1.jpg", b"x"), ("1.json", b'{"caption": "a"}')], "0.tar, 1.json must have a field label"),
        ([("1.jpg", b"x"), ("1.json", b"{")], "0.tar, 1.json is no label"),
        ([("1.jpg", b"x"), ("1.jpg", b"y"), ("1.cls", b"1")], "must have its own suffix, 1 has two .jpg"),
        ([("1.jpg", b"x"), ("1.png", b"y"), ("1.cls", b"1")], "a sample must have one picture, 1 has 2"),
    ],
)
def test_a_sample_that_is_none_is_refused_with_its_place(
    tmp_path: Path, made: list[tuple[str, bytes]], message: str
) -> None:
    trees.shard(tmp_path / "0.tar", made)
    with pytest.raises(UserError, match=message):
        open_dataset(tmp_path)


def test_labels_beyond_the_names_are_refused(tmp_path: Path) -> None:
    trees.shard(tmp_path / "0.tar", samples(0, 2))
    (tmp_path / "classes.txt").write_text("ant\nbee\n")
    with pytest.raises(UserError, match="each label must be below 2, the names of .*, got 2"):
        open_dataset(tmp_path)
    (tmp_path / "classes.txt").unlink()
    (tmp_path / "classes.json").write_text('{"ant": 0, "bee": 2}')
    with pytest.raises(UserError, match="classes.json must hold class names: the numbers must run from 0"):
        open_dataset(tmp_path)


def test_a_shard_cut_anywhere_is_told_with_its_name(tmp_path: Path) -> None:
    whole = trees.shard(tmp_path / "data-0.tar", samples(0, 1, 2)).read_bytes()
    trees.shard(tmp_path / "data-1.tar", samples(3, 4))
    end = len(whole) - len(whole.rstrip(b"\0"))
    for cut in range(600, len(whole) - end, 509):
        (tmp_path / "data-0.tar").write_bytes(whole[:cut])
        with pytest.raises(UserError, match=r"data-0\.tar .*(cut short|makes no sense)"):
            open_dataset(tmp_path)


def test_the_index_takes_flat_memory(tmp_path: Path) -> None:
    trees.shard(tmp_path / "0.tar", samples(*range(200)))
    place = open_dataset(tmp_path).samples._several[0]  # type: ignore[attr-defined]
    held = [value for value in vars(place).values() if isinstance(value, np.ndarray | list | dict)]
    assert sum(value.nbytes for value in held) == 200 * 2 * 8
    assert (tmp_path / "0.tar").stat().st_size > 100_000
