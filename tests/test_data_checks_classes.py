from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zoo
from neocog.data.checks.check import check
from neocog.data.checks.scan import scan
from neocog.data.dataset import Dataset
from neocog.data.samples import Arrays
from neocog.data.source import open_dataset

RNG = np.random.default_rng(0)


def colourful(width: int = 40, height: int = 40) -> Image.Image:
    return Image.fromarray(RNG.integers(0, 256, (height, width, 3), np.uint8))


def words(
    counts: dict[str, int], image: dict[str, Image.Image], kind: dict[str, str]
) -> dict[str, list[str]]:
    """The findings, by kind, in so many pictures of each class, all different; in colour and PNG unless told."""
    pictures, names, labels = [], [], []
    for label, (name, count) in enumerate(counts.items()):
        for i in range(count):
            pixels = image.get(name, colourful()).copy()
            pixels.putpixel((i % 40, i // 40), 7 if pixels.mode == "L" else (7, 8, 9))
            pictures.append(zoo.encoded(pixels, kind.get(name, "PNG")))
            names.append(f"{name}/{i}.{kind.get(name, 'PNG').lower()}")
            labels.append(label)
    dataset = Dataset("d", Arrays(pictures, names), np.array(labels), tuple(counts), np.full(len(labels), ""))
    found: dict[str, list[str]] = {}
    for finding in check(dataset, scan(dataset.samples)).findings:
        found.setdefault(finding.kind, []).append(finding.words)
    return found


def test_a_class_of_nine_is_tiny_and_one_of_ten_is_not() -> None:
    assert words({"a": 9, "b": 10}, {}, {})["tiny-class"] == ["a has 9 readable pictures"]


def test_imbalance_is_told_above_ten_to_one() -> None:
    assert "imbalance" not in words({"a": 10, "b": 100}, {}, {})
    (told,) = words({"a": 10, "b": 101}, {}, {})["imbalance"]
    assert told == "b (101) has 10 times the pictures of a (10)"


def test_names_that_differ_in_case_and_spaces_may_be_one_class() -> None:
    assert words({"Sea lion": 1, "cat": 1, "sea_lion": 1}, {}, {})["class-names"] == [
        "'Sea lion', 'sea_lion' may be one class"
    ]
    assert "class-names" not in words({"Ω": 1, "Å": 1, "!": 1, "?": 1}, {}, {})


def test_grey_that_gives_the_class_away_is_a_shortcut() -> None:
    found = words({"a": 10, "b": 10}, {"a": colourful().convert("L")}, {})
    assert found["grey-shortcut"] == ["the pictures of a are grey, those of the other classes in colour"]
    assert found["mixed-channels"] == ["10 of 20 pictures are in grey"]


def test_grey_is_told_by_the_pixels_not_by_the_channels() -> None:
    grey = Image.new("RGB", (40, 40), (9, 9, 9))
    pictures = [zoo.encoded(image, "PNG") for image in (grey, colourful(), colourful())]
    dataset = Dataset("d", Arrays(pictures), np.array([0, 0, 0]), ("a",), np.full(3, ""))
    found = {f.kind: f.pictures for f in check(dataset, scan(dataset.samples)).findings}
    assert found["mixed-channels"] == (0,)
    assert "grey" not in found


@pytest.mark.parametrize(("kinds", "told"), [({"a": "JPEG"}, 2), ({"a": "JPEG", "b": "JPEG"}, 0)])
def test_a_format_of_one_class_alone_is_a_shortcut(kinds: dict[str, str], told: int) -> None:
    found = words({"a": 10, "b": 10}, {}, kinds)
    assert len(found.get("format-shortcut", [])) == told


def test_a_size_of_one_class_alone_is_a_shortcut() -> None:
    found = words({"a": 10, "b": 10, "c": 10}, {"a": colourful(60, 50)}, {})
    assert found["size-shortcut"] == ["10 of 10 pictures of a are 60 x 50 pixels, 0 of the others"]


def test_odd_sizes_and_shapes_are_told_against_the_others() -> None:
    sizes = [(100, 100)] * 10 + [(20, 100), (900, 100), (410, 100), (400, 100), (20, 30)]
    pictures = [zoo.encoded(colourful(*size), "PNG") for size in sizes]
    dataset = Dataset("d", Arrays(pictures), np.zeros(15, np.int64), ("a",), np.full(15, ""))
    found = {f.kind: f.pictures for f in check(dataset, scan(dataset.samples)).findings}
    assert found["tiny"] == (10, 14)
    assert found["extreme-shape"] == (10, 11, 12)
    assert found["odd-size"] == (11,)


@pytest.mark.parametrize("name", ["disputed", "note"])
def test_pictures_on_which_annotators_disagree_are_told(tmp_path: Path, name: str) -> None:
    said = {"a": "cat cat dog", "b": "dog cat", "c": "cat", "d": "dog dog cat cat"}
    votes = [
        f"{p}.png,w{i},{label},x" for p, labels in said.items() for i, label in enumerate(labels.split())
    ]
    for picture in said:
        colourful().save(tmp_path / f"{picture}.png")
    (tmp_path / "votes.csv").write_text("\n".join(["path,rater,label,note", *votes]))
    dataset = open_dataset(tmp_path / "votes.csv")
    if name == "note":  # a table's own column of that name
        dataset = replace(dataset, columns={"disputed": dataset.columns["note"]})
    found = [f.pictures for f in check(dataset, scan(dataset.samples)).findings if f.kind == "disputed"]
    assert found == ([(1, 3)] if name == "disputed" else [])
