import csv
import os
import unicodedata
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sklearn.datasets import load_digits

import neocog.data.builtin
import trees
import zoo
from neocog.data.dataset import labelled
from neocog.data.source import list_pictures, open_dataset
from neocog.data.sources.folders import ignored_files, pictures_below
from neocog.data.sources.tree import natural
from neocog.errors import UserError

PICTURE = zoo.good()["one-pixel.png"]


def tree(root: Path, *places: str) -> Path:
    """Write a picture at each place below `root`; a text where the name ends in .txt."""
    for place in places:
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"text" if place.endswith(".txt") else PICTURE)
    return root


def short_names(data: str | Path) -> list[str]:
    dataset = open_dataset(data)
    return [dataset.short_name(i) for i in range(len(dataset))]


def test_numbered_classes_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    tree(tmp_path, *(f"{n}/a.png" for n in (10, 0, 2, 11, 1)))
    assert open_dataset(tmp_path).classes == ("0", "1", "2", "10", "11")


def test_named_classes_come_in_alphabetical_order_whatever_their_case(tmp_path: Path) -> None:
    tree(tmp_path, *(f"{name}/a.png" for name in ("Zebra", "cat", "ant", "Dog")))
    assert open_dataset(tmp_path).classes == ("ant", "cat", "Dog", "Zebra")


def test_a_bare_name_comes_before_the_same_name_with_a_number() -> None:
    assert sorted(["img10", "img", "img0", "img2b", "img2"], key=natural) == [
        "img",
        "img0",
        "img2",
        "img2b",
        "img10",
    ]


@given(st.lists(st.text(min_size=1, max_size=6) | st.text("ab0129", max_size=5)))
def test_natural_order_does_not_depend_on_the_order_given(names: list[str]) -> None:
    shuffled = names.copy()
    Random(0).shuffle(shuffled)
    assert sorted(shuffled, key=natural) == sorted(names, key=natural)


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_natural_order_of_numbers_is_their_order(one: int, other: int) -> None:
    assert (natural(f"x{one}.jpg") < natural(f"x{other}.jpg")) == (one < other)


def test_each_picture_bears_the_label_of_its_folder(tmp_path: Path) -> None:
    tree(tmp_path, "b/2.png", "a/1.png", "b/10.png")
    dataset = open_dataset(tmp_path)
    named = [(dataset.short_name(i), dataset.classes[dataset.labels[i]]) for i in range(len(dataset))]
    assert named == [("a/1.png", "a"), ("b/2.png", "b"), ("b/10.png", "b")]


def test_a_data_set_is_called_like_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree(tmp_path / "pets", "cat/a.png"))
    assert open_dataset(".").name == "pets"


def test_train_val_and_test_folders_are_parts_and_no_classes(tmp_path: Path) -> None:
    tree(tmp_path, "Validation/b/v.png", "test/a/t.png", "train/a/1.png", "train/b/2.png")
    dataset = open_dataset(tmp_path)
    assert dataset.classes == ("a", "b")
    assert dataset.parts.tolist() == ["train", "train", "val", "test"]
    assert dataset.labels.tolist() == [0, 1, 1, 0]
    assert short_names(tmp_path) == ["train/a/1.png", "train/b/2.png", "Validation/b/v.png", "test/a/t.png"]


def test_a_class_only_in_val_is_a_class_too(tmp_path: Path) -> None:
    tree(tmp_path, "train/b/1.png", "val/a/2.png")
    assert open_dataset(tmp_path).classes == ("a", "b")


def test_pictures_without_part_folders_are_in_no_part(tmp_path: Path) -> None:
    assert open_dataset(tree(tmp_path, "a/1.png")).parts.tolist() == [""]


def test_a_class_called_train_is_a_class(tmp_path: Path) -> None:
    tree(tmp_path, "bus/1.png", "train/1.png", "tram/1.png")
    assert open_dataset(tmp_path).classes == ("bus", "train", "tram")


@pytest.mark.parametrize("places", [("train/1.png",), ("train/1.png", "test/1.png"), ("2.png", "Val/1.png")])
def test_part_folders_that_hold_pictures_only_say_nothing_of_their_classes(
    tmp_path: Path, places: tuple[str, ...]
) -> None:
    dataset = open_dataset(tree(tmp_path, *places))
    assert (dataset.classes, set(dataset.labels.tolist())) == ((), {-1})
    part = {"train/1.png": "train", "test/1.png": "test", "Val/1.png": "val", "2.png": ""}
    assert dataset.parts.tolist() == [part[name] for name in short_names(tmp_path)]
    with pytest.raises(UserError, match="sort the pictures into one folder per class"):
        labelled(dataset)


def test_folders_without_pictures_may_lie_beside_train(tmp_path: Path) -> None:
    tree(tmp_path, "train/a/1.png", "docs/notes.txt", "logs/x/notes.txt")
    assert short_names(tmp_path) == ["train/a/1.png"]
    tree(tmp_path, "docs/plan.png")
    with pytest.raises(UserError, match="got docs; move it elsewhere"):
        open_dataset(tmp_path)


def test_part_folders_without_train_are_refused(tmp_path: Path) -> None:
    tree(tmp_path, "val/a/1.png", "test/a/1.png")
    with pytest.raises(UserError, match="no train folder, only test, val; add one"):
        open_dataset(tmp_path)


def test_hidden_files_and_folders_are_passed_over(tmp_path: Path) -> None:
    tree(
        tmp_path,
        "a/1.png",
        "a/.2.png",
        "a/.thumbs/3.png",
        ".git/x/4.png",
        "__MACOSX/a/5.png",
        "a/__MACOSX/6.png",
    )
    assert short_names(tmp_path) == ["a/1.png"]


def test_pictures_in_nested_folders_belong_to_the_uppermost(tmp_path: Path) -> None:
    tree(tmp_path, "a/2019/june/1.png", "a/2018/2.png", "b/3.png")
    dataset = open_dataset(tmp_path)
    assert dataset.classes == ("a", "b")
    assert dataset.labels.tolist() == [0, 0, 1]
    assert short_names(tmp_path) == ["a/2018/2.png", "a/2019/june/1.png", "b/3.png"]


def test_names_with_spaces_and_other_alphabets_are_read(tmp_path: Path) -> None:
    tree(tmp_path, "Äpfel & Birnen/ein Bild.png", "猫/写真 1.png")
    dataset = open_dataset(tmp_path)
    assert set(dataset.classes) == {"Äpfel & Birnen", "猫"}
    assert [dataset.samples.read(i) for i in range(2)] == [PICTURE, PICTURE]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_a_name_that_is_no_utf8_is_read(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    try:
        tree(folder, "1.png")
    except OSError:
        pytest.skip("this file system has no such names")
    dataset = open_dataset(tmp_path)
    assert os.fsencode(dataset.classes[0]) == b"caf\xe9"
    assert dataset.samples.read(0) == PICTURE


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_an_accent_is_one_class_name_in_both_unicode_forms(tmp_path: Path, form: str) -> None:
    tree(tmp_path, unicodedata.normalize(form, "café/1.png"))
    dataset = open_dataset(tmp_path)
    assert dataset.classes == ("caf\u00e9",)
    assert dataset.samples.read(0) == PICTURE


def test_train_and_val_written_in_different_unicode_forms_share_the_class(tmp_path: Path) -> None:
    tree(
        tmp_path,
        unicodedata.normalize("NFC", "train/café/1.png"),
        unicodedata.normalize("NFD", "val/café/1.png"),
    )
    assert open_dataset(tmp_path).labels.tolist() == [0, 0]


def test_files_that_are_no_pictures_are_passed_over(tmp_path: Path) -> None:
    tree(tmp_path, "a/1.PNG", "a/notes.txt", "a/2.jpeg", "a/README", "a/3.WebP", "labels.txt")
    assert short_names(tmp_path) == ["a/1.PNG", "a/2.jpeg", "a/3.WebP"]


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_creation_changes_nothing(tmp_path: Path, seed: int) -> None:
    places = [f"{folder}/{n}.png" for folder in ("b", "A", "c10", "c9") for n in range(12)]
    expected = [f"{folder}/{n}.png" for folder in ("A", "b", "c9", "c10") for n in range(12)]
    Random(seed).shuffle(places)
    assert short_names(tree(tmp_path, *places)) == expected


@pytest.mark.parametrize(
    ("places", "message"),
    [
        ([], "DATA must be a folder of class folders, got no picture in"),
        (["notes.txt"], "DATA must be a folder of class folders, got no picture in"),
        (
            ["a/1.png", "b/notes.txt", "c/notes.txt"],
            "each class folder must hold a picture, got none in b, c of",
        ),
    ],
)
def test_a_folder_that_is_no_data_set_is_refused_in_words(
    tmp_path: Path, places: list[str], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        open_dataset(tree(tmp_path, *places))


def test_a_missing_path_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere does not exist; give .* or builtin/digits\|photos"):
        open_dataset(tmp_path / "nowhere")


def test_a_file_is_no_data_set(tmp_path: Path) -> None:
    tree(tmp_path, "1.png")
    with pytest.raises(UserError, match="DATA must be a folder, a table .* got the file .*1.png"):
        open_dataset(tmp_path / "1.png")


def test_a_home_folder_may_be_written_as_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tree(tmp_path, "pets/cat/1.png")))
    assert open_dataset("~/pets").classes == ("cat",)


def test_a_list_of_pictures_takes_files_as_given_and_folders_whole(tmp_path: Path) -> None:
    tree(tmp_path, "z.png", "folder/10.png", "folder/2.png", "folder/deep/a.png", "folder/notes.txt")
    listed = list_pictures([tmp_path / "z.png", tmp_path / "folder"])
    names = [Path(listed.name(i)).relative_to(tmp_path).as_posix() for i in range(len(listed))]
    assert names == ["z.png", "folder/2.png", "folder/10.png", "folder/deep/a.png"]


def test_other_kinds_of_data_stand_for_their_pictures(tmp_path: Path) -> None:
    trees.mnist(tmp_path / "mnist", {"t10k": 3})
    tree(tmp_path, "z.png", "odd name")
    places = ["builtin/photos", tmp_path / "mnist", tmp_path / "odd name", tmp_path / "z.png"]
    found = list_pictures(places)
    assert len(found) == len(open_dataset("builtin/photos")) + 5
    assert [Path(found.name(len(found) - i)).name for i in (2, 1)] == ["odd name", "z.png"]


def test_a_list_without_any_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no picture found in .*; known are .*.bmp, .gif"):
        list_pictures([tmp_path])


def test_builtin_digits_are_those_of_scikit_learn() -> None:
    dataset, original = open_dataset("builtin/digits"), load_digits()
    pixels = np.stack([np.asarray(dataset.samples.read(i)) for i in range(len(dataset))])
    assert np.abs(pixels / 255 * 16 - original.images).max() <= 0.5 / 255 * 16 + 1e-9  # rounding to bytes
    assert (dataset.labels == original.target).all()
    assert dataset.classes == tuple(str(name) for name in original.target_names)


def sources() -> list[dict[str, str]]:
    table = Path(neocog.data.builtin.__file__).parent / "sources.csv"
    return list(csv.DictReader(table.read_text("utf-8").splitlines()))


def test_builtin_photos_are_twelve_views_of_each_photograph_in_the_table_of_sources() -> None:
    dataset = open_dataset("builtin/photos")
    counts = dict(zip(dataset.classes, np.bincount(dataset.labels).tolist(), strict=True))
    assert counts == {row["class"]: int(row["changes"].split()[0]) for row in sources()}


def test_builtin_photos_lie_under_the_class_of_their_photograph() -> None:
    dataset = open_dataset("builtin/photos")
    of = {row["name"]: row["class"] for row in sources()}
    for i in range(len(dataset)):
        assert dataset.classes[dataset.labels[i]] == of[Path(dataset.samples.name(i)).stem.rpartition("-")[0]]


def test_the_whole_photographs_are_those_of_the_table_of_sources() -> None:
    whole = neocog.data.builtin.whole_photographs()
    names = {Path(whole.name(i)).stem for i in range(len(whole))}
    assert names == {row["name"] for row in sources() if "whole" in row["changes"]}
    for i in range(len(whole)):
        with Image.open(whole.name(i)) as image:
            assert max(image.size) == 320


def test_an_unknown_builtin_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        UserError, match="unknown built-in data set 'builtin/digit'; did you mean builtin/digits"
    ):
        open_dataset("builtin/digit")


def test_files_that_are_no_pictures_by_name_are_counted_by_suffix(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    for name in ("a.heic", "b.HEIC", "c.txt", "README", "d.jpg", ".hidden"):
        (tmp_path / "cat" / name).touch()
    assert ignored_files(tmp_path) == {".heic": 2, ".txt": 1, "no suffix": 1}


def test_a_loop_of_symbolic_links_is_entered_once(tmp_path: Path) -> None:
    folder = tmp_path / "cat"
    folder.mkdir()
    (folder / "a.jpg").touch()
    (folder / "again").symlink_to(folder, target_is_directory=True)
    assert [Path(name).name for name in pictures_below(folder)] == ["a.jpg"]


@pytest.mark.skipif(os.name == "nt", reason="Windows allows links to few")
def test_a_link_to_itself_is_no_folder_and_no_picture(tmp_path: Path) -> None:
    tree(tmp_path, "cat/a.png")
    (tmp_path / "cat" / "self").symlink_to("self")
    (tmp_path / "self").symlink_to("self")
    assert short_names(tmp_path) == ["cat/a.png"]
