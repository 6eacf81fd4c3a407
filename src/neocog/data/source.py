"""A path or a name becomes a data set: labelled pictures in a stable order, with the parts they come in."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from neocog.data.builtin import BUILTIN
from neocog.data.dataset import Dataset
from neocog.data.decode import SUFFIXES
from neocog.data.quarantine import without_quarantined
from neocog.data.reading import Reading
from neocog.data.samples import Files
from neocog.data.sources import folders
from neocog.data.sources.folders import pictures_below
from neocog.errors import UserError, unknown


class Source(Protocol):
    """A module of `data/sources`: one kind of place that pictures come from."""

    def recognises(self, path: Path) -> bool:
        """Whether the file or folder is of this kind, by its name and its first entries; cheap."""

    def read(self, root: Path, reading: Reading) -> Dataset:
        """The data set there; raises `UserError` naming the file, and the line where there is one."""


SOURCES: tuple[Source, ...] = (folders,)
"""in the order in which they are asked; the first that recognises a path reads it"""


def open_dataset(data: str | Path, reading: Reading = Reading()) -> Dataset:  # noqa: B008  # frozen
    """The data set called `data`: `builtin/NAME`, a folder of class folders, or one with train/val/test folders."""
    dataset = _opened(data, reading)
    return without_quarantined(dataset, reading.quarantine) if reading.quarantine else dataset


def _opened(data: str | Path, reading: Reading) -> Dataset:
    text = str(data)
    if text.startswith("builtin/"):
        return _builtin(text.removeprefix("builtin/"))
    path = existing(data)
    for source in SOURCES:
        if source.recognises(path):
            return source.read(path, reading)
    raise UserError(f"DATA must be a folder of class folders or builtin/NAME, got the file {path}")


def list_pictures(places: Sequence[str | Path]) -> Files:
    """The pictures in the order given; a folder stands for every picture below it, classes or not."""
    paths: list[str] = []
    for place in places:
        path = existing(place)
        paths += pictures_below(path) if path.is_dir() else [str(path)]
    if not paths:
        raise UserError(f"no picture found in {', '.join(map(str, places))}; known are {', '.join(SUFFIXES)}")
    return Files(paths)


def existing(place: str | Path) -> Path:
    path = Path(os.path.expanduser(place))  # noqa: PTH111  # unlike Path's it never raises
    if not os.path.exists(path):  # noqa: PTH110
        raise UserError(
            f"{path} does not exist; give a file or folder that does, or builtin/{'|'.join(BUILTIN)}"
        )
    return path


def _builtin(name: str) -> Dataset:
    if name not in BUILTIN:
        raise unknown("built-in data set", f"builtin/{name}", [f"builtin/{known}" for known in BUILTIN])
    samples, labels, classes = BUILTIN[name]()
    return Dataset(name, samples, labels, classes, np.full(len(labels), ""))
