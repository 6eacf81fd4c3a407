"""What embed and probe say about features that are less than they seem."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from door import neocog

NETWORK = """
import torch
from torch import nn

def dead():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    net[0].weight.data[:] = 0
    return net
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Eight pictures of two classes, and those of a training and a test part."""
    rng = np.random.default_rng(0)
    for i in range(8):
        blocks = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
        for folder in ("data", f"parts/{('train', 'test')[i // 4]}"):
            path = tmp_path / folder / ("ant", "bee")[i % 2] / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(blocks).save(path)
    (tmp_path / "net.py").write_text(NETWORK)
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    return tmp_path


def said(place: Path, *words: object) -> str:
    return neocog(*words, cwd=place).stderr


def test_a_layer_that_is_the_same_for_all_pictures_is_named(place: Path) -> None:
    words = ("embed", "net.py:dead", "data", "-o", "f.npz", "--engine", "torch", "--img-size", 8)
    warning = "warning: features is the same for all 8 pictures, so it tells nothing apart"
    assert warning in said(place, *words)
    assert warning in said(place, *words)  # from the cache, too
    alike = place / "alike" / "ant"
    alike.mkdir(parents=True)
    for i in range(3):
        Image.new("RGB", (8, 8)).save(alike / f"{i}.png")
    copies = said(place, "embed", "net.py:dead", "alike", *words[3:])
    assert "tells nothing" not in copies  # they are the same picture
    assert "tells nothing" not in said(place, "embed", "classical:tiny", "data", "-o", "f.npz")


def test_weights_that_are_drawn_are_said_once(place: Path) -> None:
    text = said(place, "embed", "lenet5_modern", "data", "-o", "f.npz", "--engine", "torch")
    assert text.count("warning: the network's weights are drawn at random") == 1


def test_words_of_pictures_that_judge_are_called_so(place: Path) -> None:
    words = ("probe", "classical:dense-sift-bow", "data", "--kind", "ncm", "--val-fraction", 0.5)
    assert "words learned, without labels, from all 8 pictures, those that judge too" in said(place, *words)
    embedding = ("embed", "classical:dense-sift-bow", "parts", "-o", "f.npz")
    assert "those that judge too" not in said(place, *embedding)
