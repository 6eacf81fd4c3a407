"""Training steps beside torchvision's reference loop and Keras's `fit`, each side a process of its own.

ResNet-18 runs on one torch for both sides, that of --peer-python (neocog from its source), LeNet-5 on this Python's
torch and on Keras in --keras-python. benchmarks/README.md says what each line means.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from child import run
from record import RESULTS, Figure, Record, machine

HERE = Path(__file__).parent
SETTINGS = {"PYTHONPATH": str(HERE.parent / "src")}


@dataclass(frozen=True)
class Case:
    """A network at a size of picture, and what it is set beside."""

    network: str
    side: int
    batch: int
    steps: int
    goal: str
    peer: str
    """the peer's file, in peers/"""

    def commands(self, python: Path, peer_python: Path, steps: int) -> tuple[list[object], list[object]]:
        """Ours and theirs."""
        own = [python, HERE / "own_steps.py", self.network, self.side, self.batch, steps]
        side = [self.side] if "reference" in self.peer else []
        return own, [peer_python, HERE / "peers" / self.peer, *side, self.batch, steps]


CASES = {
    "resnet18 224": Case("resnet18", 224, 32, 8, "ratio >= 1.6", "reference_steps.py"),
    "resnet18 32": Case("resnet18", 32, 128, 8, "ratio >= 1.2", "reference_steps.py"),
    "lenet5 32": Case("lenet5_modern", 32, 64, 600, "ratio >= 1.5", "fit_lenet_keras.py"),
    "lenet5 32 batch 32": Case("lenet5_modern", 32, 32, 600, "ratio >= 1.5", "fit_lenet_keras.py"),
}


def measure(record: Record, name: str, pythons: tuple[Path, Path], rounds: int, steps: int) -> None:
    """Both sides in turn; who comes first changes from round to round."""
    case = CASES[name]
    seen: tuple[list[dict[str, Any]], list[dict[str, Any]]] = ([], [])
    commands = case.commands(*pythons, steps or case.steps)
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(rounds):
            for side in (0, 1) if turn % 2 else (1, 0):
                seen[side].append(_run(commands[side], Path(folder)))
    ours, theirs = ([found["img_per_s"] for found in side] for side in seen)
    ratios = tuple(a / b for a, b in zip(ours, theirs, strict=True))
    made: dict[str, Any] = {"bench": "train", "unit": "img_per_s"}
    own, other = (_described(side[-1], case) for side in seen)
    record.write(Figure(**made, **own, what=name, values=tuple(ours), ratios=ratios, goal=case.goal))
    record.write(Figure(**made, **other, what=f"{name}, {case.peer}", values=tuple(theirs)))


def _described(found: dict[str, Any], case: Case) -> dict[str, Any]:
    """How a side computed, and with what."""
    versions = {key: found[key] for key in ("neocog", "torch", "torchvision", "keras") if key in found}
    facts = {key: value for key, value in found.items() if key not in ("img_per_s", *versions)}
    return {"facts": facts | {"batch": case.batch}, "versions": versions}


def _run(command: list[object], folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(command, folder, SETTINGS).out.splitlines()[-1])
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    given = parse(arguments)
    os.environ.pop("OMP_NUM_THREADS", None)  # every side chooses its threads as it does for its users
    place = Path(tempfile.mkdtemp()) if given.quick else RESULTS
    record = Record(place / f"{machine()}-train.csv")
    this = Path(sys.executable)
    for name in given.only or CASES:
        keras = "keras" in CASES[name].peer
        pythons = (this, given.keras_python) if keras else (given.peer_python, given.peer_python)
        if pythons[1] is None:
            sys.stderr.write(f"{name} skipped: give --{'keras' if keras else 'peer'}-python\n")
            continue
        measure(record, name, pythons, 1 if given.quick else given.rounds, 2 if given.quick else 0)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    add = parser.add_argument
    add("--peer-python", type=Path, help="with torchvision, and what neocog needs")
    add("--keras-python", type=Path, help="with keras and tensorflow-cpu")
    add("--only", nargs="+", choices=list(CASES), default=[], metavar="NAME")
    add("--rounds", type=int, default=5)
    add("--quick", action="store_true", help="two steps, not kept in results/")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
