"""Tables, lists and pictures in memory as data sets."""

import csv
import io
import json
import os
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import zoo
from neocog.data.dataset import Dataset, labelled
from neocog.data.reading import Reading, columns_from
from neocog.data.source import list_pictures, open_dataset
from neocog.data.sources import tables
from neocog.data.sources.rows import read_rows
from neocog.errors import UserError

PICTURE = zoo.good()["one-pixel.png"]


def written(
    folder: Path, text: str | bytes, name: str = "t.csv", pictures: str = "a.png b.png c.png"
) -> Path:
    """A table beside the pictures that it may name."""
    for picture in pictures.split():
        (folder / picture).parent.mkdir(parents=True, exist_ok=True)
        (folder / picture).write_bytes(PICTURE)
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return folder / name


def pairs(dataset: Dataset) -> dict[str, str]:
    """Picture -> class."""
    classes = (*dataset.classes, "")
    return {dataset.short_name(i): classes[label] for i, label in enumerate(dataset.labels)}


CATS = {"a.png": "cat", "b.png": "dog", "c.png": "cat"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", "path,label\na.png,cat\nb.png,dog\nc.png,cat\n"),
        ("t.csv", "path;label\r\na.png;cat\r\nb.png;dog\r\nc.png;cat"),
        ("t.csv", "path\tlabel\na.png\tcat\nb.png\tdog\nc.png\tcat\n"),
        ("t.csv", "\ufeffpath,label\na.png,cat\nb.png,dog\nc.png,cat\n"),
        ("t.csv", ",path,label\n0,a.png,cat\n1,b.png,dog\n2,c.png,cat\n"),
        ("t.csv", '"path","label"\n"a.png","cat"\n\n"b.png", dog \n"c.png","cat"\n'),
        ("t.csv", "a.png,cat\nb.png,dog\nc.png,cat\n"),
        ("t.csv", "Class Name,File-Name,note\ncat,a.png,x\ndog,./b.png,y\ncat,c.png,z\n"),
        ("t.csv", "image,cat,dog\na.png,1,0\nb.png,0.0,1.0\nc.png,1,0\n"),
        ("t.csv", "sep=|\r\npath|label\r\na.png|cat\r\nb.png|dog\r\nc.png|cat\r\n"),
        ("t.csv", "path,label,,\na.png,cat,,\nb.png,dog,,\nc.png,cat,,\n"),
        ("t.csv", 'path, label\n"a.png", "cat"\nb.png, "dog"\n "c.png", cat\n'),
        ("t.csv", "path,label\n.\\a.png,cat\nb.png,dog\n.\\c.png,cat\n"),
        ("t.TSV", "path\tlabel\na.png\tcat\nb.png\tdog\nc.png\tcat\n"),
        (
            "t.jsonl",
            '{"path": "a.png", "label": "cat"}\n\n{"label": ["dog"], "path": "b.png"}\n'
            '{"path": "c.png", "label": "cat"}',
        ),
    ],
)
def test_the_usual_forms_of_a_table_say_the_same(tmp_path: Path, name: str, text: str) -> None:
    dataset = open_dataset(written(tmp_path, text, name))
    assert pairs(dataset) == CATS
    assert dataset.classes == ("cat", "dog")
    assert not set(dataset.columns) - {"note"}
    assert [dataset.samples.read(i) for i in range(3)] == [PICTURE] * 3


CELLS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).map(str.strip).filter(bool)


@settings(max_examples=60)
@given(
    st.lists(CELLS, min_size=1, max_size=8),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_what_the_csv_module_writes_is_read_back(cells: list[str], delimiter: str, end: str) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end)
    writer.writerow(["path", "label"])
    writer.writerows([f"{i}.png", cell] for i, cell in enumerate(cells))
    rows = read_rows(text.getvalue().encode(), "t", ".tsv" if delimiter == "\t" else ".csv")
    assert rows.columns == {"path": [f"{i}.png" for i in range(len(cells))], "label": cells}


def test_lines_are_those_of_the_file_though_cells_hold_ends_of_lines(tmp_path: Path) -> None:
    text = 'path,label,note\na.png,cat,"two\nlines"\n\nb.png,dog,x\nd.png,dog,x\n'
    with pytest.raises(UserError, match=r"t\.csv:6: the picture must exist, got 'd\.png', which does not$"):
        open_dataset(written(tmp_path, text))


def test_a_row_of_several_lines_is_named_by_its_first(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"t\.csv:3: the picture must exist, got 'z\.png', which does not$"):
        open_dataset(written(tmp_path, 'path,label,note\na.png,cat,x\nz.png,cat,"two\nlines"\n'))


def test_paths_may_be_absolute_and_lie_elsewhere(tmp_path: Path) -> None:
    elsewhere = tmp_path / "x" / "p.png"
    elsewhere.parent.mkdir()
    elsewhere.write_bytes(PICTURE)
    (tmp_path / "lists").mkdir()
    table = written(
        tmp_path / "lists", f"path,label\n{elsewhere},cat\n../x/p2.png,dog\n", pictures="../x/p2.png"
    )
    dataset = open_dataset(table)
    assert [Path(dataset.samples.name(i)).resolve() for i in range(2)] == [
        elsewhere,
        elsewhere.with_name("p2.png"),
    ]


def test_a_suffix_may_be_left_out_where_one_picture_is_meant(tmp_path: Path) -> None:
    table = written(tmp_path, "image_id,label\na,cat\nb,dog\n", pictures="a.png b.JPG c.png")
    (tmp_path / "b.JPG").rename(tmp_path / "b.jpg")
    assert pairs(open_dataset(table)) == {"a.png": "cat", "b.jpg": "dog"}
    (tmp_path / "b.png").write_bytes(PICTURE)
    with pytest.raises(UserError, match=r"t\.csv:3: the picture must exist, got 'b', which does not"):
        open_dataset(table)


def test_every_role_and_every_other_column_is_kept(tmp_path: Path) -> None:
    text = (
        "path,label,split,patient,fold,box,age,weight,note\n"
        "a.png,cat,Training,p1,0,1 2 3.5 4,7,1.5,x\n"
        "b.png,dog,valid,p2,1,,8,,007\n"
        'c.png,cat,,p1,2,"[5, 6, 7, 8]",9,2e3,\n'
    )
    dataset = open_dataset(written(tmp_path, text))
    assert dataset.parts.tolist() == ["train", "val", ""]
    assert dataset.columns["group"].tolist() == ["p1", "p2", "p1"]
    assert dataset.columns["fold"].tolist() == [0, 1, 2]
    assert np.array_equal(
        dataset.columns["box"], [[1, 2, 3.5, 4], [np.nan] * 4, [5, 6, 7, 8]], equal_nan=True
    )
    assert dataset.columns["age"].tolist() == [7, 8, 9]
    assert np.array_equal(dataset.columns["weight"], [1.5, np.nan, 2000], equal_nan=True)
    assert dataset.columns["note"].tolist() == ["x", "007", ""]
    assert sorted(dataset.columns) == ["age", "box", "fold", "group", "note", "weight"]
    assert dataset.listed


def test_columns_of_any_name_get_their_roles_by_the_reading(tmp_path: Path) -> None:
    text = "where,what,x,y,w,h\na.png,cat,1,2,3,4\nb.png,dog,5,6,7,8\n"
    reading = Reading(columns=columns_from("path=where, label=what,box=x+y+w+h"))
    dataset = open_dataset(written(tmp_path, text), reading)
    assert pairs(dataset) == {"a.png": "cat", "b.png": "dog"}
    assert dataset.columns["box"].tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]


def test_numbers_as_classes_come_in_their_order(tmp_path: Path) -> None:
    assert open_dataset(written(tmp_path, "path,label\na.png,10\nb.png,9\nc.png,01\n")).classes == (
        "01",
        "9",
        "10",
    )


def test_an_accent_is_one_class_in_both_unicode_forms(tmp_path: Path) -> None:
    both = [unicodedata.normalize(form, "café") for form in ("NFC", "NFD")]
    assert open_dataset(written(tmp_path, f"path,label\na.png,{both[0]}\nb.png,{both[1]}\n")).classes == (
        "caf\u00e9",
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", "path,tags\na.png,cat|wet\nb.png,\nc.png,wet\n"),
        ("t.csv", 'path;labels\na.png;["wet", "cat"]\nb.png;[]\nc.png;wet\n'),
        (
            "t.jsonl",
            '{"path": "a.png", "label": ["cat", "wet"]}\n{"path": "b.png"}\n{"path": "c.png", "label": "wet"}',
        ),
        ("t.csv", "image,cat,wet\na.png,1,1\nb.png,0,0\nc.png,False,True\n"),
    ],
)
def test_several_labels_are_targets(tmp_path: Path, name: str, text: str) -> None:
    reading = Reading(columns={"label": "tags"} if "tags" in text else {})
    dataset = open_dataset(written(tmp_path, text, name), reading)
    assert dataset.classes == ("cat", "wet")
    assert dataset.targets is not None
    assert dataset.targets.tolist() == [[True, True], [False, False], [False, True]]
    assert dataset.labels.tolist() == [-1, -1, 1]
    assert labelled(dataset).answers.tolist() == [[1, 1], [0, 0], [0, 1]]
    assert labelled(dataset).notes[-1] == "1 of 3 pictures have no label: they show none of the classes"


def test_rows_without_a_label_are_kept_and_left_out_of_training_with_a_note(tmp_path: Path) -> None:
    dataset = open_dataset(written(tmp_path, "path,label\na.png,cat\nb.png,\nc.png,dog\n"))
    assert dataset.labels.tolist() == [0, -1, 1]
    kept = labelled(dataset)
    assert pairs(kept) == {"a.png": "cat", "c.png": "dog"}
    assert kept.notes == ("left out 1 of 3 pictures, which have no label",)


def test_paths_alone_are_unlabelled(tmp_path: Path) -> None:
    dataset = open_dataset(written(tmp_path, "path\na.png\nb.png\n"))
    assert (dataset.labels.tolist(), dataset.classes) == ([-1, -1], ())
    with pytest.raises(
        UserError, match="must say what each picture shows, got no label in t; sort the pictures"
    ):
        labelled(dataset)


def test_a_row_that_repeats_another_is_left_out_with_a_note(tmp_path: Path) -> None:
    dataset = open_dataset(
        written(tmp_path, "path,label\na.png,cat\nx/b.png,dog\nx/../a.png,cat\n", pictures="a.png x/b.png")
    )
    assert pairs(dataset) == {"a.png": "cat", "x/b.png": "dog"}
    assert dataset.notes == ("left out: 1 rows that repeat an earlier one (as line 4)",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"t\.csv must hold a header and rows, got nothing"),
        ("path,label\n", r"t\.csv must name a picture, got no row"),
        (
            "who,what\nx,y\n",
            r"t\.csv: a column must hold the pictures' paths, got the columns who, what; say which by",
        ),
        (
            "path,label\na.png,cat\nz.png,cat\ny.png,dog\n",
            r"t\.csv:3: the picture must exist, got 'z\.png', which does not "
            r"\(2 of 3 rows name none\)",
        ),
        (
            "path,label\nz.png,cat\ny.png,dog\n",
            r"got 'z\.png', which does not \(2 of 2 rows name none\); paths are relative to the table's folder",
        ),
        (
            "a.png,cat,train\nb.png,dog,val\n",
            r"t\.csv:1: a table of 3 columns must begin with a row of their names, got the picture a\.png",
        ),
        ("sep=;\npath;label\na.png;cat\nz.png;cat\n", r"t\.csv:4: the picture must exist, got 'z\.png'"),
        (f"path\n{'x' * 5000}.png\n", r"t\.csv:2: the picture must exist, got 'xxx"),
        ("path,label\na\0.png,cat\n", r"t\.csv:2: the picture must exist, got 'a\\x00\.png'"),
        ("path,label\na.png,cat\n,dog\n", r"t\.csv:3: a row must name a picture in path, got nothing"),
        ("path,label\na.png,cat\nb.png\n", r"t\.csv:3: must have 2 cells as the header, got 1"),
        (
            "path,label,label\na.png,cat,cat\n",
            r"t\.csv:1: each column must have a name of its own, got 'label' twice",
        ),
        (
            "path,label\na.png,cat\na.png,dog\n",
            r"t\.csv:3: a picture must have one label, got dog where line 2 says cat",
        ),
        (
            "path,label\na.png,cat\na.png,\n",
            r"t\.csv:3: a picture must have one label, got none where line 2 says cat",
        ),
        (
            "path,part\na.png,train\na.png,test\n",
            r"t\.csv:3: a picture must have one part, got 'test' where line 2 says 'train'",
        ),
        ("path,split\na.png,trian\n", r"t\.csv:2: part must be one of train, val, test, got 'trian'"),
        ("path,box\na.png,1 2 3\n", r"t\.csv:2: a box must be four numbers"),
        ("path,box\na.png,1 2 3 x\n", r"t\.csv:2: a box must be four numbers"),
        ('path,label\na.png,"cat\n', r"t\.csv:2: unexpected end of data; quote the cell anew"),
        ('path,label\na.png,"c"at\n', r"t\.csv:2: .* quote the cell anew"),
        (b"path,label\na.png,cat\nb.png,caf\xe9\n", r"t\.csv:3: must be UTF-8, got the byte 0xe9 \(Latin-1"),
        ("path,label\na.png,cat\n".encode("utf-16"), r"t\.csv:1: must be UTF-8, got UTF-16"),
    ],
)
def test_a_bad_table_is_refused_with_its_file_and_line(
    tmp_path: Path, text: str | bytes, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        open_dataset(written(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"t\.jsonl must hold a JSON object a line, got nothing"),
        ('{"path": "a.png"}\n{"path": \n', r"t\.jsonl:2: must be JSON: "),
        ('\n["a.png"]\n', r"t\.jsonl:2: must be a JSON object, got \[\"a\.png\"\]"),
        ("[" * 100_000, r"t\.jsonl:1: must be JSON: "),
        ('{"path": "a.png", "label": ' + "1" * 5000 + "}", r"t\.jsonl:1: must be JSON: "),
        (
            '{"path": "a.png", "label": {"x": 1}}',
            r"t\.jsonl:1: a label must be a name or a number, got \{'x': 1\}",
        ),
        (r'{"path": "a.png", "label": "\ud83d"}', r"t\.jsonl:1: must be JSON: .* surrogates not allowed"),
        ('{"path": 3}', r"t\.jsonl:1: a row must name a picture in path, got 3"),
    ],
)
def test_bad_json_lines_are_refused_with_their_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        open_dataset(written(tmp_path, text, "t.jsonl"))


def test_json_lines_that_share_no_fields_do_not_fill_the_memory(tmp_path: Path) -> None:
    text = "\n".join(json.dumps({"path": "a.png", f"field {i}": 1}) for i in range(5000))
    with pytest.raises(UserError, match=r"t\.jsonl:4097: the objects must have the same fields, got 4,098"):
        open_dataset(written(tmp_path, text, "t.jsonl"))


def test_a_column_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match="unknown column for label in .*t.csv: 'speces'; did you mean species"
    ):
        open_dataset(written(tmp_path, "path,species\na.png,cat\n"), Reading(columns={"label": "speces"}))


@pytest.mark.parametrize("box", ["5", "[5]", "1 2 3", "1 2 3 4 5", "1 2 3 nan", "1 2 inf 4"])
def test_a_box_is_four_numbers_and_nothing_else(tmp_path: Path, box: str) -> None:
    with pytest.raises(UserError, match=r"t\.csv:2: a box must be four numbers"):
        open_dataset(written(tmp_path, f"path,label,box\na.png,x,{box}\n"))


def test_a_class_column_must_hold_0_or_1(tmp_path: Path) -> None:
    text = "path,cat,dog\na.png,1,0\nb.png,2,0\n"
    with pytest.raises(UserError, match=r"t\.csv:3: the class column cat must hold 0 or 1, got '2'"):
        open_dataset(written(tmp_path, text), Reading(columns={"label": "cat+dog"}))


@pytest.fixture
def three(tmp_path: Path) -> Path:
    (tmp_path / "names.txt").write_text("ant\nbee\ncat\n")
    return tmp_path / "names.txt"


def test_a_class_list_gives_all_classes_in_its_order_by_name_or_place(tmp_path: Path, three: Path) -> None:
    dataset = open_dataset(
        written(tmp_path, "path,label\na.png,2\nb.png,ant\nc.png,2.0\n"), Reading(classes=three)
    )
    assert dataset.classes == ("ant", "bee", "cat")
    assert dataset.labels.tolist() == [2, 0, 2]


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("3", r"t\.csv:3: label must lie in 0\.\.2 of the class list, got 3"),
        ("-1", r"t\.csv:3: label must lie in 0\.\.2 of the class list, got -1"),
        ("bea", r"t\.csv:3: unknown label 'bea'; did you mean bee"),
    ],
)
def test_a_label_beside_the_class_list_is_refused(
    tmp_path: Path, three: Path, label: str, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        open_dataset(written(tmp_path, f"path,label\na.png,0\nb.png,{label}\n"), Reading(classes=three))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must hold a class name a line"),
        ("a\n\nb", ":2: a line must hold"),
        ("a\nb\na\n", ":3: .* got 'a' again"),
    ],
)
def test_a_bad_class_list_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "bad.txt").write_text(text)
    with pytest.raises(UserError, match=message):
        open_dataset(written(tmp_path, "path,label\na.png,0\n"), Reading(classes=tmp_path / "bad.txt"))


def test_a_folder_or_a_flat_folder_with_one_table_is_read_by_it(tmp_path: Path) -> None:
    written(
        tmp_path,
        "file,label\nimages/a.png,cat\nimages/b.png,dog\n",
        "labels.csv",
        "images/a.png images/b.png images/z.png",
    )
    dataset = open_dataset(tmp_path)
    assert pairs(dataset) == {"images/a.png": "cat", "images/b.png": "dog"}
    assert dataset.notes == ("labels: from labels.csv", "left out: 1 pictures that labels.csv does not name")


PART_TABLES = {
    "train.csv": "path,label,age\na.png,cat,3\nb.png,dog,4\n",
    "Valid.csv": "path,label,age\nc.png,cat,x\n",
    "test.jsonl": '{"path": "d.png", "label": ["dog", "ant"]}\n{"path": "e.png"}',
    "sample_submission.csv": "path,label\na.png,?\n",
}


def test_tables_called_train_val_and_test_are_the_parts(tmp_path: Path) -> None:
    for name, text in PART_TABLES.items():
        written(tmp_path, text, name, "a.png b.png c.png d.png e.png f.png")
    both = open_dataset(tmp_path)
    names = [both.short_name(i) for i in range(len(both))]
    assert names == ["a.png", "b.png", "c.png", "d.png", "e.png"]
    assert both.parts.tolist() == ["train", "train", "val", "test", "test"]
    assert both.classes == ("ant", "cat", "dog")
    assert both.labels.tolist() == [1, 2, 1, -1, -1]
    assert both.targets is not None
    assert both.targets.astype(int).tolist() == [[0, 1, 0], [0, 0, 1], [0, 1, 0], [1, 0, 1], [0, 0, 0]]
    assert not both.columns
    said = "train.csv, Valid.csv, test.jsonl"
    assert both.notes == (f"labels: from {said}", f"left out: 1 pictures that {said} do not name")


def test_columns_that_part_tables_share_are_kept(tmp_path: Path) -> None:
    for name in ("train.csv", "Valid.csv"):
        written(tmp_path, PART_TABLES[name], name)
    assert open_dataset(tmp_path).columns["age"].tolist() == ["3", "4", "x"]


def test_a_class_list_orders_the_classes_of_part_tables(tmp_path: Path) -> None:
    for name in ("train.csv", "Valid.csv"):
        written(tmp_path, PART_TABLES[name], name)
    (tmp_path / "names.txt").write_text("dog\nfox\ncat\n")
    dataset = open_dataset(tmp_path, Reading(classes=tmp_path / "names.txt"))
    assert (dataset.classes, dataset.labels.tolist()) == (("dog", "fox", "cat"), [2, 0, 2])


def test_a_picture_in_two_part_tables_is_refused(tmp_path: Path) -> None:
    written(tmp_path, "path,label\na.png,x\n", "train.csv")
    written(tmp_path, "path,label\nb.png,x\n./a.png,x\n", "val.csv")
    with pytest.raises(UserError, match=r"val\.csv: .* one part, got .*a\.png, which is in train\.csv, too"):
        open_dataset(tmp_path)


@pytest.mark.parametrize("other", ["training.csv", "labels.csv", "notes.csv"])
def test_of_several_tables_without_parts_none_is_taken(tmp_path: Path, other: str) -> None:
    written(tmp_path, "path,label\na.png,x\n", "train.csv" if other == "training.csv" else "pets.csv")
    written(tmp_path, "path,label\nb.png,y\n", other)
    assert open_dataset(tmp_path).labels.tolist() == [-1, -1, -1]


def test_class_folders_come_before_a_table(tmp_path: Path) -> None:
    written(tmp_path, "path,label\na/1.png,x\n", pictures="a/1.png b/2.png")
    assert open_dataset(tmp_path).classes == ("a", "b")


def test_a_table_of_something_else_leaves_a_flat_folder_as_it_is(tmp_path: Path) -> None:
    written(tmp_path, "name,age\nx,3\n")
    assert open_dataset(tmp_path).labels.tolist() == [-1, -1, -1]


def test_pictures_beside_class_folders_are_noted(tmp_path: Path) -> None:
    written(tmp_path, "", pictures="a/1.png b/2.png stray.png")
    dataset = open_dataset(tmp_path)
    assert pairs(dataset) == {"a/1.png": "a", "b/2.png": "b"}
    assert dataset.notes == (
        f"left out: 1 pictures that lie in no class folder of {tmp_path} (as stray.png)",
    )


@pytest.mark.parametrize(
    "text",
    [
        "a.png\tcat\nb.png\tdog\r\n\nc.png\tcat",
        "path,label\na.png,cat\nb.png,dog\nc.png,cat\n",
        "\ufeffClass;File Name\r\ncat;a.png\r\ndog;b.png\r\ncat;c.png\r\n",
        "path\tlabel\na.png\tcat\nb.png\tdog\nc.png\tcat\n",
        "a.png,cat\nb.png,dog\nc.png,cat\n",
        "\n".join(json.dumps({"path": p, "label": c}) for p, c in CATS.items()),
    ],
)
def test_a_list_of_lines_names_pictures_and_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    written(tmp_path, "")
    monkeypatch.chdir(tmp_path)
    assert pairs(tables.read_stdin(text.encode(), Reading())) == CATS


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_a_list_names_files_whose_names_are_no_utf8(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/caf\xe9.png"
    try:
        with open(raw, "wb") as file:  # noqa: PTH123  # Path has no bytes
            file.write(PICTURE)
    except OSError:
        pytest.skip("this file system has no such names")
    dataset = tables.read_stdin(raw + b"\tx\n", Reading())
    assert dataset.samples.read(0) == PICTURE


def test_a_line_of_three_cells_is_refused() -> None:
    with pytest.raises(UserError, match="stdin:2: a line must be PATH or PATH, tab, LABEL, got 3 cells"):
        tables.read_stdin(b"\na\tb\tc\n", Reading())


VOTES = (
    "path,annotator,label,patient\na.png,ann,cat,1\na.png,bob,cat,1\na.png,eve,dog,1\n"
    "b.png,ann,dog,2\nb.png,eve,cat,2\nc.png,bob,dog,3\n"
)
WIDE = "path,ann,bob,eve\na.png,cat,cat,dog\nb.png,dog,,cat\nc.png,,dog,\n"


@pytest.mark.parametrize(("text", "columns"), [(VOTES, {}), (WIDE, {"annotator": "ann+bob+eve"})])
def test_votes_of_annotators_become_one_label(tmp_path: Path, text: str, columns: dict[str, str]) -> None:
    dataset = open_dataset(written(tmp_path, text), Reading(columns=columns))
    assert pairs(dataset) == {"a.png": "cat", "b.png": "cat", "c.png": "dog"}
    assert dataset.columns["agreement"].tolist() == [2 / 3, 1 / 2, 1]
    assert dataset.columns["disputed"].tolist() == [False, True, False]
    assert dataset.notes[0].startswith("labels: majority of 3 annotators with 6 votes on 3 pictures")


def test_the_model_s_consensus_outvotes_annotators_who_always_say_the_same(tmp_path: Path) -> None:
    """Ann and Bob agree on 8 pictures of two classes, Eve, Kim and Lee call each of them a cat."""
    names = [f"{i}.png" for i in range(8)]
    rows = ["path,annotator,label"]
    for i, name in enumerate(names):
        rows += [f"{name},{who},{'cat' if i < 4 else 'dog'}" for who in ("ann", "bob")]
        rows += [f"{name},{who},cat" for who in ("eve", "kim", "lee")]
    table = written(tmp_path, "\n".join(rows), pictures=" ".join(names))
    assert open_dataset(table, Reading(consensus="majority")).classes == ("cat", "dog")
    assert open_dataset(table, Reading(consensus="majority")).labels.tolist() == [0] * 8
    assert open_dataset(table, Reading(consensus="dawid-skene")).labels.tolist() == [0] * 4 + [1] * 4


@pytest.mark.parametrize(
    ("text", "consensus", "message"),
    [
        (
            "path,label\na.png,cat\n",
            "majority",
            "must name annotators for a consensus, got the columns path, label",
        ),
        (
            "path,annotator\na.png,ann\n",
            None,
            "a column must hold the labels; say which by --columns label=COLUMN",
        ),
        ("path,annotator,label\na.png,ann,\n", None, "must hold a label, got none"),
        (
            "path,annotator,label\na.png,ann,x|y\n",
            None,
            r"t\.csv:2: an annotator must give one label, got x \| y",
        ),
        (
            "path,annotator,label,part\na.png,a,x,train\na.png,b,x,val\n",
            None,
            r"t\.csv:3: a picture must have one part",
        ),
    ],
)
def test_votes_that_make_no_sense_are_refused(
    tmp_path: Path, text: str, consensus: str | None, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        open_dataset(written(tmp_path, text), Reading(consensus=consensus))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Reading(columns={"colour": "x"}), "unknown role of a column 'colour'"),
        (lambda: Reading(columns={"path": ""}), "the column for path must have a name"),
        (lambda: Reading(consensus="mean"), "unknown consensus 'mean'; there are majority, dawid-skene"),
        (lambda: columns_from("path"), "columns must be given as ROLE=COLUMN,..., got 'path' without '='"),
    ],
)
def test_a_bad_reading_is_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"columns": {"label": "x"}},
            "columns is for tables and Parquet files, got .* with no table that names",
        ),
        ({"classes": Path("names.txt")}, "classes is for tables, got"),
        ({"consensus": "majority"}, "consensus is for tables with several annotators, got"),
        ({"published_split": 2}, "published_split is for SUN-397, got"),
    ],
)
def test_what_cannot_be_heeded_is_refused(tmp_path: Path, given: dict[str, Any], message: str) -> None:
    written(tmp_path, "", "notes.txt", "a/1.png b/2.png")
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name in ("a/1.png", "b/2.png"):
            archive.writestr(name, PICTURE)
    for data in (tmp_path, tmp_path / "x.zip"):
        with pytest.raises(UserError, match=message):
            open_dataset(data, Reading(**given))
    with pytest.raises(UserError, match=message.replace(" with no table that names", "builtin/photos")):
        open_dataset("builtin/photos", Reading(**given))


def test_long_text_takes_no_more_memory_than_it_has(tmp_path: Path) -> None:
    """A column as wide as its longest cell would take 4 x 100,000 x 3 bytes."""
    notes = ["x" * 100_000, "y", ""]
    rows = "".join(f"{name},{note}\n" for name, note in zip("abc", notes, strict=True)).replace(",", ".png,")
    column = open_dataset(written(tmp_path, f"path,note\n{rows}")).columns["note"]
    assert column.tolist() == notes
    assert column.nbytes < 1000


def test_arrays_with_labels_are_a_data_set() -> None:
    pixels = np.arange(3 * 8 * 8, dtype=np.uint8).reshape(3, 8, 8)
    dataset = open_dataset((pixels, np.array([10, 9, 10])))
    assert dataset.classes == ("9", "10")
    assert dataset.labels.tolist() == [1, 0, 1]
    assert np.array_equal(np.asarray(dataset.samples.read(2)), pixels[2])


@pytest.mark.parametrize(
    ("labels", "classes", "places"),
    [
        (["b", "a|c", "b"], ("a|c", "b"), [1, 0, 1]),
        ([None, "x", float("nan")], ("x",), [-1, 0, -1]),
        (np.array([True, False, True]), ("False", "True"), [1, 0, 1]),
        (iter([3, 1, 2]), ("1", "2", "3"), [2, 0, 1]),
    ],
)
def test_labels_are_of_any_kind(labels: object, classes: tuple[str, ...], places: list[int]) -> None:
    dataset = open_dataset(([Image.new("L", (2, 2))] * 3, labels))
    assert (dataset.classes, dataset.labels.tolist()) == (classes, places)


def test_lists_of_labels_are_targets() -> None:
    dataset = open_dataset(([b"x", b"y"], [["a", "b"], []]))
    assert dataset.targets is not None
    assert dataset.targets.tolist() == [[True, True], [False, False]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (([b"x"], ["a", "b"]), "each picture needs one label, got 1 pictures and 2 labels"),
        (([], []), "each picture needs one label, got 0 pictures and 0 labels"),
        (([b"x"], 3), "labels must be a sequence with one entry per picture, got int"),
        (([b"x"], "a"), "labels must be a sequence with one entry per picture, got str"),
        (7, r"DATA must be a path, a pair \(pictures, labels\), a data frame or a Dataset, got int"),
    ],
)
def test_what_is_no_data_is_refused(data: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        open_dataset(data)


class Frame(dict[str, list[object]]):
    """The part of a data frame's interface that pandas and polars share."""

    class Column(list[object]):
        def to_list(self) -> list[object]:
            return list(self)

    @property
    def columns(self) -> list[str]:
        return list(self)

    @property
    def shape(self) -> tuple[int, int]:
        return len(self), len(self)

    def __getitem__(self, name: str) -> "Frame.Column":
        return Frame.Column(super().__getitem__(name))

    def __len__(self) -> int:
        return 2


def test_a_data_frame_is_read_as_a_table(tmp_path: Path) -> None:
    written(tmp_path, "")
    frame = Frame(
        file=[str(tmp_path / "a.png"), str(tmp_path / "b.png")], label=["x", float("nan")], n=[1, 2]
    )
    dataset = open_dataset(frame)
    assert (dataset.classes, dataset.labels.tolist()) == (("x",), [0, -1])
    assert dataset.columns["n"].tolist() == [1, 2]


def test_a_data_set_passes_through_as_it_is(tmp_path: Path) -> None:
    dataset = open_dataset(written(tmp_path, "path,label\na.png,cat\n"))
    assert open_dataset(dataset) is dataset


def test_a_table_among_pictures_to_predict_stands_for_what_it_names(tmp_path: Path) -> None:
    table = written(tmp_path, "path\nb.png\na.png\n")
    listed = list_pictures([tmp_path / "c.png", table, tmp_path / "a.png"])
    assert [Path(listed.name(i)).name for i in range(len(listed))] == ["c.png", "b.png", "a.png", "a.png"]
    assert [listed.read(i) for i in range(4)] == [PICTURE] * 4
