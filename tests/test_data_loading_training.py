"""Training reads from memory, from a file or from the pictures themselves: the weights are the same bits."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

import neocog
from neocog.api.training import pixels
from neocog.data.augment.policy import Augment
from neocog.data.loading.pictures import Decoded, Labelled
from neocog.data.loading.workers import Workers
from neocog.data.preprocess import Preprocess
from neocog.data.samples import Arrays
from neocog.errors import UserError
from neocog.progress import Silent
from neocog.training.loop import Task, train_loop
from neocog.training.recipes.recipe import Recipe
from odd_samples import FILES, PIXELS, N

PLAIN = Preprocess(size=(12, 10))
LABELS = np.arange(N) % 3


class Listening(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def weights_after(part: Labelled, workers: Workers | None, told: Listening) -> bytes:
    net = nn.Sequential(nn.Flatten(), nn.Linear(360, 3))
    generator = torch.Generator().manual_seed(3)
    for parameter in net.parameters():
        parameter.data.uniform_(-0.1, 0.1, generator=generator)
    recipe = replace(Recipe(epochs=2), batch_size=8, augment=Augment(shift=0.1))
    rows = train_loop(net, Task(part, part, PLAIN, workers), recipe, 1, told).epochs
    assert all(0 <= row.data_wait <= 1 for row in rows)
    return b"".join(tensor.detach().numpy().tobytes() for tensor in net.state_dict().values())


def test_decoding_anew_in_each_epoch_gives_the_weights_of_held_pixels() -> None:
    decoded = Labelled(Decoded(Arrays(FILES), PLAIN), LABELS)
    told = Listening()
    expected = weights_after(Labelled(PIXELS, LABELS), None, told)
    assert told.lines[0] == "loading: no workers, the pixels are in memory"
    assert told.lines[1].startswith("epoch 1: loss ")
    assert told.lines[1].rpartition(", ")[2].startswith("waiting for data ")
    for workers in (Workers(0), Workers(2), None):
        assert weights_after(decoded, workers, Listening()) == expected


def test_a_picture_that_vanishes_while_training_is_left_out_and_one_that_judges_is_an_error() -> None:
    broken = [b"" if i == 7 else data for i, data in enumerate(FILES)]
    bad = Labelled(Decoded(Arrays(broken), PLAIN), LABELS)
    good = Labelled(PIXELS, LABELS)
    told = Listening()
    rows = train_loop(
        nn.Sequential(nn.Flatten(), nn.Linear(360, 3)), Task(bad, good, PLAIN), Recipe(epochs=2), 0, told
    ).epochs
    assert len(rows) == 2
    assert sum(line.startswith("skipped [7]: ") for line in told.lines) == 1
    with pytest.raises(UserError, match=r"every picture must be readable here, but \[7\] is not"):
        train_loop(
            nn.Sequential(nn.Flatten(), nn.Linear(360, 3)), Task(good, bad, PLAIN), Recipe(epochs=1), 0, told
        )


def test_a_run_is_the_same_wherever_there_is_room_for_the_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In memory, in a temporary file, nowhere: the last two by pretending that there is little of both."""
    found, said = [], []
    for kind in ("memory", "file", "nowhere"):
        if kind == "file":
            monkeypatch.setattr(pixels, "IN_MEMORY", 0)
        if kind == "nowhere":
            monkeypatch.setattr(pixels, "disk_usage", lambda place: SimpleNamespace(free=0))
        told = Listening()
        options = {"epochs": 1, "output": tmp_path / kind, "engine": "torch", "progress": told, "workers": 1}
        neocog.train("builtin/photos", "lenet5_modern", **options)  # type: ignore[arg-type]
        found.append(sha256((tmp_path / kind / "model.safetensors").read_bytes()).hexdigest())
        said.append("\n".join(told.lines))
    assert len(set(found)) == 1
    assert "the pixels are in memory" in said[0]
    assert "held in a temporary file" in said[1]
    assert "1 thread, the pixels lie in a file" in said[1]
    assert "decoded anew in each epoch" in said[2]
    assert "loading: 1 thread, as given" in said[2]


def test_workers_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="got 'forks:2'"):
        neocog.train("builtin/photos", output=tmp_path / "out", workers="forks:2")
    assert not (tmp_path / "out").exists()
