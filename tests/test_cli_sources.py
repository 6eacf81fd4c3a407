"""Tables, archives and lists through the command's real door."""

import csv
import hashlib
import io
import json
import tarfile
import zipfile
from pathlib import Path

import pytest

from door import neocog, refused
from neocog.data.builtin import HERE

FILES = [
    path
    for kind in ("cat", "coffee", "rocket")
    for path in sorted((HERE / "photos" / kind).glob("*.jpg"))[:8]
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with a run that was trained on a zip archive with a table inside."""
    here = tmp_path_factory.mktemp("work")
    rows = [f"pictures/{path.name};{path.parent.name}" for path in FILES]
    with zipfile.ZipFile(here / "photos.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("labels.csv", "\r\n".join(["file;subject", *rows]))
        for path in FILES:
            archive.write(path, f"pictures/{path.name}")
    neocog("train", "photos.zip", "--columns", "label=subject", "--json", cwd=here)
    return here


def test_a_run_from_a_zip_holds_the_same_pictures_as_the_files_packed(place: Path) -> None:
    lines = (place / "runs" / "last" / "split.csv").read_text("utf-8").splitlines()
    found = {(row["path"], row["label"], row["sha256"]) for row in csv.DictReader(lines)}
    assert found == {
        (f"pictures/{path.name}", path.parent.name, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in FILES
    }


def test_a_list_on_stdin_and_a_packed_tar_score_the_same(place: Path) -> None:
    listed = "\n".join(f"{path}\t{path.parent.name}" for path in FILES)
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:xz", preset=0) as archive:
        for path in FILES:
            archive.add(path, f"{path.parent.name}/{path.name}")
    (place / "photos.tar.xz").write_bytes(data.getvalue())
    by_list = json.loads(neocog("eval", "runs/last", "-", "--json", cwd=place, stdin=listed).stdout)
    by_tar = json.loads(neocog("eval", "runs/last", "photos.tar.xz", "--json", cwd=place).stdout)
    assert by_list["n"] == len(FILES)
    assert by_list == by_tar


def test_wrong_tables_are_one_readable_line_with_file_and_line(place: Path) -> None:
    (place / "t.csv").write_text(f"path,label\n{FILES[0]},cat\nnowhere.jpg,dog\n")
    assert "t.csv:3: the picture must exist, got 'nowhere.jpg', which does not" in refused(
        "train", "t.csv", cwd=place
    )
    assert "unknown column for label" in refused("train", "t.csv", "--columns", "label=lable", cwd=place)
    assert "columns must be given as ROLE=COLUMN" in refused(
        "train", "t.csv", "--columns", "label", cwd=place
    )
    (place / "photos.zip").rename(place / "cut.zip")
    whole = (place / "cut.zip").read_bytes()
    (place / "cut.zip").write_bytes(whole[: len(whole) // 2])
    assert "cut.zip is no whole zip archive" in refused("train", "cut.zip", cwd=place)


def test_a_group_of_a_table_is_on_one_side_and_two_labels_are_told(tmp_path: Path) -> None:
    """Patients of two pictures each, one of whose pictures lies in another class, too."""
    shown = [path for path in FILES if path.parent.name != "rocket"]
    rows = [f"{path},{path.parent.name},p{i // 2}" for i, path in enumerate(shown)]
    copy = tmp_path / "copy.jpg"
    copy.write_bytes(shown[0].read_bytes())
    rows.append(f"{copy},coffee,p9")
    (tmp_path / "t.csv").write_text("\n".join(["path,label,patient", *rows]) + "\n")
    done = neocog("train", "t.csv", cwd=tmp_path)
    assert "each group on one side" in done.stderr
    assert "warning: 1 picture under two labels" in done.stderr
    lines = (tmp_path / "runs" / "last" / "split.csv").read_text("utf-8").splitlines()
    parts: dict[str, set[str]] = {}
    for row in csv.DictReader(lines):
        patient = dict(zip(map(str, [*shown, copy]), (line.rsplit(",", 1)[1] for line in rows), strict=True))
        place = row["path"] if row["path"] in patient else str(tmp_path / row["path"])
        parts.setdefault(patient[place], set()).add(row["part"])
    assert all(len(sides) == 1 for sides in parts.values())
    assert {side for sides in parts.values() for side in sides} == {"train", "val"}
