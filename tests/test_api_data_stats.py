"""`neocog data stats` through its doors."""

import csv
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

import neocog as nc
from door import neocog, refused
from neocog.draw.balance import MOST, ClassCount, balance, shown, text_balance
from neocog.errors import UserError

SVG = "{http://www.w3.org/2000/svg}"
NASTY = "<script>alert(1)</script> & co"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train and test folders of three unequal classes, one with a hostile name."""
    root = tmp_path_factory.mktemp("stats") / "tree"
    rng = np.random.default_rng(0)
    for part, counts in (("train", (8, 4, 2)), ("test", (2, 1, 1))):
        for name, n in zip(("ant", NASTY.replace("/", "\N{FRACTION SLASH}"), "cat"), counts, strict=True):
            folder = root / part / name
            folder.mkdir(parents=True)
            for i in range(n):
                Image.fromarray(rng.integers(0, 256, (6 + i, 9, 3), dtype=np.uint8)).save(folder / f"{i}.png")
    return root


def test_the_command_prints_what_numpy_computes(tree: Path, tmp_path: Path) -> None:
    done = neocog("data", "stats", tree, "--json", "-o", "counts.csv", cwd=tmp_path)
    found = json.loads(done.stdout)
    pictures = [np.asarray(Image.open(path)) for path in tree.rglob("*.png")]
    pixels = np.concatenate([picture.reshape(-1, 3) for picture in pictures]) / 255
    np.testing.assert_allclose(found["mean"], pixels.mean(axis=0), atol=1e-14)
    np.testing.assert_allclose(found["std"], pixels.std(axis=0), atol=1e-14)
    assert found["pixels"] == len(pixels)
    heights = [picture.shape[0] for picture in pictures]
    assert found["sizes"]["height"]["median"] == round(np.median(heights))
    assert found["sizes"]["width"] == {"least": 9, "5 %": 9, "median": 9, "95 %": 9, "most": 9}
    assert found["imbalance"] == 10 / 3
    assert found["bytes"] == sum(path.stat().st_size for path in tree.rglob("*.png"))
    rows = list(csv.reader((tmp_path / "counts.csv").read_text().splitlines()))
    assert rows[0] == ["class", "train", "test", "all"]
    assert sorted(row[1:] for row in rows[1:]) == [["2", "1", "3"], ["4", "1", "5"], ["8", "2", "10"]]


def test_the_text_shows_bars_and_numbers_to_copy(tree: Path, tmp_path: Path) -> None:
    text = neocog("data", "stats", tree, cwd=tmp_path).stdout
    ant = next(line for line in text.splitlines() if line.startswith("ant"))
    assert ant.split()[1:] == ["█" * 40, "10"]
    made = nc.data_stats(tree)
    assert f"mean={tuple(round(v, 4) for v in made.mean)}" in text


def test_a_part_and_a_sample(tree: Path) -> None:
    assert nc.data_stats(tree, part="test").to_json()["pictures"] == 4
    made = nc.data_stats(tree, sample=5, seed=3)
    assert made.to_json()["measured"] == 5
    assert made.to_json()["pictures"] == 18
    assert made.counts.sum() == 18
    assert any("5 of 18 pictures, seed 3" in note for note in made.notes)
    assert made.mean == nc.data_stats(tree, sample=5, seed=3).mean
    assert made.mean != nc.data_stats(tree, sample=5, seed=4).mean


def test_grey_pictures_have_one_channel() -> None:
    made = nc.data_stats("builtin/digits", img_size=8)
    assert len(made.mean) == len(made.std) == 1
    assert "8 x 8" in made.pixels_of
    nc.Preprocess(size=(8, 8), channels=1, mean=made.mean, std=made.std)


def test_pictures_without_labels_have_no_balance(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4), "red").save(tmp_path / "red.png")
    made = nc.data_stats(tmp_path)
    assert made.mean == (1, 0, 0)
    assert "nan" not in str(made) + made.page()
    assert re.findall(r"<h2>(.*?)</h2>", made.page()) == ["Sizes", "Pixels"]
    assert (made.to_json()["imbalance"], made.to_json()["unlabelled"]) == (None, 1)


def test_pages_and_plots_are_well_formed_and_escape_names(tree: Path, tmp_path: Path) -> None:
    made = nc.data_stats(tree)
    for ending in (".html", ".svg", ".json"):
        made.save(tmp_path / f"stats{ending}")
    page = (tmp_path / "stats.html").read_text()
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 2
    picture = ElementTree.fromstring((tmp_path / "stats.svg").read_text())
    bars = [bar for bar in picture.iter(f"{SVG}rect") if bar.find(f"{SVG}title") is not None]
    widths = {bar.find(f"{SVG}title").text: float(bar.get("width", 0)) for bar in bars}  # type: ignore[union-attr]
    assert widths["ant, train: 8"] == pytest.approx(8 * widths["cat, test: 1"], abs=0.05)
    assert json.loads((tmp_path / "stats.json").read_text()) == made.to_json()
    assert made._repr_html_().startswith("<svg")
    with pytest.raises(UserError, match="ending says its form"):
        made.save(tmp_path / "stats.pdf")


def test_of_many_classes_the_largest_and_the_smallest_are_drawn() -> None:
    classes = [ClassCount(f"class {i}", (("", i),)) for i in range(1, 101)]
    rows = shown(classes)
    assert [row.count for row in rows[:20] if isinstance(row, ClassCount)] == list(range(100, 80, -1))
    assert rows[20] == 100 - MOST
    assert [row.count for row in rows[21:] if isinstance(row, ClassCount)] == list(range(20, 0, -1))
    assert "60 classes between these" in text_balance(classes)
    assert "60 classes between these" in balance("", classes)


def test_wrong_commands_say_the_way_out(tree: Path, tmp_path: Path) -> None:
    assert "a sample must have one picture or more" in refused(
        "data", "stats", tree, "--sample", "0", cwd=tmp_path
    )
    unread = refused("data", "stats", "nowhere", "-o", "x.pdf", cwd=tmp_path)
    assert "ending says its form" in unread  # before any work
    with pytest.raises(UserError, match="resize_mode must be one of"):
        nc.data_stats(tree, img_size=8, resize_mode="x")
    (tmp_path / "none" / "a").mkdir(parents=True)
    (tmp_path / "none" / "a" / "x.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match="none of none can be read"):
        nc.data_stats(tmp_path / "none")
