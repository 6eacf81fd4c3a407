"""Parameters and multiply-accumulates of every network, counted beforehand: counting all takes half a minute."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path


@cache
def figures() -> dict[str, tuple[int, int]]:
    """Name -> parameters, and multiply-accumulates of one picture of its own size (convolutions, linear, attention)."""
    with (Path(__file__).parent / "figures.csv").open(encoding="utf-8") as file:
        return {row["name"]: (int(row["parameters"]), int(row["macs"])) for row in csv.DictReader(file)}
