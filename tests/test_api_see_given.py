"""What is given to views: weights that are no numbers, seeds, numbers of channels, how data that are none are read."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import neocog
from neocog import see
from neocog.bundle import Bundle, Golden, read_bundle, write_bundle
from neocog.data.preprocess import Preprocess
from neocog.errors import UserError
from neocog.models.vit import vit

PLAIN = Preprocess(size=(16, 16))
PICTURE = np.random.default_rng(2).integers(0, 256, (16, 16, 3), dtype=np.uint8)
DATA = ([PICTURE, PICTURE[::-1]], ["a", "b"])
NUMBERS = {"2**64 - 1": ("occlusion", "saliency", "cam", "deconv", "training"), "2**32 - 1": ("embedding",)}


def small(name: str = "") -> nn.Module:
    if name in ("attention", "positions"):
        return vit("tiny", 8, 16, 3)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Flatten(),
        nn.Linear(100, 3),
    ).eval()  # fmt: skip


def given(name: str) -> tuple[Any, ...]:
    return {"patches": (DATA,), "filters": (), "positions": ()}.get(name, (PICTURE,))


@pytest.mark.parametrize("name", sorted({*see.__all__} - {"activations", "embedding", "training"}))
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_diverged_are_refused_by_name(name: str, value: float) -> None:
    net = small(name)
    tensor = next(reversed(net.state_dict()))
    net.state_dict()[tensor].view(-1)[0] = value
    said = f"^{tensor} of {type(net).__name__} is not finite, its training diverged$"
    with pytest.raises(UserError, match=said):
        getattr(see, name)(net, *given(name), preprocess=PLAIN)


def test_of_a_running_mean_too_but_not_of_a_mask() -> None:
    net = small()
    net.register_buffer("mask", torch.full((2, 2), -torch.inf).triu(1))
    assert see.maps(net, PICTURE, preprocess=PLAIN).maps
    net.state_dict()["1.running_var"][1] = torch.inf
    with pytest.raises(UserError, match="^1.running_var of Sequential is not finite"):
        see.maps(net, PICTURE, preprocess=PLAIN)


def test_of_a_diverged_run_an_earlier_epoch_is_named_and_its_training_is_seen(tmp_path: Path) -> None:
    sound, run = tmp_path / "sound", tmp_path / "run"
    neocog.train("builtin/digits", "lenet5_modern", output=sound, epochs=1)
    shutil.copytree(sound, run)
    bundle = read_bundle(sound)
    tensors = {**bundle.tensors, "conv3.weight": np.full_like(bundle.tensors["conv3.weight"], np.nan)}
    write_bundle(run, Bundle(bundle.card, tensors), Golden((), np.zeros((0, 10), np.float32)))
    with pytest.raises(UserError) as caught:
        see.cam(run)
    assert str(caught.value) == (
        f"conv3.weight of lenet5_modern of {run} is not finite, its training diverged; take an earlier epoch, {run}@N"
    )
    seen = see.training(run, "builtin/digits", points=3, pictures=20)
    assert any("diverged" in one for one in seen.suspicious)
    assert seen.save(tmp_path / "page").is_file()


@pytest.mark.parametrize("name", [name for names in NUMBERS.values() for name in names])
@pytest.mark.parametrize("seed", [-1, 2**64, 0.5, True])
def test_a_seed_is_a_whole_number_in_all_views(name: str, seed: Any) -> None:
    most = next(most for most, names in NUMBERS.items() if name in names)
    model = small() if name not in ("training", "embedding") else "no run"
    with pytest.raises(UserError) as caught:
        getattr(see, name)(model, PICTURE, seed=seed)
    assert str(caught.value) == f"seed must be a whole number from 0 to {most}, got {seed!r}"


@pytest.mark.parametrize("channel", ["3", 0.5, None, True, (0, "1")])
def test_a_channel_is_a_whole_number(channel: Any) -> None:
    with pytest.raises(UserError, match="^channel must be a whole number from 0 on, or several, got "):
        see.patches(small(), DATA, channel=channel, preprocess=PLAIN)
    one: Any = np.int64(1)
    seen = see.patches(small(), DATA, layers="4", channel=one, k=2, preprocess=PLAIN)
    assert [found.channel for found in seen.channels] == [1]


def test_how_data_are_read_is_for_data_also_where_it_is_0() -> None:
    says: list[dict[str, Any]] = [
        {"fold": 0},
        {"fold": 1},
        {"part": "val"},
        {"strict": True},
        {"columns": {"label": "kind"}},
    ]
    for said in says:
        with pytest.raises(UserError, match=f"^{next(iter(said))} says how DATA are read, none are given"):
            see.attention(small("attention"), PICTURE, preprocess=PLAIN, **said)
    unsaid: dict[str, Any] = {"fold": None, "part": None, "strict": False, "columns": {}}
    assert see.attention(small("attention"), PICTURE, preprocess=PLAIN, **unsaid).rollout.size
