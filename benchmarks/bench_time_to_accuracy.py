"""Fashion-MNIST, all 60,000 pictures: seconds of training to 90 and to 92 % of the test pictures.

Beside neocog's recipe `cpu-quick` stand PyTorch's MNIST example and Keras's simple convnet, each a process of its own.
benchmarks/README.md says what each line means.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from child import run
from record import RESULTS, Figure, Record, machine

HERE = Path(__file__).parent
SETTINGS = {"PYTHONPATH": str(HERE.parent / "src")}
FASHION = Path("/usr/share/datasets/fashion-mnist")
SHORT, LONG = 2, 6
"""epochs of the recipe for 90 and for 92 %"""
GOALS = {0.9: "ratio >= 3", 0.92: "ratio >= 1"}
LIMIT = 12  # epochs of a peer
Reached = dict[str, Any]


def unpacked(fashion: Path, folder: Path) -> Path:
    """The four files as torchvision wants them."""
    raw = folder / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for path in sorted(fashion.glob("*-ubyte.gz")):
        (raw / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
    return folder


def reached(command: Sequence[object], folder: Path, goal: float) -> Reached:
    """The first epoch that has the accuracy; the last where none has."""
    found = json.loads(run(command, folder, SETTINGS).out.splitlines()[-1])
    epochs = found["epochs"]
    number = next((i for i, epoch in enumerate(epochs) if epoch["accuracy"] >= goal), len(epochs) - 1)
    facts = {"accuracy": epochs[number]["accuracy"], "epochs": number + 1, **found.get("facts", {})}
    facts["with_judging"] = round(epochs[number].get("seconds", 0), 1)
    return {
        "seconds": epochs[number]["train_seconds"],
        "facts": facts | {"reached": epochs[number]["accuracy"] >= goal},
        "versions": {key: str(value) for key, value in found["versions"].items()},
    }


def measure(record: Record, given: argparse.Namespace, folder: Path) -> None:
    """Per seed: ours to 90 %, ours to 92 %, each peer to its first 90 %."""
    root = unpacked(given.fashion, folder)
    peers = {
        "PyTorch's MNIST example": (given.peer_python, "mnist_pytorch.py"),
        "Keras's simple convnet": (given.keras_python, "mnist_keras.py"),
    }
    present = {name: [python, HERE / "peers" / file] for name, (python, file) in peers.items() if python}
    ours: dict[float, list[Reached]] = {goal: [] for goal in GOALS}
    theirs: dict[str, list[Reached]] = {name: [] for name in present}
    for seed in range(given.seeds):
        sys.stderr.write(f"seed {seed + 1} of {given.seeds}\n")
        for goal, epochs in zip(GOALS, (SHORT, LONG), strict=True):
            command = [given.peer_python or sys.executable, HERE / "own_accuracy.py", root, seed, epochs]
            ours[goal].append(reached(command, folder, goal))
        for name, command in present.items():
            theirs[name].append(reached([*command, root, seed, 0.9, given.limit], folder, 0.9))
    for name, found in theirs.items():
        record.write(_figure(f"{name} to 90 %", found))
        for goal, own in ours.items():
            record.write(_figure(f"neocog to {goal:.0%}, beside {name}", own, found, GOALS[goal]))


def _figure(what: str, found: list[Reached], beside: list[Reached] | None = None, goal: str = "") -> Figure:
    accuracies = [one["facts"]["accuracy"] for one in found]
    facts = found[-1]["facts"] | {"accuracy": f"{min(accuracies):.4f} to {max(accuracies):.4f}"}
    facts["reached"] = f"{sum(one['facts']['reached'] for one in found)} of {len(found)}"
    return Figure(
        bench="time_to_accuracy",
        what=what,
        unit="seconds",
        values=tuple(one["seconds"] for one in found),
        ratios=tuple(b["seconds"] / a["seconds"] for a, b in zip(found, beside or (), strict=False)),
        goal=goal,
        facts=facts,
        versions=found[-1]["versions"],
    )


def main(arguments: Sequence[str] | None = None) -> None:
    given = parse(arguments)
    os.environ.pop("OMP_NUM_THREADS", None)  # every side chooses its threads as it does for its users
    place = Path(tempfile.mkdtemp()) if given.quick else RESULTS
    given.seeds, given.limit = (1, 1) if given.quick else (given.seeds, LIMIT)
    with tempfile.TemporaryDirectory() as folder:
        measure(Record(place / f"{machine()}-time-to-accuracy.csv"), given, Path(folder))


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    add = parser.add_argument
    add("--fashion", type=Path, default=FASHION, help="the four .gz files")
    add("--peer-python", type=Path, help="with torchvision, and what neocog needs")
    add("--keras-python", type=Path, help="with keras and tensorflow-cpu")
    add("--seeds", type=int, default=5)
    add("--quick", action="store_true", help="one seed, peers one epoch, not kept in results/")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
