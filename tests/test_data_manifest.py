"""Manifests written, read back by others, and taken again."""

import csv
import io
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from neocog.data.dataset import Dataset
from neocog.data.manifest import Row, apply_split, content_hashes, read_manifest, to_csv
from neocog.data.reading import Reading
from neocog.data.samples import Arrays, Files
from neocog.data.source import open_dataset
from neocog.errors import Unreadable, UserError

WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)
ROWS = st.lists(
    st.builds(
        Row,
        WORDS.filter(bool),
        WORDS,
        st.sampled_from(["train", "val", "test", "skipped", ""]),
        st.none() | st.integers(0, 20),
        WORDS,
        st.just("") | st.binary(min_size=32, max_size=32).map(bytes.hex),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda row: row.path,
)


@given(ROWS)
def test_rows_come_back_as_they_were(tmp_path_factory: pytest.TempPathFactory, rows: list[Row]) -> None:
    file = tmp_path_factory.mktemp("manifest") / "split.csv"
    file.write_text(to_csv(rows), "utf-8", newline="")
    assert list(read_manifest(file)) == rows


def test_pandas_reads_it() -> None:
    pandas = pytest.importorskip("pandas")
    rows = [Row("a, b/ü.png", 'the "one"', "train", 3, "p7", "ab" * 32), Row("c.png", "", "", None)]
    frame = pandas.read_csv(io.StringIO(to_csv(rows)))
    assert frame.columns.tolist() == ["path", "label", "part", "fold", "group", "sha256"]
    assert frame.loc[0].tolist() == ["a, b/ü.png", 'the "one"', "train", 3.0, "p7", "ab" * 32]
    assert frame.loc[1].isna().tolist() == [False, True, True, True, True, True]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("path,label\na.png,x\n", "lacks part"),
        ("", "lacks path, part"),
        ("path,part\n", "has no picture"),
        ("path,part\na.png,train\na.png,val\n", "line 3: a.png is there twice"),
        ("path,part\na.png,training\n", "line 2: part must be one of train, val, test, got 'training'"),
        ("path,part\n,train\n", "line 2: the path is empty"),
        ("path,part,fold\na.png,train,one\n", "line 2: fold must be a whole number from 0, got 'one'"),
        ("path,part,sha256\na.png,train,12\n", "line 2: sha256 must be 64 hexadecimal digits, got '12'"),
    ],
)
def test_what_is_no_manifest_is_refused_by_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "split.csv").write_text(text)
    with pytest.raises(UserError, match=said):
        read_manifest(tmp_path)


def test_a_place_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing.csv"):
        read_manifest(tmp_path / "nothing.csv")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two classes of four pictures each, no two alike."""
    for i in range(8):
        folder = tmp_path / "pictures" / "ab"[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (30 * i, 0, 0)).save(folder / f"{i}.png")
    return tmp_path / "pictures"


def written(pictures: Path, parts: dict[str, str], folds: dict[str, str] | None = None) -> Path:
    """A manifest of these pictures, made by hand."""
    file = pictures.parent / "split.csv"
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["sha256", "path", "part", "label", "fold"])
        for name, part in parts.items():
            path = pictures / name
            digest = sha256(path.read_bytes()).hexdigest() if path.exists() else "0" * 64
            writer.writerow([digest, name, part, name[0], (folds or {}).get(name, "")])
    return file


NAMES = [f"{'ab'[i % 2]}/{i}.png" for i in range(8)]
PARTS = dict(zip(NAMES, ["train", "train", "val", "val", "test", "test", "train", "train"], strict=True))


def by_name(dataset: Dataset) -> dict[str, str]:
    return {dataset.short_name(i): str(dataset.parts[i]) for i in range(len(dataset))}


def test_parts_are_taken_by_path(pictures: Path) -> None:
    split = written(pictures, dict(reversed(PARTS.items())))
    dataset = open_dataset(pictures, Reading(split=split))
    assert by_name(dataset) == PARTS
    assert not dataset.notes
    assert dataset.samples.read(0) == (pictures / "a" / "0.png").read_bytes()


def test_folds_judge_in_their_turn(pictures: Path) -> None:
    folds = {name: str(i % 3) for i, name in enumerate(NAMES[:6])}
    split = written(pictures, dict.fromkeys(NAMES[:6], "train") | dict.fromkeys(NAMES[6:], "test"), folds)
    found = by_name(open_dataset(pictures, Reading(split=split, fold=1)))
    assert found == {
        name: "test" if i > 5 else "val" if i % 3 == 1 else "train" for i, name in enumerate(NAMES)
    }
    with pytest.raises(UserError, match="say with --fold"):
        open_dataset(pictures, Reading(split=split))
    with pytest.raises(UserError, match=r"fold must be one of those in .* \(0, 1, 2\), got 3"):
        open_dataset(pictures, Reading(split=split, fold=3))


def test_a_fold_needs_a_split() -> None:
    with pytest.raises(UserError, match="--split"):
        Reading(fold=1)


def test_a_changed_picture_is_not_read(pictures: Path) -> None:
    dataset = open_dataset(pictures, Reading(split=written(pictures, PARTS)))
    Image.new("RGB", (4, 4), "white").save(pictures / "a" / "2.png")
    places = {dataset.short_name(i): i for i in range(len(dataset))}
    with pytest.raises(Unreadable, match=r"changed since .*split.csv was made"):
        dataset.samples.read(places["a/2.png"])
    dataset.samples.read(places["b/1.png"])


def test_what_is_missing_or_new_or_relabelled_is_named(pictures: Path) -> None:
    split = written(pictures, {name: PARTS[name] for name in NAMES[1:]} | {"a/gone.png": "val"})
    (pictures / "a" / "3.png").write_bytes((pictures / "b" / "3.png").read_bytes())
    text = (
        split.read_text()
        .replace("b/5.png,test,b", "b/5.png,test,a")
        .replace("b/7.png,train", "b/7.png,skipped")
    )
    split.write_text(text)
    dataset = open_dataset(pictures, Reading(split=split))
    assert set(by_name(dataset)) == set(NAMES[1:7])
    kinds = ["no longer there", "not in the split", "unreadable when", "another label"]
    named = [
        "1 picture (a/gone.png)",
        "2 pictures (a/0.png, a/3.png)",
        "1 picture (b/7.png)",
        "1 picture (b/5.png)",
    ]
    assert len(dataset.notes) == 4
    for note, kind, names in zip(dataset.notes, kinds, named, strict=True):
        assert kind in note
        assert names in note


def test_a_split_of_other_pictures_is_refused(pictures: Path) -> None:
    with pytest.raises(UserError, match=r"such as a/0.png, it names x/1.png"):
        open_dataset(pictures, Reading(split=written(pictures, {"x/1.png": "train"})))


def test_several_labels_are_compared_as_they_are_written(tmp_path: Path) -> None:
    samples = Arrays(np.zeros((2, 4, 4), np.uint8), ["one", "two"])
    targets = np.array([[True, False, True], [False, True, False]])
    data = Dataset("d", samples, np.full(2, -1), ("x", "y", "z"), np.full(2, ""), targets=targets)
    file = tmp_path / "split.csv"
    file.write_text("path,label,part\none,x|z,train\ntwo,x,val\n")
    found = apply_split(data, file)
    assert found.targets is not None
    assert found.targets.tolist() == targets.tolist()
    assert [note for note in found.notes if "another label" in note and "(two)" in note] == list(found.notes)


def test_hashes_are_those_of_the_files_and_what_cannot_be_read_has_none(pictures: Path) -> None:
    (pictures / "a" / "empty.png").write_bytes(b"")
    paths = [pictures / "a" / "0.png", pictures / "a" / "empty.png", pictures / "b" / "1.png"]
    hashes, reasons = content_hashes(Files(paths))
    assert hashes[0].tobytes() == sha256(paths[0].read_bytes()).digest()
    assert hashes[2].tobytes() == sha256(paths[2].read_bytes()).digest()
    assert reasons == {1: "empty file (0 bytes)"}
    assert not hashes[1].any()
