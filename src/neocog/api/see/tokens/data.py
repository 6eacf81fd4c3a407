"""The pictures over which attention is averaged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from neocog.api.embedding.features import EmbedOptions, opened, part_of
from neocog.api.see.given import demand_unread
from neocog.api.see.opened import OpenOptions
from neocog.data.dataset import Dataset
from neocog.errors import UserError
from neocog.progress import Progress

READ = ("part", "split", "fold", "quarantine", "columns", "strict")
"""what may be said about the data"""


class AttentionOptions(OpenOptions, total=False):
    """What one may say about the network and about `data`, by keyword."""

    part: str | None
    """train, val or test where the data have such parts; all of them if not given"""
    split: str | Path | None
    fold: int | None
    quarantine: str | Path | None
    columns: Mapping[str, str] | None
    """these four as `train` takes them"""
    strict: bool
    """an unreadable picture is an error instead of being skipped"""


@dataclass(frozen=True, eq=False)
class Over:
    """Pictures of some data, evenly spaced in their order."""

    dataset: Dataset
    chosen: tuple[int, ...]
    """places of the pictures, at least one"""
    strict: bool


def averaged_over(data: object, pictures: int, options: AttentionOptions, told: Progress) -> Over | None:
    """At most so many `pictures` of those of `data` that the options leave; None where there are no data."""
    if pictures < 1:
        raise UserError(f"pictures must be at least 1, got {pictures}")
    if data is None:
        demand_unread(options, READ)
        return None
    said = cast("EmbedOptions", {name: options[name] for name in (*READ, "download") if name in options})  # type: ignore[literal-required]
    dataset = part_of(opened(data, told, said), told, said)
    places = np.linspace(0, len(dataset) - 1, min(pictures, len(dataset))).round().astype(int)
    return Over(dataset, tuple(np.unique(places).tolist()), options.get("strict", False))
