"""Training runs of the real command that are stopped on purpose: small pictures, a small network, one step in ms."""

from __future__ import annotations

import csv
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
from PIL import Image

from door import PROCESSES, _command

NETWORK = """
import torch
from torch import nn

def small():
    return nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout(0.2), nn.Flatten(), nn.Linear(600, 8), nn.ReLU(),
        nn.Linear(8, 3),
    )

class Burns(nn.Module):
    # NaN from the twelfth batch on that it is shown in training; a mask of its own holds infinities

    def __init__(self):
        super().__init__()
        self.shown = 0
        self.register_buffer("mask", torch.tensor([0.0, -torch.inf]))

    def forward(self, x):
        self.shown += self.training and len(x) > 1 and x.requires_grad
        return x * (float("nan") if self.shown >= 12 else 1.0)

def burning():
    return nn.Sequential(nn.Conv2d(3, 4, 3), Burns(), nn.Flatten(), nn.Linear(400, 3))

def plain():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(400, 3))
"""
WORDS = ("train", "data", "-m", "net.py:small", "--recipe", "scratch", "--img-size", 12, "-b", 8, "-j", 0)
CLOCKED = ("seconds", "data_wait")  # columns of metrics.csv that the clock fills
LIMIT = 120  # seconds


def make_data(root: Path) -> Path:
    """72 pictures in three classes: noise with a bright third. And the network."""
    rng = np.random.default_rng(0)
    for label in range(3):
        folder = root / "data" / f"class{label}"
        folder.mkdir(parents=True)
        for number in range(24):
            grey = rng.integers(0, 90, (12, 12), dtype=np.uint8)
            grey[4 * label : 4 * label + 4] += np.uint8(150)
            Image.fromarray(grey).save(folder / f"{number:02}.png")
    (root / "net.py").write_text(NETWORK)
    return root


class Going:
    """The command at work in a process of its own."""

    def __init__(self, *words: object, cwd: Path, told: dict[str, str] | None = None):
        self.folder = cwd / f"streams-{time.monotonic_ns()}"
        self.folder.mkdir()
        streams = [self.folder / name for name in ("stdin", "stdout", "stderr")]
        streams[0].touch()
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **(told or {})}
        arguments = (["neocog", *map(str, words)], cwd, environment, streams)
        self.process: BaseProcess = PROCESSES.Process(target=_command, args=arguments)
        self.process.start()

    @property
    def said(self) -> str:
        with suppress(FileNotFoundError):
            return (self.folder / "stderr").read_text()
        return ""

    def until(self, holds: Callable[[], bool]) -> bool:
        """Wait for it; whether it came before the command was done."""
        end = time.monotonic() + LIMIT
        while time.monotonic() < end:
            if holds():
                return True
            if self.process.exitcode is not None:
                return holds()
            time.sleep(0.002)
        raise AssertionError(f"nothing in {LIMIT} s: {self.said}")

    def send(self, number: signal.Signals) -> None:
        if self.process.pid:
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, number)

    def end(self) -> int:
        """Wait for the exit code; minus the signal's number where one killed it."""
        self.process.join(LIMIT)
        assert self.process.exitcode is not None, f"still at work after {LIMIT} s: {self.said}"
        assert "Traceback" not in self.said, self.said
        return self.process.exitcode


def newest(run: Path) -> int:
    """The step of the newest checkpoint; -1 where there is none."""
    return max((int(path.stem.split("-")[1]) for path in run.glob("checkpoints/step-*.json")), default=-1)


def without_clock(run: Path) -> list[dict[str, str]]:
    """The rows of metrics.csv without what the clock says."""
    with (run / "metrics.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if k not in CLOCKED} for row in csv.DictReader(file)]


def weights(run: Path) -> bytes:
    return (run / "model.safetensors").read_bytes()
