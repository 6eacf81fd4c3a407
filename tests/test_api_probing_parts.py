"""`neocog probe --boxes`: features of boxes and places from a table, beside the estimators on the same arrays."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import neocog
import trees
from door import neocog as command
from door import refused
from neocog.api.probing.parted import parted
from neocog.api.probing.regions import regions_of
from neocog.classical.parts.aligned import aligned
from neocog.classical.parts.boxes import CUB_BODY, CUB_HEAD, Parted, group_boxes
from neocog.classical.parts.pooling import PartPooling
from neocog.classical.tiny import TinyImages
from neocog.data.samples import Picture, Samples
from neocog.data.source import open_dataset
from neocog.errors import UserError
from neocog.progress import Silent
from striped import flock

BOX = ("path", "part", "x", "y", "width", "height")
PLACE = BOX[:4]


def write_table(path: Path, header: tuple[str, ...], rows: list[tuple[Any, ...]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


@pytest.fixture(scope="module")
def birds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two parts anywhere; the class is in which of them is striped. Every tenth picture does not show the second."""
    root = tmp_path_factory.mktemp("parts")
    rng, rows = np.random.default_rng(0), []
    for i in range(40):
        pixels = rng.integers(0, 60, (64, 64, 3), np.uint8)
        places = rng.permutation(rng.integers(0, 18, (2, 2)) + [[0, 0], [28, 28]])
        x, y = places[i % 2]
        pixels[y : y + 16 : 4, x : x + 16] = 255
        path = root / "data" / "ab"[i % 2] / f"{i:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        for part, (x, y) in zip(("head", "tail"), places, strict=True):
            if part == "head" or i % 10:
                rows.append((f"data/{path.parent.name}/{path.name}", part, x, y, 16, 16))
    write_table(root / "parts.csv", BOX, rows)
    return root


def as_parted(root: Path) -> list[Parted]:
    """The same pictures with their boxes, in the order of their paths."""
    with (root / "parts.csv").open() as file:
        boxes = {
            (row["path"], row["part"]): [float(row[side]) for side in BOX[2:]] for row in csv.DictReader(file)
        }
    found = []
    for path in sorted((root / "data").rglob("*.png")):
        name = path.relative_to(root).as_posix()
        those = [boxes.get((name, part), [np.nan] * 4) for part in ("head", "tail")]
        found.append(Parted(np.asarray(Image.open(path)), np.array(those)))
    return found


def test_features_are_those_of_part_pooling(birds: Path) -> None:
    found, regions = parted("classical:tiny", birds / "data", str(birds / "parts.csv"), Silent(), {})
    assert regions.parts == ("head", "tail")
    X = as_parted(birds)
    wanted = PartPooling(TinyImages()).fit(X).transform(X)
    assert (wanted[:, wanted.shape[1] // 2 :] == 0).all(axis=1).sum() == 4
    np.testing.assert_allclose(found.features["features"], wanted, atol=1e-6)
    assert len(found.hashes) == 40  # those of the pictures, not of their parts


class Counted:
    """Pictures that count how often one is read."""

    def __init__(self, samples: Samples):
        self.samples, self.reads = samples, 0

    def __len__(self) -> int:
        return len(self.samples)

    def name(self, index: int) -> str:
        return self.samples.name(index)

    def read(self, index: int) -> Picture:
        self.reads += 1
        return self.samples.read(index)


def test_a_picture_is_decoded_once_for_all_of_its_parts(birds: Path) -> None:
    """But where a batch of eight ends between two of its 76 parts; once more it is read to know its content."""
    dataset = open_dataset(birds / "data")
    counted = Counted(dataset.samples)
    parted("classical:tiny", replace(dataset, samples=counted), str(birds / "parts.csv"), Silent(), {})
    assert counted.reads <= 40 + 40 + 9


def test_a_network_sees_each_part_as_a_picture_of_its_own(birds: Path) -> None:
    options: Any = {"engine": "torch", "img_size": 32}
    found, _ = parted("efficientnet_lite0", birds / "data", str(birds / "parts.csv"), Silent(), options)
    crops = [
        b.picture[int(y) : int(y) + 16, int(x) : int(x) + 16]
        for b in as_parted(birds)[:3]
        for x, y, *_ in b.boxes[:1]
    ]
    alone = neocog.embed("efficientnet_lite0", (crops, ["bird"] * 3), **options).read()
    width = found.features["features"].shape[1] // 2
    np.testing.assert_allclose(found.features["features"][:3, :width], alone.features["features"], atol=1e-5)


def test_parts_tell_what_the_whole_does_not_and_kernels_of_parts_are_summed(birds: Path) -> None:
    words = ("probe", "classical:tiny", "data", "--per-class", 12, "--splits", 2, "--kind", "svm", "--json")
    whole = json.loads(command(*words, cwd=birds).stdout)
    summed = ("--boxes", "parts.csv", "--combine", "uniform,alignment", "--kernel", "rbf")
    told = json.loads(command(*words, *summed, cwd=birds).stdout)
    assert told["parts"] == ["head", "tail"] and whole["parts"] == []
    rows = {row["kind"]: row for row in told["results"]}
    assert list(rows) == ["svm", "sum-uniform", "sum-alignment"]
    assert rows["svm"]["counts"] is None
    assert rows["sum-uniform"]["counts"] == pytest.approx({"head": 0.5, "tail": 0.5})
    assert rows["sum-alignment"]["layer"] == "head + tail"
    assert min(row["balanced_mean"] for row in rows.values()) > 0.85
    assert whole["results"][0]["balanced_mean"] < 0.75


def test_several_boxes_of_a_part_are_averaged(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (40, 40, 3), np.uint8)
    for name in ("a/0.png", "b/1.png"):
        (tmp_path / name).parent.mkdir()
        Image.fromarray(pixels if name == "a/0.png" else pixels[::-1]).save(tmp_path / name)
    boxes = [
        ("a/0.png", "wing", 0, 0, 9, 9),
        ("b/1.png", "wing", 3, 3, 5, 5),
        ("a/0.png", "wing", 20, 8, 9, 7),
    ]
    table = write_table(tmp_path / "t.csv", BOX, boxes)
    found, _ = parted("classical:tiny", tmp_path, str(table), Silent(), {})
    first, second = (pixels[:9, :9], pixels[8:15, 20:29])
    wanted = TinyImages().transform([first, second]).mean(axis=0)
    np.testing.assert_allclose(found.features["features"][0], wanted, atol=1e-6)


def test_one_vs_one_features_of_places(tmp_path: Path) -> None:
    """Stripes at the first part tell the class; the other part's run at random."""
    X, y = flock(60, 0)
    rows = []
    for i, (bird, name) in enumerate(zip(X, y, strict=True)):
        path = tmp_path / "data" / "ab"[name] / f"{i:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(bird.picture).save(path)
        rows += [
            (f"data/{'ab'[name]}/{i:02}.png", part, *bird.points[k, :2])
            for k, part in enumerate(("beak", "tail"))
        ]
    write_table(tmp_path / "places.csv", PLACE, rows)
    words = ("probe", "classical:cells", "data", "--boxes", "places.csv", "--kind", "one-vs-one")
    told = json.loads(
        command(*words, "--scale", "none", "--per-class", 20, "--splits", 2, "--json", cwd=tmp_path).stdout
    )
    assert told["parts"] == ["beak by tail", "tail by beak"]
    regions = regions_of(str(tmp_path / "places.csv"), open_dataset(tmp_path / "data"))
    patch = np.asarray(regions.cuts[1](Image.fromarray(X[0].picture)))
    assert (int(regions.rows[1]), int(regions.part[1])) == (0, 1)
    np.testing.assert_allclose(patch, aligned(X[0].picture, X[0].points, 1, 0), atol=0.51)
    assert told["best"]["kind"] == "one-vs-one"
    assert told["results"][0]["balanced_mean"] > 0.85
    assert "reads cells as they are" in refused(*words, cwd=tmp_path)
    other = ("probe", "classical:tiny", *words[2:], "--scale", "none")
    assert "learns from cells of aligned parts" in refused(*other, cwd=tmp_path)


def test_heads_and_bodies_are_boxes_about_the_places_of_cub(tmp_path: Path) -> None:
    dataset = open_dataset(trees.cub200(tmp_path / "cub"))
    dataset.columns["parts"][..., 1] *= 3.7
    found = regions_of("head-body", dataset)
    assert found.parts == ("body", "head")
    shapes: list[NDArray[Any]] = []
    for i, cut in enumerate(found.cuts):
        row, part = int(found.rows[i]), found.parts[found.part[i]]
        group = {"head": CUB_HEAD, "body": CUB_BODY}[part]
        x, y, width, height = group_boxes(dataset.columns["parts"][row], [group], 0.25)[0]
        ramp = np.stack([*np.meshgrid(np.arange(90), np.arange(60)), np.zeros((60, 90))], axis=2).astype(
            np.uint8
        )
        got = np.asarray(cut(Image.fromarray(ramp)))
        assert (got[0, 0, 0], got[0, 0, 1]) == (max(0, np.floor(x)), max(0, np.floor(y)))
        assert got.shape[:2] == (
            min(60, np.ceil(y + height)) - max(0, np.floor(y)),
            min(90, np.ceil(x + width)) - max(0, np.floor(x)),
        )
        shapes.append(got)
    assert len(shapes) == 8
    dataset.columns["parts"][..., 2] = 0
    with pytest.raises(UserError, match="places that are seen, got none in cub"):
        parted("classical:tiny", dataset, "head-body", Silent(), {})
    with pytest.raises(UserError, match="for data with the 15 places"):
        regions_of("head-body", open_dataset("builtin/digits"))


@pytest.mark.parametrize(
    ("header", "rows", "said"),
    [
        (("path", "part", "x"), [("a", "h", 1)], "must have the columns path, part, x and y"),
        (BOX[:5], [("a", "h", 1, 1, 1)], "must have the columns path, part, x and y"),
        (BOX, [("none.png", "h", 0, 0, 3, 3)], "must name pictures of data, as a/00.png"),
        (BOX, [("data/a/00.png", "h", 0, 0, 0, 3)], ":2: x, y, width, height must be finite numbers"),
        (BOX, [("data/a/00.png", "h", "left", 0, 3, 3)], ":2: x, y, width, height must be finite numbers"),
        (BOX, [("data/a/00.png", "", 0, 0, 3, 3)], ":2: a part must have a name"),
        (PLACE, [("data/a/00.png", "h", 0, 0)], "places must be of two to five parts"),
        (PLACE, [("data/a/00.png", p, 0, i) for i, p in enumerate("abcdef")], "two to five parts"),
        (
            PLACE,
            [("data/a/00.png", p, 0, i) for i, p in enumerate("aba")],
            "must have one place, got a again",
        ),
        (PLACE, [("data/a/00.png", "h", 0, 0), ("data/a/02.png", "t", 0, 0)], "got no picture with two"),
    ],
)
def test_tables_that_are_wrong_are_told(
    birds: Path, tmp_path: Path, header: tuple[str, ...], rows: list[tuple[Any, ...]], said: str
) -> None:
    table = write_table(birds / f"{tmp_path.name}.csv", header, rows)
    with pytest.raises(UserError, match=said):
        neocog.probe("classical:tiny", birds / "data", boxes=table)


@pytest.mark.parametrize("part", ["", '"part": null, ', '"part": "", '])
def test_a_line_of_json_without_a_part_is_told(birds: Path, tmp_path: Path, part: str) -> None:
    table = birds / f"{tmp_path.name}.jsonl"
    sides = '"x": 0, "y": 0, "width": 3, "height": 3}'
    table.write_text(
        f'{{"path": "data/a/00.png", "part": "h", {sides}\n{{"path": "data/a/02.png", {part}{sides}\n'
    )
    with pytest.raises(UserError, match=":2: a part must have a name, got none"):
        regions_of(str(table), open_dataset(birds / "data"))


@pytest.mark.parametrize("folder", ["data", "tables/../data"])
def test_a_table_in_another_folder_names_pictures_from_there(
    birds: Path, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name of a picture there, with `..`, is that of the same file."""
    (birds / "tables").mkdir(exist_ok=True)
    row = ("../data/a/00.png", "head", 0, 0, 3, 3)
    table = write_table(birds / "tables" / "boxes.csv", BOX, [row])
    monkeypatch.chdir(birds)
    for given in (birds / folder, folder):
        assert regions_of(str(table), open_dataset(given)).rows.tolist() == [0]
        assert regions_of("tables/boxes.csv", open_dataset(given)).rows.tolist() == [0]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"combine": "uniform"}, "kernels of several kinds of features are summed, got features alone"),
        ({"combine": "unifrom"}, "unknown way to weigh kernels 'unifrom'; did you mean uniform"),
        ({"kernel": "rbf"}, "kernel is for kernels that are summed, got rbf"),
        ({"combine": "uniform", "kernel": "rfb"}, "unknown kernel 'rfb'; did you mean rbf"),
        ({"combine": "uniform", "kernel": "hed=rbf", "boxes": "parts.csv"}, "did you mean head"),
        ({"combine": "uniform", "kernel": "chi2"}, "chi2 compares histograms, .* got scale standard"),
        ({"combine": "uniform", "kernel": "a=intersection"}, "intersection compares histograms"),
        ({"combine": "uniform", "kernel": ["a=rbf", "a=linear"]}, "one kernel of a, got rbf and linear"),
        (
            {"combine": "uniform", "kernel": ["rbf", "linear"]},
            "of all that are not named, got rbf and linear",
        ),
        ({"combine": "uniform", "scale": "l2"}, "each kind of features at a length of its own, got scale l2"),
        ({"kinds": "one-vs-one", "scale": "none"}, "got no places of parts; take classical:cells"),
        ({"protocol": "decaf-cub", "boxes": "parts.csv"}, "cuts pictures to their boxes, got boxes"),
        ({"boxes": "parts.csv", "save": "r"}, "pictures as they are, not cut to boxes"),
        ({"boxes": "nothing.csv"}, "cannot open"),
    ],
)
def test_options_that_do_not_go_together_are_told(
    birds: Path, options: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(birds)
    source = "efficientnet_lite0" if "save" in options else "classical:tiny"
    with pytest.raises(UserError, match=said):
        neocog.probe(source, birds / "data", **options)


@pytest.mark.parametrize("options", [{"kernel": "chi2"}, {"kernel": ["rbf", "rbf"]}, {"scale": "l2"}])
def test_sums_that_cannot_be_are_refused_before_any_picture_is_read(options: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="--scale|leave one"):
        neocog.probe("classical:tiny+lbp", "no/such/data", combine="uniform", **options)
    with pytest.raises(UserError, match="no places of parts"):
        neocog.probe("classical:cells", "no/such/data", kinds="one-vs-one", scale="none")


def test_parts_are_cut_out_of_pictures(birds: Path, tmp_path: Path) -> None:
    neocog.embed("classical:tiny", birds / "data", output=tmp_path / "f.npz")
    for source, data in ((tmp_path / "f.npz", birds / "data"), ("classical:tiny", None)):
        with pytest.raises(UserError, match="parts are cut out of pictures, got features of"):
            neocog.probe(source, data, boxes=birds / "parts.csv")


def test_a_damaged_picture_is_left_out_and_named(birds: Path, tmp_path: Path) -> None:
    for path in sorted((birds / "data").rglob("*.png"))[:6] + sorted((birds / "data").rglob("*.png"))[-6:]:
        copy = tmp_path / path.relative_to(birds)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    broken = tmp_path / "data" / "a" / "02.png"
    broken.write_bytes(broken.read_bytes()[:400])
    table = tmp_path / "parts.csv"
    table.write_text((birds / "parts.csv").read_text())
    found, _ = parted("classical:tiny", tmp_path / "data", str(table), Silent(), {})
    assert len(found.dataset) == len(found.hashes) == len(found.features["features"]) == 11
    assert {Path(name).name for name, _ in found.skipped} == {"02.png (head)", "02.png (tail)"}
    assert "02.png" not in {found.dataset.short_name(i) for i in range(11)}


def test_strict_refuses_what_cannot_be_opened_or_decoded(birds: Path, tmp_path: Path) -> None:
    shutil.copytree(birds / "data", tmp_path / "data")
    shutil.copy(birds / "parts.csv", tmp_path)
    dataset, table, broken = (
        open_dataset(tmp_path / "data"),
        tmp_path / "parts.csv",
        tmp_path / "data/a/02.png",
    )
    broken.write_bytes(broken.read_bytes()[:400])
    for _ in range(2):  # damaged, then gone
        assert parted("classical:tiny", dataset, str(table), Silent(), {})[0].skipped
        with pytest.raises(UserError, match=r"readable with --strict, .*02\.png"):
            parted("classical:tiny", dataset, str(table), Silent(), {"strict": True})
        broken.unlink(missing_ok=True)


def test_what_has_no_part_and_rows_of_other_pictures_are_said(birds: Path, tmp_path: Path) -> None:
    lines = (birds / "parts.csv").read_text().splitlines()
    kept = [line for line in lines if "/00.png" not in line]
    (birds / "some.csv").write_text(
        "\n".join([*kept, "data/a/99.png,head,0,0,3,3", "data/a/02.png,tail,90,90,3,3"])
    )
    done = command(
        "probe", "classical:tiny", "data", "--boxes", "some.csv", "--kind", "ncm", "--json", cwd=birds
    )
    assert "left out: 1 row of some.csv" in done.stderr
    assert "1 of 40 pictures show no part" in done.stderr
    (skipped,) = json.loads(done.stdout)["skipped"]
    assert skipped["path"].endswith("02.png (tail)") and "nothing of the box" in skipped["reason"]
