"""What classical methods learned is kept by what they learned it from, whole, and found again to the last bit."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.pipeline import FeatureUnion

from door import neocog
from neocog import read_features
from neocog.api.embedding.words import find, keep
from neocog.classical.dense_sift import DenseSift
from neocog.classical.fisher import FisherVector
from neocog.classical.gist import Gist
from neocog.classical.jarrett.features import JarrettFeatures, Stage
from neocog.classical.kernels.balanced import Balanced
from neocog.classical.parts.cells import AlignedCells
from neocog.classical.words import BagOfWords

PICTURES = [
    np.random.default_rng(i).integers(0, 256, (8, 8), dtype=np.uint8).repeat(6, 0).repeat(6, 1)
    for i in range(6)
]
SIFT = DenseSift(step=8, bins=(4,))
WORDS = BagOfWords(SIFT, words=5)
METHODS = {
    "words": WORDS,
    "fisher": FisherVector(SIFT, gaussians=3, components=4),
    "filters": JarrettFeatures((Stage(6, 5, 4, 2), Stage(8, 3, 2, 1, 2)), filters="k-means", side=40),
    "colours": AlignedCells("colours", 16),
    "several": FeatureUnion([("gist", Balanced(Gist())), ("words", Balanced(WORDS))]),
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("name", METHODS)
def test_what_was_learned_is_found_to_the_last_bit(name: str, cache: Path) -> None:
    method: Any = clone(METHODS[name])
    wanted = method.fit(PICTURES).transform(PICTURES)
    fresh: Any = clone(METHODS[name])
    assert find("k", fresh) is None
    keep("k", method, 6)
    assert find("k", fresh) == 6
    assert fresh.transform(PICTURES).tobytes() == wanted.tobytes()
    (kept,) = (cache / "words").iterdir()
    whole = bytearray(kept.read_bytes())
    for at in (len(whole) // 2, len(whole) - 3):
        damaged = whole.copy()
        damaged[at] ^= 1
        kept.write_bytes(damaged)
        assert find("k", clone(METHODS[name])) is None
    kept.write_bytes(whole[:-9])
    assert find("k", clone(METHODS[name])) is None


def test_what_nobody_knows_how_to_keep_is_learned_again(cache: Path) -> None:
    keep("k", Gist(), 6)
    assert find("k", Gist()) is None


def test_pictures_are_looked_at_and_learned_from_once(tmp_path: Path, cache: Path) -> None:
    for i, picture in enumerate(PICTURES * 2):
        path = tmp_path / "data" / ("train", "test")[i // 6] / "a" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture + np.uint8(i // 6)).save(path)
    (tmp_path / "data" / "train" / "a" / "broken.png").write_text("no picture")
    words = ("embed", "classical:dense-sift-bow", "data", "--part", "test")
    first, again = (neocog(*words, "-o", f"{i}.npz", cwd=tmp_path) for i in range(2))
    assert "looking at them" in first.stderr and "looking at them" not in again.stderr
    shutil.rmtree(cache / "features")
    (kept,) = (cache / "words").iterdir()
    before = kept.stat().st_mtime_ns
    anew = neocog(*words, "-o", "2.npz", cwd=tmp_path)
    assert "0 from the cache, 6 computed" in anew.stdout and "looking at them" not in anew.stderr
    assert kept.stat().st_mtime_ns == before
    found = [read_features(tmp_path / f"{i}.npz") for i in range(3)]
    assert all("learned from 6 pictures of data" in one.origin.source for one in found)
    assert len({one.features["features"].tobytes() for one in found}) == 1
    assert "looking at them" in neocog(*words, "-o", "3.npz", "--no-cache", cwd=tmp_path).stderr
    assert kept.stat().st_mtime_ns == before
