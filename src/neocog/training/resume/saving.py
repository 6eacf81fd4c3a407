"""What a run is told about keeping itself on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from neocog.errors import UserError

CHECKPOINTS = "checkpoints"
"""the folder of these in that of a run"""


@dataclass(frozen=True, kw_only=True)
class Saving:
    """Where a run's checkpoints go, how often, and how many stay."""

    folder: Path | None = None
    """of the run; None keeps nothing"""
    every: float = 120.0
    """seconds from one checkpoint to the next; there is one at the end of each epoch that took longer, too"""
    keep: int = 2
    """newest checkpoints that stay"""
    resume: bool = False
    """go on from the newest checkpoint, if there is one"""
    limit: float | None = None
    """seconds after which the run is saved and ends"""
    steps: int | None = None
    """after which the run is saved and ends"""
    snapshots: int = 0
    """newest epochs whose weights stay in the run, to be taken out of it later"""
    tensorboard: bool = False
    """figures for TensorBoard in the folder, too"""
    identity: Mapping[str, Any] = field(default_factory=dict)
    """what the run is: a checkpoint of another one is refused"""

    def __post_init__(self) -> None:
        rules = {
            "every": (self.every >= 0, "seconds between checkpoints must not be negative"),
            "keep": (self.keep >= 1, "at least 1 checkpoint must be kept"),
            "snapshots": (self.snapshots >= 0, "the number of snapshots must not be negative"),
            "limit": (self.limit is None or self.limit > 0, "the time limit must be above 0"),
            "steps": (self.steps is None or self.steps >= 1, "a run must have a step at least"),
        }
        for name, (holds, rule) in rules.items():
            if not holds:
                raise UserError(f"{rule}, got {getattr(self, name)}")
