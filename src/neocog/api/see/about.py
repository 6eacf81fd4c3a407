"""What every view says of its network and its pictures, in the same words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from neocog.api.see.opened import Opened

Skipped = tuple[tuple[str, str], ...]
"""(name, reason) of each picture that cannot be read"""


@dataclass(frozen=True, kw_only=True)
class About:
    """What a view is of: the figures of each begin with it."""

    view: str
    """its name, as `neocog see` takes it"""
    model: str | None = None
    """the network's name; None of a view without a network"""
    weights: str | None = None
    """where the weights come from, in words"""
    input: tuple[int, ...] | None = None
    """channels, height and width that the network reads; None where that is not known"""
    data: tuple[str, ...] = ()
    """names of the data that many pictures are of; none of a view of one picture"""
    skipped: Skipped = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "view": self.view,
            "model": self.model,
            "weights": self.weights,
            "input": None if self.input is None else list(self.input),
            "data": list(self.data),
            "skipped": [{"picture": name, "reason": reason} for name, reason in self.skipped],
        }


def about(network: Opened, view: str, data: tuple[str, ...] = (), skipped: Skipped = ()) -> About:
    """What `view` is of, where it looks into `network`."""
    return About(
        view=view,
        model=network.model,
        weights=network.source,
        input=network.size,
        data=data,
        skipped=skipped,
    )
