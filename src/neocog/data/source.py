"""A path or a name becomes a data set: labelled pictures in a stable order, with the parts they come in."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from neocog.data.builtin import BUILTIN
from neocog.data.dataset import Dataset
from neocog.data.decode import SUFFIXES
from neocog.data.manifest import apply_split
from neocog.data.quarantine import without_quarantined
from neocog.data.reading import Reading, demand_heeded
from neocog.data.samples import Files, Joined, Samples
from neocog.data.sources import archives, cifar, folders, hub, idx, memory, parquet, shards, tables
from neocog.data.sources.folders import pictures_below
from neocog.data.sources.layouts import LAYOUTS, sun397
from neocog.data.sources.rows import is_picture
from neocog.errors import UserError, unknown


class Source(Protocol):
    """A module of `data/sources`: one kind of place that pictures come from."""

    def recognises(self, path: Path) -> bool:
        """Whether the file or folder is of this kind, by its name and its first entries; cheap."""

    def read(self, root: Path, reading: Reading) -> Dataset:
        """The data set there; raises `UserError` naming the file, and the line where there is one."""


SOURCES: tuple[Source, ...] = (*LAYOUTS, idx, cifar, shards, hub, parquet, tables, archives, folders)
"""in the order in which they are asked; the first that recognises a path reads it"""

_OF_TABLES = ("columns", "classes", "consensus")
HEEDED: dict[Source, tuple[str, ...]] = {
    tables: _OF_TABLES,
    archives: _OF_TABLES,  # these two if there is a table inside
    folders: _OF_TABLES,
    parquet: ("columns",),
    hub: ("columns",),
    sun397: ("published_split",),
}
"""which of the fields of `Reading` that are meant for some data only a source can heed"""


def open_dataset(data: object, reading: Reading = Reading()) -> Dataset:  # noqa: B008  # frozen
    """The data set called `data`, as the DATA grammar has it: a folder, a table, an archive, `builtin/NAME`, or `-`.

    From Python also a pair (pictures, labels), a data frame with a column of paths, or a `Dataset`, as it is.
    """
    dataset = _opened(data, reading)
    if reading.split:
        dataset = apply_split(dataset, reading.split, reading.fold)
    return without_quarantined(dataset, reading.quarantine) if reading.quarantine else dataset


def _opened(data: object, reading: Reading) -> Dataset:
    if not isinstance(data, str | Path):
        return _from_memory(data, reading)
    text = str(data)
    if text.startswith("builtin/"):
        return _builtin(text.removeprefix("builtin/"), reading)
    if text.startswith(hub.PREFIX):
        demand_heeded(reading, HEEDED[hub], text)
        return hub.open_hub(text.removeprefix(hub.PREFIX), reading)
    if text == "-":
        return tables.read_stdin(sys.stdin.buffer.read(), reading)
    path = shards.pattern(data) or existing(data)
    for source in SOURCES:
        if source.recognises(path):
            demand_heeded(reading, HEEDED.get(source, ()), path)
            return source.read(path, reading)
    raise UserError(
        f"DATA must be a folder, a table ({', '.join(tables.TABLES)}), an archive ({', '.join(archives.ARCHIVES)}) "
        f"or builtin/NAME, got the file {path}"
    )


def _from_memory(data: object, reading: Reading) -> Dataset:
    if isinstance(data, Dataset):
        demand_heeded(reading, (), "a Dataset")
        return data
    if isinstance(data, tuple) and len(data) == 2:
        demand_heeded(reading, ("classes",), "arrays")
        return memory.read_pair(*data, reading)
    if memory.is_frame(data):
        return memory.read_frame(data, reading)
    raise UserError(
        f"DATA must be a path, a pair (pictures, labels), a data frame or a Dataset, got {type(data).__name__}"
    )


def list_pictures(places: Sequence[str | Path]) -> Samples:
    """The pictures in the order given; whatever else DATA may be stands for every picture in it."""
    found: list[Samples] = []
    paths: list[str] = []
    for place in places:
        several = _several(place)
        if isinstance(several, list):
            paths += several
        else:
            found += [Files(paths), several]
            paths = []
    samples = Joined([*found, Files(paths)]) if found else Files(paths)
    if not len(samples):
        raise UserError(f"no picture found in {', '.join(map(str, places))}; known are {', '.join(SUFFIXES)}")
    return samples


def _several(place: str | Path) -> list[str] | Samples:
    """The pictures that a place stands for: those below a folder, those of another kind of data, or the file itself."""
    if str(place).startswith(("builtin/", hub.PREFIX)) or shards.pattern(place):
        return open_dataset(place).samples
    path = existing(place)
    below = list(pictures_below(path)) if path.is_dir() else []
    if below or is_picture(path.name):
        return below or [str(path)]
    if any(source.recognises(path) for source in SOURCES if source is not folders):
        return open_dataset(path).samples
    return [] if path.is_dir() else [str(path)]


def existing(place: str | Path) -> Path:
    path = Path(os.path.expanduser(place))  # noqa: PTH111  # unlike Path's it never raises
    if not os.path.exists(path):  # noqa: PTH110
        raise UserError(
            f"{path} does not exist; give a file or folder that does, or builtin/{'|'.join(BUILTIN)}"
        )
    return path


def _builtin(name: str, reading: Reading) -> Dataset:
    if name not in BUILTIN:
        raise unknown("built-in data set", f"builtin/{name}", [f"builtin/{known}" for known in BUILTIN])
    demand_heeded(reading, (), f"builtin/{name}")
    return BUILTIN[name](reading)
