"""How large an experiment is: what a laptop can run in minutes, in an hour, or whatever it takes."""

from __future__ import annotations

from dataclasses import dataclass

NAMES = ("minutes", "hour", "full")
"""`minutes` ends within 20 minutes on 2 cores, every experiment"""


@dataclass(frozen=True, kw_only=True)
class Scale:
    """The size of every trial of an experiment, and how many there are."""

    train: int
    """training pictures, drawn anew for each seed; all where there are fewer"""
    test: int
    """test pictures, the same for each seed; all where there are fewer"""
    epochs: int
    seeds: int = 3
    """trials of each arm: two or more, since the interval comes from how far they lie apart"""
    width: int = 0
    """maps or units of the first layer, where the experiment has such a choice"""
    depth: int = 0
    """layers, blocks or models, where the experiment has such a choice"""

    def __post_init__(self) -> None:
        assert min(self.train, self.test, self.epochs) >= 1 and self.seeds >= 2, self
