"""Training steps of neocog's own loop on pictures in memory: python own_steps.py NETWORK SIDE BATCH STEPS.

The machine is chosen as `neocog train` chooses it. Prints pictures per second as JSON.
"""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from torch import nn

from neocog.data.augment.policy import Augment
from neocog.data.loading.pictures import Labelled
from neocog.data.preprocess import Preprocess
from neocog.models import MODELS, build
from neocog.progress import Advance
from neocog.training.loop import Setting, Task, normaliser, train_loop
from neocog.training.machine import chosen_machine
from neocog.training.recipes.recipe import Recipe


class Clock:
    """A progress that notes when each step of training ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def say(self, text: str) -> None:
        pass

    @contextmanager
    def step(self, name: str, total: int) -> Iterator[Advance]:
        yield lambda *_: self.ends.append(perf_counter()) if name == "training" else None


def network(name: str, side: int) -> nn.Module:
    """A ResNet for small pictures has the stem that everyone gives it there: 3x3, stride 1, no pooling."""
    net = build(name)
    if name == "resnet18" and side < 64:
        net.conv1, net.maxpool = nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.Identity()
    return net


def project_version() -> str:
    """Of the source that runs, which need not be installed."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))
    return str(project["project"]["version"])


def main(name: str, side: int, batch: int, steps: int) -> None:
    torch.manual_seed(0)
    channels, classes = MODELS[name].input_size[0], MODELS[name].num_classes
    rng = np.random.default_rng(0)
    count = batch * (steps + 3)
    pixels = rng.integers(0, 256, (count, side, side, channels), np.uint8)
    pictures = Labelled(pixels, rng.integers(0, classes, count))
    judged = Labelled(pixels[:2], pictures.labels[:2])
    preprocess = Preprocess(
        size=(side, side), channels=channels, mean=(0.5,) * channels, std=(0.3,) * channels
    )
    task = Task(pictures, judged, preprocess, classes=classes)
    recipe = Recipe(
        epochs=1,
        batch_size=batch,
        optimizer="sgd",
        lr=0.01,
        weight_decay=1e-4,
        schedule="constant",
        warmup=0.0,
        augment=Augment(),
    )
    net, device = network(name, side), torch.device("cpu")
    sample = normaliser(preprocess, device)(torch.from_numpy(pixels[:batch]))
    machine, clock = chosen_machine(net, sample, device), Clock()
    train_loop(net, task, recipe, 0, clock, Setting(machine=machine))
    ends = clock.ends[-steps - 1 :]
    print(
        json.dumps(
            {
                "img_per_s": batch * steps / (ends[-1] - ends[0]),
                "precision": machine.precision,
                "channels_last": machine.channels_last,
                "threads": machine.threads,
                "torch": torch.__version__,
                "neocog": project_version(),
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
