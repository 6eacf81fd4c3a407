"""A measured figure becomes one JSON line on stdout and one row in the table of this machine."""

from __future__ import annotations

import csv
import importlib.metadata
import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from neocog import runtime

RESULTS = Path(__file__).parent / "results"
COLUMNS = (
    *("date", "bench", "what", "unit", "value", "min", "max", "rounds"),
    *("ratio", "ratio_min", "ratio_max", "goal", "facts", "load", "machine", "versions"),
)
PACKAGES = ("neocog", "torch", "openvino", "numpy", "pillow", "simplejpeg", "scikit-learn")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure, measured once per round."""

    bench: str
    what: str
    unit: str
    """seconds, img_per_s, mib, accuracy or share: the name of the value in the JSON line"""
    values: tuple[float, ...]
    ratios: tuple[float, ...] = ()
    """per round, how many times better this side is than the one it is set beside"""
    goal: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)
    """what else was seen, as further fields of the JSON line"""
    versions: Mapping[str, str] | None = None
    """of the side that was measured, empty where it did not tell; None for this Python's"""

    @property
    def measured(self) -> dict[str, str]:
        return versions() if self.versions is None else dict(self.versions)


class Record:
    """Prints figures as they come and appends them to `place`."""

    def __init__(self, place: Path):
        self.place = place
        self._load = round(os.getloadavg()[0], 2)  # before the first measurement adds its own
        if self._load > 0.3:
            sys.stderr.write(
                f"warning: the machine is busy, load {self._load}; take no figure from this run\n"
            )

    def write(self, figure: Figure) -> None:
        line: dict[str, object] = {"bench": figure.bench, "what": figure.what}
        line |= summary(figure.unit, figure.values) | {"rounds": len(figure.values)}
        if figure.ratios:
            line |= summary("ratio", figure.ratios, "ratio_")
        line |= {"goal": figure.goal} if figure.goal else {}
        about: dict[str, object] = {
            "load": self._load,
            "machine": machine(),
            "versions": figure.measured,
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        sys.stdout.write(json.dumps(line | dict(figure.facts) | about) + "\n")
        sys.stdout.flush()
        self._append(line | about, figure)

    def _append(self, line: Mapping[str, object], figure: Figure) -> None:
        def joined(pairs: Mapping[str, object]) -> str:
            return "; ".join(f"{name} {value}" for name, value in pairs.items())

        cells = {**line, "unit": figure.unit, "value": line[figure.unit]}
        cells |= {"facts": joined(figure.facts), "versions": joined(figure.measured)}
        self.place.parent.mkdir(parents=True, exist_ok=True)
        new = not self.place.exists()
        with self.place.open("a", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore", lineterminator="\n")
            if new:
                writer.writeheader()
            writer.writerow(cells)


def summary(name: str, values: tuple[float, ...], prefix: str = "") -> dict[str, float]:
    """Median, smallest and largest of `values`."""
    figures = {name: median(values), f"{prefix}min": min(values), f"{prefix}max": max(values)}
    return {key: float(f"{value:.4g}") for key, value in figures.items()}


def machine() -> str:
    """The processor's name and the number of its cores that this process may use, fit for a file's name."""
    name = re.sub(r"\((r|tm)\)|\bcpu\b|\bprocessor\b|@.*", " ", runtime.processor().lower())
    return "-".join([*re.findall(r"[a-z0-9]+", name), str(runtime.threads()), "cores"])


def versions() -> dict[str, str]:
    """Of what runs in this Python."""
    return {name: importlib.metadata.version(name) for name in PACKAGES}
