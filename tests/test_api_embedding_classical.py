"""Features from before the networks as sources: what the transformers give, and from which pictures they learn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import neocog
from door import neocog as neocog_command
from door import refused
from neocog import UserError
from neocog.api.embedding.features import Embedded, embedded
from neocog.classical.catalogue import CLASSICAL
from neocog.progress import Silent


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve small pictures in each of two parts: blocks of random grey, of several sizes."""
    root = tmp_path_factory.mktemp("classical")
    rng = np.random.default_rng(1)
    for part in ("train", "test"):
        for i in range(12):
            path = root / "data" / part / "ab"[i % 2] / f"{i:02}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            blocks = rng.integers(0, 256, (8, 9 + i % 3, 3), dtype=np.uint8)
            Image.fromarray(blocks.repeat(8, 0).repeat(8, 1)).save(path)
    return root


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))


def got(place: Path, name: str, **options: Any) -> Embedded:
    return embedded(f"classical:{name}", place / "data", Silent(), **options)


def arrays(place: Path, part: str, mode: str) -> list[Any]:
    paths = sorted((place / "data" / part).rglob("*.png"))
    return [np.asarray(Image.open(path).convert(mode)) for path in paths]


def by_hand(place: Path, name: str, part: str, learned: str = "train") -> Any:
    entry = CLASSICAL[name]
    mode = "L" if entry.grey else "RGB"
    transformer = entry.build().fit(arrays(place, learned, mode))
    return transformer.transform(arrays(place, part, mode))


@pytest.mark.parametrize("name", ["tiny", "lbp"])
def test_methods_that_learn_nothing_describe_each_picture(place: Path, name: str) -> None:
    found = got(place, name, part="test")
    np.testing.assert_allclose(found.features["features"], by_hand(place, name, "test"), rtol=1e-6)
    assert found.origin.model == f"classical:{name}" and found.origin.source == "nothing is learned"


def test_words_are_learned_from_the_training_part_whichever_part_is_described(place: Path) -> None:
    found = got(place, "dense-sift-bow", part="test")
    np.testing.assert_allclose(
        found.features["features"], by_hand(place, "dense-sift-bow", "test"), atol=1e-6
    )
    assert found.origin.source == "learned from 12 pictures of data, without their labels"
    train = got(place, "dense-sift-bow", part="train")
    assert train.origin.key() == found.origin.key()
    again = got(place, "dense-sift-bow", part="test")
    assert (found.cached, again.cached) == (0, 12)
    assert again.features["features"].tobytes() == found.features["features"].tobytes()


def test_words_of_other_pictures_are_other_features(place: Path) -> None:
    other = embedded("classical:dense-sift-bow", place / "data" / "test", Silent())
    np.testing.assert_allclose(
        other.features["features"], by_hand(place, "dense-sift-bow", "test", "test"), atol=1e-6
    )
    same = embedded("classical:dense-sift-bow", place / "data" / "test", Silent(), learn_from=place / "data")
    assert same.cached == 0
    assert same.origin.key() == got(place, "dense-sift-bow", part="test").origin.key()
    assert other.origin.key() != same.origin.key()


def test_several_methods_are_a_layer_each(place: Path) -> None:
    alone = got(place, "dense-sift-bow", part="test")
    found = got(place, "lbp+dense-sift-bow", part="test")
    assert list(found.features) == ["lbp", "dense-sift-bow"]
    for name, rows in found.features.items():
        np.testing.assert_allclose(rows, by_hand(place, name, "test"), atol=1e-6)
    assert found.origin.digests["dense-sift-bow"] == alone.origin.digests["features"]
    assert got(place, "lbp", part="test").cached == 12  # each is kept by itself
    again = got(place, "lbp+dense-sift-bow", part="test")
    assert again.cached == 12
    assert all((again.features[name] == rows).all() for name, rows in found.features.items())


def test_large_pictures_are_shrunk_to_what_a_method_looks_at(tmp_path: Path) -> None:
    (tmp_path / "d" / "a").mkdir(parents=True)
    ramp = np.tile(np.linspace(0, 255, 1200).astype(np.uint8), (400, 1))
    Image.fromarray(ramp).save(tmp_path / "d" / "a" / "ramp.png")
    found = embedded("classical:tiny", tmp_path / "d", Silent())
    small = np.tile(np.linspace(0, 255, 480), (160, 1)).round().astype(np.uint8)
    wanted = CLASSICAL["tiny"].build().transform([np.stack([small] * 3, 2)])
    np.testing.assert_allclose(found.features["features"], wanted, atol=0.02)


def test_a_picture_that_a_method_cannot_look_at_is_skipped_and_named(tmp_path: Path) -> None:
    for name, side in (("good", 64), ("small", 2)):
        (tmp_path / "d" / "a").mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (side, side)).save(tmp_path / "d" / "a" / f"{name}.png")
    found = neocog.embed("classical:lbp", tmp_path / "d", output=tmp_path / "f.npz")
    assert [(Path(path).name, bool(reason)) for path, reason in found.skipped] == [("small.png", True)]
    assert neocog.read_features(tmp_path / "f.npz").origin.model == "classical:lbp"


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("hogg", {}, "unknown classical method 'classical:hogg'; did you mean classical:hog"),
        ("hog+tinyy", {}, "unknown classical method 'classical:tinyy'; did you mean classical:tiny"),
        ("hog+hog", {}, r"may be named once, got classical:hog\+hog; leave the second one out"),
        ("hog", {"layers": ["fc6"]}, "classical:hog is no network, got layers"),
        ("hog+tiny", {"layers": ["features"]}, r"classical:hog\+tiny is no network, got layers"),
        ("hog", {"views": "flip"}, "classical:hog is no network, got views 'flip'"),
        ("hog", {"engine": "torch"}, "classical:hog is no network, got engine 'torch'"),
    ],
)
def test_what_is_for_networks_is_refused(
    place: Path, name: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        got(place, name, **options)
    with pytest.raises(UserError, match="only classical methods learn"):
        embedded("efficientnet_lite0", place / "data", Silent(), learn_from=place / "data")


def test_queries_of_retrieve_are_described_in_the_words_of_the_index(place: Path, tmp_path: Path) -> None:
    query = next((place / "data" / "train" / "b").glob("*.png"))
    copy = tmp_path / "query.png"
    Image.open(query).convert("RGB").rotate(0).save(copy, compress_level=1)  # the same pixels in another file
    done = neocog_command(
        "retrieve", "classical:dense-sift-bow", place / "data", copy, "-k", 1, "--json", cwd=tmp_path
    )
    assert query.name in done.stdout
    neocog.embed("classical:lbp", place / "data", output=tmp_path / "f.npz")
    message = refused("retrieve", "f.npz", place / "data", copy, "--by", "efficientnet_lite0", cwd=tmp_path)
    assert message.startswith("queries must be seen as the pictures of the index were")


def test_words_are_told_apart_by_the_kernel_of_histograms(place: Path, tmp_path: Path) -> None:
    """Coarse and fine checks: the intersection kernel of LBP tells them apart; standardised counts are refused."""
    for part in ("train", "val"):
        for i in range(6):
            for name, side in (("coarse", 8), ("fine", 2)):
                path = tmp_path / "d" / part / name / f"{i}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                draw = np.random.default_rng([i, side, part == "val"])
                checks = draw.integers(0, 256, (64 // side, 64 // side), dtype=np.uint8)
                Image.fromarray(checks.repeat(side, 0).repeat(side, 1)).save(path)
    words = ("probe", "classical:lbp", "d", "--kind", "intersection-svm", "--kind", "chi2-svm")
    told = json.loads(neocog_command(*words, "--scale", "none", "--json", cwd=tmp_path).stdout)
    assert [(row["kind"], row["top1"]) for row in told["results"]] == [
        ("intersection-svm", [1.0]),
        ("chi2-svm", [1.0]),
    ]
    assert "-svm compares histograms, whose numbers are 0 or more" in refused(*words, cwd=tmp_path)
