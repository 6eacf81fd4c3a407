"""Prove the receptive fields of every network in `MODELS` and write what was found, row by row.

    python scripts/prove_receptive_fields.py docs/lecture/receptive_fields.csv [name ...]

Networks that have a row are skipped, so that a long run can be cut off and taken up again. Each network is thinned and
runs on a picture as small as keeps all its layers: the square named in the row.
"""

from __future__ import annotations

import csv
import sys
import time
from pathlib import Path

import torch

from neocog.analysis.probe import check
from neocog.errors import UserError
from neocog.models import MODELS

HEADER = ("name", "size", "indices", "mismatches", "probes", "seconds")
FIXED = ("neocognitron", "lenet")  # their own size
LARGER = {"alexnet_2012": 227, "caffenet": 227, "zfnet": 224, "alexnet": 99}
TOKENS = 3  # patches along each side that a Vision Transformer is given


def size_of(name: str) -> tuple[int, int, int]:
    """(channels, height, width) for a network."""
    model = MODELS[name]
    channels, side, _ = model.input_size
    if name.startswith(FIXED):
        return model.input_size
    if name.startswith("vit_"):
        patch = int(name.split("patch")[1].split("_")[0])
        return (channels, TOKENS * patch, TOKENS * patch)
    least = next((n for start, n in LARGER.items() if name.startswith(start)), 64)
    return (channels, min(side, least), min(side, least))


def row(name: str) -> list[object]:
    """One line of the table; built without values, except where a network makes its own."""
    model, size = MODELS[name], size_of(name)
    with torch.device("cpu" if name.startswith(FIXED) else "meta"):
        net = model.build()
    start = time.perf_counter()
    found = check(net, size, name=name)
    seconds = round(time.perf_counter() - start, 1)
    for fault in found.faults:
        print(f"{name}: {fault}", file=sys.stderr)
    return [name, "x".join(map(str, size)), found.indices, len(found.faults), "+".join(found.probes), seconds]


def main(path: Path, names: list[str]) -> int:
    done = {line["name"] for line in csv.DictReader(path.open())} if path.exists() else set[str]()
    if not path.exists():
        path.write_text(",".join(HEADER) + "\n")
    for name in names or list(MODELS):
        if name in done:
            continue
        try:
            line = row(name)
        except UserError as error:
            print(f"{name}: {error}", file=sys.stderr)
            continue
        with path.open("a", newline="") as file:
            csv.writer(file, lineterminator="\n").writerow(line)
    wrong = [line["name"] for line in csv.DictReader(path.open()) if line["mismatches"] != "0"]
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
