"""Parquet files and what `datasets` saves, written by pyarrow and datasets themselves."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import trees
from neocog.data.reading import Reading
from neocog.data.source import open_dataset
from neocog.errors import Unreadable, UserError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def write(path: Path, columns: dict[str, Any], group: int = 3, **more: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, row_group_size=group, **more)
    return path


def cells(names: str) -> list[dict[str, Any]]:
    return [{"bytes": trees.picture(name), "path": None} for name in names]


def test_pictures_are_read_across_row_groups(tmp_path: Path) -> None:
    names = "abcdefgh"
    path = write(tmp_path / "x.parquet", {"image": cells(names), "label": [i % 2 for i in range(8)]})
    dataset = open_dataset(path)
    for i in (7, 0, 3, 2, 5, 6, 1, 4):
        assert dataset.samples.read(i) == trees.picture(names[i])
    assert (dataset.classes, dataset.labels.tolist()) == (("0", "1"), [0, 1] * 4)
    assert dataset.short_name(5) == "x.parquet/000005"


def test_files_of_a_folder_come_in_order_with_the_parts_of_their_names(tmp_path: Path) -> None:
    for name, letters in (("train-00010-of-2", "c"), ("train-00002-of-2", "ab"), ("validation-0", "d")):
        write(tmp_path / "data" / f"{name}.parquet", {"image": cells(letters), "label": list(letters)})
    dataset = open_dataset(tmp_path)
    assert [dataset.samples.read(i) for i in range(4)] == [trees.picture(i) for i in "abcd"]
    assert dataset.parts.tolist() == ["train", "train", "train", "val"]
    assert dataset.classes == ("a", "b", "c", "d")


def test_a_column_of_bytes_and_one_of_paths_are_known(tmp_path: Path) -> None:
    one = write(tmp_path / "a.parquet", {"png": [trees.picture("a")], "target": ["dog"]})
    assert open_dataset(one).samples.read(0) == trees.picture("a")
    trees.write(tmp_path, "pictures/b.jpg")
    other = write(
        tmp_path / "b.parquet", {"file_name": ["pictures/b.jpg"], "class": ["dog"], "split": ["test"]}
    )
    dataset = open_dataset(other)
    assert (dataset.samples.read(0), dataset.parts.tolist()) == (trees.picture("pictures/b.jpg"), ["test"])


def test_parts_and_labels_that_are_none_are_refused_with_their_row(tmp_path: Path) -> None:
    path = write(
        tmp_path / "x.PARQUET", {"image": cells("ab"), "label": ["x", "y"], "split": ["Train", "dev"]}
    )
    with pytest.raises(
        UserError, match=r"x\.PARQUET, row 1: part must be one of train, val, test, got 'dev'"
    ):
        open_dataset(path)
    path = write(tmp_path / "y.parquet", {"image": cells("ab"), "label": [["x"], ["x", "y"]]})
    with pytest.raises(
        UserError, match=r"y\.parquet, row 0: a label must be a name or a number, got \['x'\]"
    ):
        open_dataset(path)


def test_a_part_may_be_left_empty(tmp_path: Path) -> None:
    columns = {"image": cells("abc"), "label": ["x"] * 3, "split": ["Train", None, ""]}
    assert open_dataset(write(tmp_path / "x.parquet", columns)).parts.tolist() == ["train", "", ""]


def test_the_user_may_name_the_columns(tmp_path: Path) -> None:
    table = {
        "image": cells("ab"),
        "other": cells("cd"),
        "label": [0, 1],
        "kind": ["x", "y"],
        "who": ["p", "q"],
    }
    path = write(tmp_path / "x.parquet", table)
    dataset = open_dataset(path, Reading(columns={"path": "other", "label": "kind", "group": "who"}))
    assert dataset.samples.read(1) == trees.picture("d")
    assert (dataset.classes, dataset.columns["group"].tolist()) == (("x", "y"), ["p", "q"])
    with pytest.raises(
        UserError, match="column for label must be in .*x.parquet, got 'what'; it has image, other"
    ):
        open_dataset(path, Reading(columns={"label": "what"}))


def test_rows_without_a_label_or_a_picture_are_no_accident(tmp_path: Path) -> None:
    column = [*cells("a"), {"bytes": None, "path": None}, {"bytes": b"", "path": None}]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    path = write(tmp_path / "x.parquet", {"image": pa.array(column, kind), "label": ["x", None, "y"]})
    dataset = open_dataset(path)
    assert dataset.labels.tolist() == [0, -1, 1]
    for i, reason in ((1, "no picture in this row"), (2, "empty file")):
        with pytest.raises(Unreadable, match=reason):
            dataset.samples.read(i)


def test_what_is_no_parquet_or_cut_or_uneven_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "x.parquet", {"image": cells("abc"), "label": [0, 1, 2]})
    whole = path.read_bytes()
    for data in (whole[:-50], b"PAR1", b"", b"text"):
        path.write_bytes(data)
        with pytest.raises(UserError, match="x.parquet is cut or no Parquet file"):
            open_dataset(path)
    path.write_bytes(whole)
    write(tmp_path / "y.parquet", {"image": cells("a"), "tag": [0]})
    with pytest.raises(UserError, match="must have the same columns, .*y.parquet lacks label"):
        open_dataset(tmp_path)
    with pytest.raises(UserError, match="must have a column of pictures, got tag, score"):
        open_dataset(write(tmp_path / "z.parquet", {"tag": [0], "score": [1.0]}))


datasets = pytest.importorskip("datasets")


def table(letters: str, names: list[str]) -> Any:
    features = datasets.Features({"img": datasets.Image(), "fine": datasets.ClassLabel(names=names)})
    labels = [i % len(names) for i in range(len(letters))]
    return datasets.Dataset.from_dict({"img": cells(letters), "fine": labels}, features=features)


def test_parquet_that_datasets_wrote_brings_its_class_names(tmp_path: Path) -> None:
    table("abc", ["zebra", "ant"]).to_parquet(tmp_path / "train.parquet")
    dataset = open_dataset(tmp_path / "train.parquet")
    assert (dataset.classes, dataset.labels.tolist()) == (("zebra", "ant"), [0, 1, 0])
    assert [dataset.samples.read(i) for i in range(3)] == [trees.picture(i) for i in "abc"]


def test_labels_beyond_the_schemas_names_are_told_with_their_row(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    table("abc", ["zebra", "ant"]).to_parquet(path)
    schema = pq.read_schema(path)
    wrong = pa.table({"img": pq.read_table(path)["img"], "fine": [0, -1, 2]}).replace_schema_metadata(
        schema.metadata
    )
    pq.write_table(wrong, path)
    with pytest.raises(UserError, match="row 2: the label must be below 2, got 2"):
        open_dataset(path)


@pytest.mark.parametrize("prefix", ["", "hfds/"])
def test_a_saved_folder_is_read(tmp_path: Path, prefix: str) -> None:
    both = datasets.DatasetDict(
        {"train": table("abc", ["zebra", "ant"]), "test": table("de", ["zebra", "ant"])}
    )
    both.save_to_disk(tmp_path / "saved")
    dataset = open_dataset(prefix + str(tmp_path / "saved"))
    assert (dataset.classes, dataset.labels.tolist()) == (("zebra", "ant"), [0, 1, 0, 0, 1])
    assert dataset.parts.tolist() == ["train"] * 3 + ["test"] * 2
    assert [dataset.samples.read(i) for i in range(5)] == [trees.picture(i) for i in "abcde"]
    assert dataset.short_name(3) == "test/000000"


def test_what_is_not_in_the_cache_of_datasets_is_not_fetched(tmp_path: Path) -> None:
    """In a process of its own, which would tell a socket that is opened."""
    code = """
import socket, sys
def no(*a, **k): raise SystemExit("a socket was opened")
socket.socket.connect = no
socket.getaddrinfo = no
from neocog.data.source import open_dataset
try:
    open_dataset("hfds/nobody/nothing-of-this-name")
except ValueError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | {"HF_HOME": str(tmp_path)},
    )
    assert done.stdout.startswith("hfds/nobody/nothing-of-this-name cannot be loaded ("), done.stderr
    assert done.stdout.strip().endswith("fetch it with --download, or give a folder that datasets saved")


def test_a_missing_package_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "x.parquet", {"image": cells("a"), "label": [0]})
    code = f"""
import sys
sys.modules["pyarrow"] = sys.modules["pyarrow.parquet"] = sys.modules["datasets"] = None
from neocog.data.source import open_dataset
for data in ({str(path)!r}, "hfds/mnist"):
    try:
        open_dataset(data)
    except ValueError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines() == [
        "Parquet files need the package pyarrow; run: pip install 'neocog[data]'",
        "hfds/NAME and folders that it saved need the package datasets; run: pip install 'neocog[data]'",
    ], done.stderr
