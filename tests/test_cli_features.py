"""Options about features are the same in every verb that takes them."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from door import neocog, refused
from neocog.cli import adapt, embed, features, probe, retrieve

VERBS = (embed.embed, probe.probe, adapt.adapt, retrieve.retrieve)
SHARED = {
    "layers": features.Layers,
    "pooling": features.Pooling,
    "views": features.Views,
    "weights": features.Weights,
    "img_size": features.ImgSize,
    "resize_mode": features.ResizeMode,
    "no_cache": features.NoCache,
}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four pictures in each of two classes."""
    rng = np.random.default_rng(0)
    for i in range(8):
        path = tmp_path / "data" / ("ant", "bee")[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (32, 32), dtype=np.uint8)).save(path)
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_takes_the_same_options_about_features(verb: Any) -> None:
    parameters = inspect.signature(verb, eval_str=True).parameters
    assert {name: parameters[name].annotation for name in SHARED} == SHARED


def test_layers_may_be_joined_by_commas(place: Path) -> None:
    words = (
        "embed",
        "lenet5_modern",
        "data",
        "--layer",
        "F6, C3",
        "--layers",
        "features",
        "--engine",
        "torch",
    )
    done = neocog(*words, "-o", "f.npz", "--json", cwd=place)
    assert json.loads(done.stdout)["widths"] == {"F6": 84, "C3": 16, "features": 84}


def test_views_are_no_protocol_of_a_paper(place: Path) -> None:
    message = refused("probe", "lenet5_modern", "data", "--protocol", "5-crop", cwd=place)
    assert "--views 5-crop" in message
