"""`neocog embed` through its real door: what it prints, what is left of it when it is killed, what it refuses."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from door import neocog, refused
from neocog import read_features
from runs import Going

PAGE = Path(__file__).parents[1] / "docs" / "embed.md"
# a layer of 150,528 numbers, so that the cache is filled after 56 pictures of 602 kB; and one that takes its time
NETWORK = """
import time
import torch
from torch import nn

class Slow(nn.Module):
    def forward(self, x):
        time.sleep(0.03 * len(x))
        return x

def wide():
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(3, 3, 1), Slow(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
"""
PICTURES = 90
WORDS = (
    "embed",
    "net.py:wide",
    "data",
    "--layer",
    "0",
    "--layer",
    "2",
    "--pooling",
    "flat",
    "--engine",
    "torch",
)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pictures of two classes."""
    rng = np.random.default_rng(0)
    for i in range(PICTURES):
        path = tmp_path / "data" / ("ant", "bee")[i % 2] / f"{i:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)).save(path)
    (tmp_path / "net.py").write_text(NETWORK)
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    return tmp_path


def rows_kept(place: Path) -> int:
    """Rows in the finished shards of the narrower layer, which is kept after the wider one."""
    shards = [
        path for path in (place / "cache" / "features").rglob("*.safetensors") if path.stat().st_size < 1e5
    ]
    return sum(len(load_file(path)["hashes"]) for path in shards)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_what_was_computed_before_the_end_is_not_computed_again(
    place: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setenv("NEOCOG_CACHE", str(place / "other"))
    neocog(*WORDS, "-o", "whole.npz", cwd=place)
    monkeypatch.setenv("NEOCOG_CACHE", str(place / "cache"))
    going = Going(*WORDS, "-o", "f.npz", cwd=place)
    assert going.until(lambda: rows_kept(place) > 0)
    going.send(number)
    code = going.end()
    assert code in ((-9,) if number == signal.SIGKILL else (130,)), going.said
    if number == signal.SIGINT:
        assert "interrupted; what was finished is kept" in going.said
    assert not (place / "f.npz").exists()
    left = {path.name for path in place.iterdir() if not path.name.startswith("streams-")}
    assert left == {"data", "net.py", "cache", "other", "whole.npz"}
    kept = rows_kept(place)
    done = json.loads(neocog(*WORDS, "-o", "f.npz", "--json", cwd=place).stdout)
    assert 0 < done["cached"] == kept < PICTURES
    assert (place / "f.npz").read_bytes() == (place / "whole.npz").read_bytes()


def documented(title: str) -> set[str]:
    section = PAGE.read_text("utf-8").partition(f"## {title}\n")[2].partition("\n## ")[0]
    keys = re.findall(r"^\| `([^`]+)` \| \S.*\|$", section, re.MULTILINE)
    assert len(keys) == len(set(keys)) > 5
    return set(keys)


def keys_of(shown: Any, at: str = "") -> Iterator[str]:
    if isinstance(shown, dict) and at != "origin.preprocess":
        for name, inner in shown.items():
            word = "LAYER" if at in ("widths", "origin.digests") else name
            yield from keys_of(inner, f"{at}.{word}" if at else word)
    elif isinstance(shown, list) and shown and isinstance(shown[0], dict):
        for inner in shown:
            yield from keys_of(inner, f"{at}[]")
    else:
        yield at


def test_the_page_names_every_key_and_no_other(place: Path) -> None:
    (place / "data" / "bee" / "broken.png").write_text("nothing")
    done = neocog(*WORDS, "-o", "f.parquet", "--json", "--dtype", "float16", cwd=place)
    shown = json.loads(done.stdout)
    assert set(keys_of(shown)) == documented("What `--json` holds")
    assert (shown["rows"], shown["cached"], shown["widths"]) == (PICTURES, 0, {"0": 224 * 224 * 3, "2": 3})
    assert shown["dtype"] == "float16" and [Path(one["path"]).name for one in shown["skipped"]] == [
        "broken.png"
    ]
    assert "skipped" in done.stderr and "broken.png" in done.stderr
    found = read_features(place / "f.parquet")
    assert found.origin.key() == shown["origin"]["key"]
    assert found.dataset.classes == ("ant", "bee")


def test_people_read_how_many_how_fast_and_where(place: Path) -> None:
    words = ("embed", "net.py:wide", "data", "--engine", "torch", "--img-size", 8, "-o", "out/f.safetensors")
    first, again = (neocog(*words, cwd=place) for _ in range(2))
    assert re.search(
        r"^90 pictures in [\d.]+ s, [\d,]+ pictures/s: 0 from the cache, 90 computed", first.stdout
    )
    assert "90 from the cache, 0 computed" in again.stdout
    assert "features  out/f.safetensors" in first.stdout
    assert re.search(r"^features +3$", first.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("net.py:wide", "data", "-o", "f.h5"),
            "features are written as .npz, .parquet, .safetensors, got 'f.h5'",
        ),
        (("net.py:wide", "data", "-o", "f.npz", "--layer", "9"), "unknown layer '9'"),
        (("net.py:wide", "data", "-o", "f.npz", "--dtype", "int8"), "dtype must be one of"),
        (("net.py:wide", "data", "-o", "f.npz", "--views", "vgg"), "unknown views 'vgg'"),
        (("net.py:wide", "data", "-o", "f.npz", "--pooling", "max"), "pooling is for layers"),
        (("net.py:wide", "nowhere", "-o", "f.npz"), "nowhere does not exist"),
        (("nothing", "data", "-o", "f.npz"), "unknown model 'nothing'"),
    ],
)
def test_what_cannot_be_is_one_line(place: Path, words: tuple[str, ...], message: str) -> None:
    assert message in refused("embed", *words, cwd=place)
    assert not (place / "f.npz").exists()
