"""`neocog data split` and what takes its manifest, through their doors."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from random import Random

import numpy as np
import pandas
import pytest
from PIL import Image

import neocog as nc
from door import neocog, refused
from neocog.api.data.split import manifest_place
from neocog.data.builtin import HERE
from neocog.data.dataset import Dataset
from neocog.data.reading import Reading
from neocog.data.samples import Arrays
from neocog.data.source import open_dataset
from neocog.errors import UserError

SUBJECTS = ("cat", "coffee", "rocket")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of twelve pictures, with a copy under another name and an empty file."""
    data = tmp_path_factory.mktemp("split") / "photos"
    for name in SUBJECTS:
        shutil.copytree(HERE / "photos" / name, data / name)
    first = sorted((data / "cat").iterdir())[0]
    shutil.copy(first, data / "cat" / "copy.jpg")
    (data / "rocket" / "empty.jpg").write_bytes(b"")
    return data


def test_the_command_writes_a_manifest_that_eval_and_train_take(photos: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in photos.rglob("*.jpg")}
    done = neocog("data", "split", photos, "--val", "0.25", "--test", "0.25", "--json", cwd=tmp_path)
    figures = json.loads(done.stdout)
    assert "empty.jpg: empty file" in done.stderr
    assert "1 picture kept with an exact copy" in done.stderr
    assert {path: path.read_bytes() for path in photos.rglob("*.jpg")} == before
    frame = pandas.read_csv(tmp_path / "split.csv", index_col="path")
    assert len(frame) == 38
    assert frame.loc["rocket/empty.jpg", "part"] == "skipped"
    shares = frame[frame.part != "skipped"].groupby(["label", "part"]).size().unstack()
    assert shares.to_dict("index") == {name: dict(row) for name, row in figures["counts"].items()}
    assert shares.loc["coffee"].to_dict() == {"train": 6, "val": 3, "test": 3}
    copies = frame[frame.duplicated("sha256", keep=False) & (frame.part != "skipped")]
    assert len(copies) == 2
    assert copies.part.nunique() == 1
    assert copies.group.nunique() == 1

    data = shutil.copytree(photos, tmp_path / "photos")
    changed = frame.index[frame.part == "val"][0]
    Image.new("RGB", (50, 50), "red").save(data / changed)
    done = neocog("train", data, "--split", "split.csv", "--json", cwd=tmp_path)
    (skipped,) = json.loads(done.stdout)["skipped"]
    assert Path(skipped["path"]) == data / changed
    assert skipped["reason"] == "changed since split.csv was made: its SHA-256 is another"
    own = pandas.read_csv(tmp_path / "runs" / "last" / "split.csv", index_col="path")
    assert own.columns.tolist() == frame.columns.tolist()
    wanted = {**frame.part.to_dict(), changed: "skipped"}
    assert own.part.to_dict() == {path: part for path, part in wanted.items() if path != "rocket/empty.jpg"}
    again = open_dataset(data, Reading(split=tmp_path / "runs" / "last"))
    assert {again.short_name(i): str(again.parts[i]) for i in range(len(again))} == {
        path: part for path, part in wanted.items() if part != "skipped"
    }
    scored = neocog("eval", "runs/last", data, "--split", "split.csv", "--json", cwd=tmp_path)
    assert json.loads(scored.stdout)["n"] == (frame.part == "test").sum()
    assert "trained the model" not in scored.stderr


def test_a_split_is_the_same_under_other_names_and_in_another_order(photos: Path, tmp_path: Path) -> None:
    contents = [path for path in photos.rglob("*.jpg") if path.stat().st_size]
    random = Random(0)
    random.shuffle(contents)
    other = dict(zip(SUBJECTS, ("z", "y", "x"), strict=True))
    for i, path in enumerate(contents):
        folder = tmp_path / "renamed" / other[path.parent.name]
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / f"{i}.jpg")
    wish = {"val": 0.2, "test": 0.15}
    one, two = (nc.split_data(data, **wish) for data in (photos, tmp_path / "renamed"))  # type: ignore[arg-type]
    parts = {row.sha256: row.part for row in one.rows if row.sha256}
    assert {row.sha256: row.part for row in two.rows} == parts
    third = nc.split_data(photos, **wish, seed=1)  # type: ignore[arg-type]
    assert {row.sha256: row.part for row in third.rows if row.sha256} != parts


def test_folds_and_groups(tmp_path: Path) -> None:
    """Twelve patients of five pictures; the groups of the manifest are theirs, and none is in two folds."""
    for i in range(60):
        folder = tmp_path / "xrays" / ("ill" if i // 5 % 3 == 0 else "well")
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("L", (5, 5), i).save(folder / f"p{i // 5:02}_{i % 5}.png")
    done = neocog("data", "split", "xrays", "-k", "4", "--group-by", r"p(\d+)_", "-o", "f.csv", cwd=tmp_path)
    frame = pandas.read_csv(tmp_path / "f.csv", dtype={"group": str})
    assert (frame.group == frame.path.str.extract(r"p(\d+)_")[0]).all()
    assert (frame.groupby("group").fold.nunique() == 1).all()
    assert frame.groupby(["fold", "label"]).size().unstack().to_numpy().tolist() == [[5, 10]] * 4
    assert "largest deviation of a class from the share wanted: 0.00 percentage points" in done.stdout
    dataset = open_dataset(tmp_path / "xrays", Reading(split=tmp_path / "f.csv", fold=2))
    assert set(np.array([dataset.short_name(i) for i in range(60)])[dataset.parts == "val"]) == set(
        frame.path[frame.fold == 2]
    )


def test_near_duplicates_that_are_passed_in_stay_together() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (40, 6, 6), dtype=np.uint8)
    data = Dataset("d", Arrays(pictures), np.zeros(40, int), ("a",), np.full(40, ""))
    near = np.full(40, -1)
    near[[3, 17, 29]] = 0
    chain = np.array(["" if i not in (29, 30) else "chain" for i in range(40)])
    for seed in range(20):
        rows = nc.split_data(data, val=0.5, groupings=[near, chain], seed=seed).rows
        assert len({rows[i].part for i in (3, 17, 29, 30)}) == 1
        assert len({rows[i].group for i in (3, 17, 29, 30)}) == 1
        assert rows[0].group == ""
    with pytest.raises(UserError, match=r"one value per picture, \(40,\), got \(39,\)"):
        nc.split_data(data, groupings=[near[1:]])


def test_groups_of_the_data_are_kept_whole_without_being_named() -> None:
    pictures = np.random.default_rng(1).integers(0, 256, (20, 4, 4), dtype=np.uint8)
    columns = {"group": np.arange(20) // 4}
    data = Dataset("d", Arrays(pictures), np.arange(20) % 2, ("a", "b"), np.full(20, ""), columns=columns)
    rows = nc.split_data(data).rows
    parts = [{row.part for row in rows[start : start + 4]} for start in range(0, 20, 4)]
    assert sorted(map(sorted, parts)) == [["train"]] * 4 + [["val"]]


def test_more_folds_than_pictures_are_refused() -> None:
    """Twenty pictures of five groups make five folds and not six."""
    pictures = np.random.default_rng(1).integers(0, 256, (20, 4, 4), dtype=np.uint8)
    columns = {"group": np.arange(20) // 4}
    data = Dataset("d", Arrays(pictures), np.arange(20) % 2, ("a", "b"), np.full(20, ""), columns=columns)
    assert len({row.fold for row in nc.split_data(data, folds=5).rows}) == 5
    with pytest.raises(nc.UserError, match="5 pictures or groups to divide, too few for 6 folds"):
        nc.split_data(data, folds=6)


def test_near_duplicates_that_are_found_stay_together(tmp_path: Path) -> None:
    """Pairs of a photograph and the same one smaller and compressed anew: other bytes, the same sight."""
    for name in SUBJECTS:
        (tmp_path / "twins" / name).mkdir(parents=True)
        for i, path in enumerate(sorted((HERE / "photos" / name).glob("*.jpg"))[:4]):
            with Image.open(path) as image:
                image.save(tmp_path / "twins" / name / f"{i}.png")
                small = image.resize((image.width * 3 // 4, image.height * 3 // 4))
                small.save(tmp_path / "twins" / name / f"{i}.jpg", quality=70)

    def torn(near: bool) -> int:
        rows = nc.split_data(tmp_path / "twins", val=0.5, near=near).rows
        parts = {row.path: row.part for row in rows}
        return sum(part != parts[path.replace(".png", ".jpg")] for path, part in parts.items())

    assert torn(near=False) > 0
    assert torn(near=True) == 0


def test_pictures_of_several_classes_are_divided_by_each(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    targets = rng.random((200, 5)) < (0.5, 0.3, 0.2, 0.1, 0.05)
    pictures = rng.integers(0, 256, (200, 4, 4), dtype=np.uint8)
    data = Dataset("d", Arrays(pictures), np.full(200, -1), tuple("abcde"), np.full(200, ""), targets=targets)
    made = nc.split_data(data, val=0.25)
    judged = np.array([row.part == "val" for row in made.rows])
    assert np.abs(targets[judged].sum(axis=0) - targets.sum(axis=0) / 4).max() <= 1
    assert abs(judged.sum() - 50) <= 1
    assert made.rows[0].label == "|".join(np.array(list("abcde"))[targets[0]])
    assert made.totals.tolist() == [(~judged).sum(), judged.sum()]


def test_a_split_shows_itself(photos: Path) -> None:
    made = nc.split_data(photos, test=0.1)
    assert made.table().header == ("class", "train", "val", "test", "all")
    last = made.table().rows[-1]
    assert sum(last[1:4]) == last[4] == 37  # type: ignore[arg-type]
    assert made.to_json()["totals"] == dict(zip(("train", "val", "test"), last[1:4], strict=True))
    assert made._repr_html_().count("<tr>") == 5


def test_a_manifest_replaces_nothing_and_lies_among_no_pictures_unless_named(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos / "cat")
    with pytest.raises(UserError, match="a manifest may not lie among the pictures"):
        manifest_place(photos, None)
    (tmp_path / "split.csv").write_text("mine")
    assert "name it with -o to replace it" in refused("data", "split", photos, cwd=tmp_path)
    assert (tmp_path / "split.csv").read_text() == "mine"
    nc.split_data(photos).save(tmp_path / "split.csv")
    assert len(pandas.read_csv(tmp_path / "split.csv")) == 38


def test_splits_and_figures_load_neither_torch_nor_scikit_learn() -> None:
    code = (
        "import sys, neocog; neocog.split_data('builtin/photos'); neocog.data_stats('builtin/photos');"
        "print('torch' in sys.modules, 'sklearn' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
