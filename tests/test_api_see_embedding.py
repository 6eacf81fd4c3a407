"""`neocog see embedding` through the real command: which picture is where, which are shown, and what it refuses."""

import base64
import io
import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

import neocog
from door import neocog as command
from door import refused
from neocog.data.balanced import balanced
from neocog.errors import UserError
from pages import Page

NS = "{http://www.w3.org/2000/svg}"
NETWORK = """
import torch
from torch import nn

def small():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 5))

def constant():
    net = small()
    nn.init.zeros_(net[0].weight)
    return net
"""
MODEL = "net.py:small"
PLAIN = ("--engine", "torch", "--img-size", 12)


def colour(i: int) -> tuple[int, int, int]:
    return (10 + 12 * i, 240 - 12 * i, 90)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eighteen pictures of one colour each, one unreadable in their middle, in two parts; and another domain."""
    root = tmp_path_factory.mktemp("see-embedding")
    for i in range(18):
        folder = root / "data" / ("train" if i % 3 else "val") / ("ant" if i < 12 else "bee")
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (12, 12), colour(i)).save(folder / f"{i:02}.png")
    (root / "data" / "train" / "ant" / "04b.png").write_bytes(b"no picture")
    for i in range(12):
        (root / "other" / ("ant", "bee")[i % 2]).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (12, 12), (9 * i, 9 * i, 200)).save(
            root / "other" / ("ant", "bee")[i % 2] / f"{i}.png"
        )
    (root / "net.py").write_text(NETWORK)
    return root


@pytest.fixture(scope="module")
def seen(place: Path) -> dict[str, Any]:
    done = command("see", "embedding", MODEL, "data", *PLAIN, "-o", "out", "--json", cwd=place)
    assert "skipped train/ant/04b.png" in done.stderr
    assert "page  out/index.html" in done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_each_row_is_of_the_picture_that_it_names(place: Path, seen: dict[str, Any]) -> None:
    """Also behind the one that cannot be read."""
    names = [row["picture"] for row in seen["shown"]]
    assert len(names) == len(set(names)) == 18
    assert seen["skipped"] == [{"picture": "train/ant/04b.png", "reason": seen["skipped"][0]["reason"]}]
    assert seen["of"] == 19
    for row in seen["shown"]:
        part, label, file = row["picture"].split("/")
        assert (row["part"], row["label"]) == (part, label)
    svg = ElementTree.parse(place / "out" / "features-thumbnails.svg").getroot()
    groups = [g for g in svg.iter(f"{NS}g") if g.get("class") != "v"]
    for row, group in zip(seen["shown"], groups, strict=True):
        assert group[0].text == f"{row['label']}: {row['picture']}"
        (image,) = group.iter(f"{NS}image")
        shown = Image.open(io.BytesIO(base64.b64decode(image.get("href", "").partition("base64,")[2])))
        number = int(Path(row["picture"]).stem)
        assert shown.getpixel((3, 3)) == colour(number)


def test_points_and_purity_follow_from_the_features(place: Path, seen: dict[str, Any]) -> None:
    features = neocog.embed(f"{place / MODEL}", place / "data", engine="torch", img_size=12).read()
    order = [features.dataset.short_name(i) for i in range(18)]
    rows = features.features["features"][[order.index(row["picture"]) for row in seen["shown"]]].astype(float)
    labels = [row["label"] for row in seen["shown"]]
    shares = []
    for i in range(18):
        near = sorted((j for j in range(18) if j != i), key=lambda j: ((rows[i] - rows[j]) ** 2).sum())[:10]
        shares.append(sum(labels[j] == labels[i] for j in near) / 10)
    pure = seen["layers"]["features"]["purity"]["label"]
    assert pure["features"] == pytest.approx(np.mean(shares), abs=0.02)  # ties of equal distance
    ants = [share for share, label in zip(shares, labels, strict=True) if label == "ant"]
    assert pure["by_kind"]["ant"]["pictures"] == len(ants) == 12
    assert pure["chance"] == pytest.approx((12 * 11 + 6 * 5) / (18 * 17))
    assert seen["layers"]["features"]["numbers"] == 24
    projected = neocog.see.embedding(
        f"{place / MODEL}", place / "data", method="pca", engine="torch", img_size=12
    )
    left, sizes, _ = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    found = projected.layers["features"].points
    np.testing.assert_allclose(np.abs(found), np.abs(left[:, :2] * sizes[:2]), atol=1e-4)


def test_people_read_the_figures_and_the_page_needs_nothing_else(place: Path) -> None:
    done = command("see", "embedding", MODEL, "data", *PLAIN, "--layer", "0,3", "--method", "pca", cwd=place)
    assert re.search(r"pictures +18 of 19\n", done.stdout)
    assert re.search(r"cannot be read +1 picture\n", done.stdout)
    assert re.search(
        r"10-NN purity, class, 3 +\d+\.\d % among the features, \d+\.\d % in the plane", done.stdout
    )
    assert done.stdout.endswith("page  seen/embedding/index.html\n")
    folder = place / "seen" / "embedding"
    assert {path.name for path in folder.iterdir()} == {
        "index.html", "seen.json", "0-label.svg", "0-thumbnails.svg", "3-label.svg", "3-thumbnails.svg",
    }  # fmt: skip
    text = (folder / "index.html").read_text()
    page = Page(text)
    assert "<script" not in text and not re.search(r'(src|href)="(?!data:|#)', text)
    ids = [element.attributes["id"] for element in page.root.walk() if "id" in element.attributes]
    assert len(ids) == len(set(ids)) == 36


def test_a_file_of_features_gives_the_same_points_without_data(place: Path, seen: dict[str, Any]) -> None:
    command("embed", MODEL, "data", *PLAIN, "-o", "f.npz", cwd=place)
    found = json.loads(command("see", "embedding", "f.npz", "--json", cwd=place).stdout)
    assert [row["picture"] for row in found["shown"]] == [row["picture"] for row in seen["shown"]]
    own, given = (one["layers"]["features"]["points"] for one in (seen, found))
    np.testing.assert_allclose(own, given, atol=1e-3)


def test_several_data_are_domains(place: Path) -> None:
    words = ("see", "embedding", MODEL, "data", "other", *PLAIN, "-o", "domains", "--json")
    found = json.loads(command(*words, cwd=place).stdout)
    assert found["data"] == ["data", "other"]
    assert [row["domain"] for row in found["shown"]].count("other") == 12
    for row in found["shown"]:
        assert (place / row["domain"] / row["picture"]).is_file()
    assert set(found["layers"]["features"]["purity"]) == {"label", "domain"}
    assert (place / "domains" / "features-domain.svg").is_file()
    only = neocog.see.embedding(
        f"{place / MODEL}", place / "data", method="pca", color="part", engine="torch", img_size=12
    )
    assert only.pictures.order["part"] == ("train", "val")
    assert set(only.layers["features"].purity) == {"part"}


def test_a_subsample_is_balanced_and_its_own_at_each_call(place: Path) -> None:
    both = [
        neocog.see.embedding(
            f"{place / MODEL}", place / "data", pictures=12, method="pca", engine="torch", img_size=12
        )
        for _ in range(2)
    ]
    names = [one.pictures.names for one in both]
    assert names[0] == names[1]
    labels = both[0].pictures.said["label"].tolist()
    assert labels.count("bee") == 6


def test_balanced_takes_all_of_the_rare_and_equally_many_of_the_others() -> None:
    kinds = np.repeat([7, 3, 9, 4], [100, 2, 50, 1])
    for most in (4, 10, 33, 80, 153, 200):
        rows = balanced(kinds, most)
        assert len(rows) == min(most, 153) == len(set(rows.tolist()))
        assert (np.diff(rows) > 0).all()
        counts = {kind: int((kinds[rows] == kind).sum()) for kind in (7, 3, 9, 4)}
        level = max(counts.values())
        for kind, there in ((7, 100), (3, 2), (9, 50), (4, 1)):
            assert counts[kind] == there or counts[kind] >= level - 1
    spread = balanced(np.zeros(100), 10)
    assert np.diff(spread).tolist() == [10] * 9


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("other", "--pictures", 5), "at least 12 pictures must be shown, got 5"),
        (("data/val",), "an embedding needs at least 12 pictures, got 6 that can be read; give more DATA"),
        (
            ("other", "--color", "part"),
            "color part needs pictures with a part, other says none; choose label",
        ),
        (
            ("other", "--color", "domain"),
            "color domain needs several DATA, each of which is one, got 1; name several",
        ),
        (("other", "--color", "hue"), "unknown color 'hue'"),
        (("other", "--method", "tsen"), "unknown method 'tsen'; did you mean tsne"),
        (("other", "--layer", "conv9"), "conv9"),
        ((), "pictures are needed, net.py:small is no file of features; give DATA"),
    ],
)
def test_what_cannot_be_is_one_line(place: Path, words: tuple[object, ...], message: str) -> None:
    assert message in refused("see", "embedding", MODEL, *words, *PLAIN, cwd=place)


def test_a_file_of_features_that_is_not_there_is_said_to_be(place: Path) -> None:
    said = refused("see", "embedding", "gone.npz", "other", cwd=place)
    assert said == "gone.npz does not exist; give a file that neocog embed wrote, or a model or run"


def test_features_that_are_all_alike_are_no_picture(place: Path) -> None:
    message = "features is the same for all 12 pictures, so there is nothing to draw"
    assert message in refused("see", "embedding", "net.py:constant", "other", *PLAIN, cwd=place)


def test_a_colour_is_refused_before_anything_is_computed(place: Path) -> None:
    for color in ("hue", "domain"):
        words = ("see", "embedding", "net.py:nothing", "other", "--color", color)
        assert "color" in refused(*words, cwd=place).split(";")[0]


def test_the_short_help_has_the_size_and_hides_the_machine(place: Path) -> None:
    short, whole = (command("see", "embedding", flag, cwd=place).stdout for flag in ("--help", "--help-all"))
    assert "--img-size" in short
    for flag in ("--engine", "--device", "--model"):
        assert flag not in short and flag in whole


def test_a_keyword_that_the_view_does_not_have_is_named(place: Path) -> None:
    with pytest.raises(TypeError, match=r"see embedding\(\) has no argument 'layer'; did you mean layers"):
        neocog.see.embedding(f"{place / MODEL}", place / "other", layer="0")


def test_pictures_without_labels_are_shown_without_figures(place: Path, tmp_path: Path) -> None:
    (tmp_path / "flat").mkdir()
    for i in range(12):
        Image.new("RGB", (12, 12), colour(i)).save(tmp_path / "flat" / f"{i}.png")
    source = f"{place / MODEL}"
    seen = neocog.see.embedding(source, tmp_path / "flat", method="pca", engine="torch", img_size=12)
    assert seen.layers["features"].purity == {}
    assert "purity" not in str(seen)
    with pytest.raises(UserError, match="color label needs pictures with a label"):
        neocog.see.embedding(source, tmp_path / "flat", color="label", engine="torch", img_size=12)
