"""How a run learned: what it wrote after each epoch, and the loss of its steps."""

from __future__ import annotations

import csv
from contextlib import suppress
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

METRICS = "metrics.csv"
Points = tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Curves:
    """Points (epoch, value), or (step, value); empty where the run did not write them."""

    train: Points = ()
    """training loss"""
    held_out: Points = ()
    """loss on the held-out pictures"""
    figure: Points = ()
    """what the run is judged by"""
    figure_name: str = ""
    rate: Points = ()
    """learning rate at the end of the epoch"""
    steps: Points = ()
    """loss of steps"""

    def to_json(self) -> dict[str, Any]:
        def plain(points: Points) -> list[list[float | None]]:
            return [[x, y if isfinite(y) else None] for x, y in points]

        return {
            "train_loss": plain(self.train),
            "eval_loss": plain(self.held_out),
            self.figure_name or "eval_figure": plain(self.figure),
            "lr": plain(self.rate),
            "step_loss": plain(self.steps),
        }


def curves_of(folder: Path) -> Curves:
    """Those of the run in `folder`."""
    try:
        rows = list(csv.DictReader((folder / METRICS).read_text("utf-8").splitlines()))
    except (OSError, UnicodeDecodeError):
        rows = []
    figures = [name for name in (rows[0] if rows else ()) if name.startswith("eval_") and name != "eval_loss"]
    name = figures[0] if figures else ""
    return Curves(
        _column(rows, "train_loss"),
        _column(rows, "eval_loss"),
        _column(rows, name),
        name,
        _column(rows, "lr"),
        _steps(folder),
    )


def _column(rows: list[dict[str, str]], name: str) -> Points:
    found = []
    for row in rows:
        with suppress(KeyError, ValueError, TypeError):  # a cell may be empty
            found.append((int(row["epoch"]), float(row[name])))
    return tuple(found)


def _steps(folder: Path) -> Points:
    from neocog.training.resume.events import read_events

    told = [event for event in read_events(folder) if event.get("kind") == "step"]
    return tuple((int(event["step"]), float(event["loss"])) for event in told if "loss" in event)
