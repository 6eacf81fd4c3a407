import hashlib
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import zoo
from neocog.data.dataset import Dataset, judged_part
from neocog.data.quarantine import Entry, read_list, without_quarantined, write_list
from neocog.data.reading import Reading
from neocog.data.samples import Arrays
from neocog.data.source import open_dataset
from neocog.errors import UserError

PICTURES = {f"{i}.png": zoo.encoded(zoo.Image.new("L", (4, 4), i), "PNG") for i in range(6)}
paths = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(
    lambda text: text == text.strip() and not text.startswith("./")
)


def place(root: Path, text: str) -> Path:
    (root / "list.txt").write_text(text, "utf-8", "surrogateescape")
    return root / "list.txt"


def folder(root: Path) -> Path:
    for name, content in PICTURES.items():
        path = root / "data" / "ab"[int(name[0]) % 2] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root / "data"


def sha(name: str) -> str:
    return hashlib.sha256(PICTURES[name]).hexdigest()


def kept(dataset: Dataset) -> list[str]:
    return [Path(dataset.samples.name(i)).name for i in range(len(dataset))]


@given(
    st.lists(st.builds(Entry, paths, st.just("") | st.binary(min_size=32, max_size=32).map(bytes.hex), paths))
)
def test_what_is_written_is_read(entries: list[Entry]) -> None:
    with TemporaryDirectory() as folder:
        path = place(Path(folder), write_list(entries, "of my data,\nchecked"))
        assert [replace(entry, line=0) for entry in read_list(path)] == entries


def test_a_person_may_write_paths_alone(tmp_path: Path) -> None:
    path = place(tmp_path, "\ufeff# mine\npath\na/0.png\n  b/1.png , , blurred\n'#not'\n")
    assert [(e.path, e.reason, e.line) for e in read_list(path)] == [
        ("a/0.png", "", 3),
        ("b/1.png", "blurred", 4),
        ("'#not'", "", 5),
    ]


@pytest.mark.parametrize(
    ("text", "told"), [("a.png,12ab\n", "line 1: sha256 must be 64"), ("x\n,,why\n", "line 2: an entry")]
)
def test_a_wrong_line_is_named(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        read_list(place(tmp_path, text))


def test_a_folder_stands_for_the_list_in_it(tmp_path: Path) -> None:
    (tmp_path / "quarantine.txt").write_text("cat/1.jpg\n")
    assert [entry.path for entry in read_list(tmp_path)] == ["cat/1.jpg"]


def test_a_list_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read the quarantine list .*nowhere"):
        read_list(tmp_path / "nowhere")


def test_paths_and_contents_are_left_out_and_counted(tmp_path: Path) -> None:
    path = place(tmp_path, f"path,sha256,reason\na/0.png,,blurred\n./b/1.png,{sha('1.png')},\na\\2.png\n")
    dataset = open_dataset(folder(tmp_path), Reading(quarantine=path))
    assert kept(dataset) == ["4.png", "3.png", "5.png"]
    assert dataset.labels.tolist() == [0, 1, 1]
    assert [(Path(gone.path).name, gone.reason) for gone in dataset.quarantined] == [
        ("0.png", "blurred"),
        ("2.png", "on the quarantine list"),
        ("1.png", "on the quarantine list"),
    ]
    assert not dataset.notes


def test_a_content_that_has_moved_is_still_left_out(tmp_path: Path) -> None:
    root = folder(tmp_path)
    (root / "a" / "0.png").rename(root / "b" / "new.png")
    dataset = open_dataset(root, Reading(quarantine=place(tmp_path, f"a/0.png,{sha('0.png')}\n")))
    assert kept(dataset) == ["2.png", "4.png", "1.png", "3.png", "5.png"]
    assert not dataset.notes


def test_a_file_that_was_repaired_stays_and_is_told(tmp_path: Path) -> None:
    dataset = open_dataset(
        folder(tmp_path), Reading(quarantine=place(tmp_path, f"a/0.png,{'0' * 64}\nb/9.png\n"))
    )
    assert len(dataset) == 6
    assert not dataset.quarantined
    assert [note.split("list.txt, ")[1] for note in dataset.notes] == [
        "line 1: no picture here is a/0.png",
        "line 2: no picture here is b/9.png",
    ]


def test_a_list_of_everything_is_refused(tmp_path: Path) -> None:
    path = place(tmp_path, "".join(f"{'ab'[int(name[0]) % 2]}/{name}\n" for name in PICTURES))
    with pytest.raises(UserError, match="must leave a picture of data, but lists all 6"):
        open_dataset(folder(tmp_path), Reading(quarantine=path))


def test_only_the_judged_parts_pictures_count_where_it_is_judged(tmp_path: Path) -> None:
    parts = np.array(["train", "train", "val", "val", "val", ""])
    samples = Arrays(list(PICTURES.values()), list(PICTURES))
    dataset = Dataset("d", samples, np.zeros(6, np.int64), ("a",), parts)
    left = without_quarantined(dataset, place(tmp_path, "0.png\n2.png\n4.png\n"))
    assert [gone.path for gone in judged_part(left).quarantined] == ["2.png", "4.png"]
    assert [gone.path for gone in judged_part(left, "train").quarantined] == ["0.png"]
