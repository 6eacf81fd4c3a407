"""neocog's recipe cpu-quick on Fashion-MNIST: python own_accuracy.py ROOT SEED EPOCHS.

The loop of `neocog train`, from the choice of the machine and the whitening of the first layer on. Prints, per epoch,
the accuracy and the seconds of training and of all, as JSON. ROOT holds FashionMNIST/raw.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from own_steps import project_version

from neocog.data.loading.pictures import Labelled
from neocog.data.preprocess import Preprocess
from neocog.models import build
from neocog.progress import Silent
from neocog.training.loop import Setting, Task, normaliser, train_loop
from neocog.training.machine import chosen_machine
from neocog.training.recipes.named import recipe

MEAN, STD = 0.2860, 0.3530  # of Fashion-MNIST's training pixels
LOOKED_AT = 64  # pictures of the batch that the machine is chosen by, as `neocog train` does


def part(root: Path, name: str) -> Labelled:
    raw = root / "FashionMNIST" / "raw"
    pixels = np.frombuffer((raw / f"{name}-images-idx3-ubyte").read_bytes(), np.uint8, offset=16)
    labels = np.frombuffer((raw / f"{name}-labels-idx1-ubyte").read_bytes(), np.uint8, offset=8)
    return Labelled(pixels.reshape(-1, 28, 28, 1).copy(), labels.astype(np.int64))


def main(root: Path, seed: int, epochs: int) -> None:
    preprocess = Preprocess(size=(28, 28), channels=1, mean=(MEAN,), std=(STD,))
    train, judged, device = part(root, "train"), part(root, "t10k"), torch.device("cpu")
    task = Task(train, judged, preprocess, classes=10, head="fc")
    torch.manual_seed(seed)
    begun = perf_counter()
    net = build("quick_convnet")
    pixels = torch.from_numpy(np.asarray(train.source.pixels[:LOOKED_AT]))  # type: ignore[attr-defined]
    machine = chosen_machine(net, normaliser(preprocess, device)(pixels), device)
    chosen = perf_counter() - begun
    made = train_loop(
        net, task, replace(recipe("cpu-quick"), epochs=epochs), seed, Silent(), Setting(machine=machine)
    )
    total, trained, seen = perf_counter() - begun, chosen, []
    for row in made.epochs:
        trained += row.seconds
        seen.append({"accuracy": row.judged.top1, "train_seconds": trained})
    seen[-1]["seconds"] = total
    facts = {"precision": machine.precision, "threads": machine.threads, "chosen_in": round(chosen, 2)}
    versions = {"torch": torch.__version__, "neocog": project_version()}
    print(json.dumps({"epochs": seen, "facts": facts, "versions": versions}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
