"""Data sets of the Hugging Face hub and folders that the library `datasets` saved, through that library."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np

from neocog.data.dataset import Dataset
from neocog.data.reading import Reading
from neocog.data.samples import Joined, Picture
from neocog.data.sources.features import choose, classes_of, given_columns, needed, picture_bytes
from neocog.data.sources.tree import PART_FOLDERS
from neocog.errors import Unreadable, UserError

PREFIX = "hfds/"
SAVED = ("dataset_dict.json", "dataset_info.json")


def recognises(path: Path) -> bool:
    """A folder that `save_to_disk` wrote: of one table, or of several with their names."""
    return (path / SAVED[0]).is_file() or ((path / SAVED[1]).is_file() and (path / "state.json").is_file())


def read(root: Path, reading: Reading) -> Dataset:
    """The pictures of a saved folder."""
    return _dataset(root, root.resolve().name, _library().load_from_disk(str(root)), reading)


def open_hub(name: str, reading: Reading) -> Dataset:
    """The data set called `name` or `name:configuration`, from the library's cache, or with `reading.download`."""
    if recognises(Path(name)):
        return read(Path(name), reading)
    datasets = _library()
    identity, _, configuration = name.partition(":")
    offline = (
        (datasets.config, "HF_HUB_OFFLINE"),
        (importlib.import_module("huggingface_hub.constants"), "HF_HUB_OFFLINE"),
    )
    before = [getattr(*place) for place in offline]
    try:
        for module, constant in offline:
            setattr(module, constant, not reading.download)
        loaded = datasets.load_dataset(identity, configuration or None)
    except Exception as error:  # it raises whatever the libraries below it raise
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        way = (
            "look at its name"
            if reading.download
            else "fetch it with --download, or give a folder that datasets saved"
        )
        raise UserError(f"hfds/{name} cannot be loaded ({reason}); {way}") from error
    finally:
        for (module, constant), value in zip(offline, before, strict=True):
            setattr(module, constant, value)
    return _dataset(None, name.replace("/", "-").replace(":", "-"), loaded, reading)


def _library() -> Any:
    return needed(
        "datasets", "hfds/NAME and folders that it saved", lambda: importlib.import_module("datasets")
    )


def _dataset(root: Path | None, name: str, loaded: Any, reading: Reading) -> Dataset:
    tables = dict(loaded) if isinstance(loaded, dict) else {str(loaded.split or ""): loaded}
    place = root or f"hfds/{name}"
    features = next(iter(tables.values())).features.to_dict()
    wanted = given_columns(reading, ("path", "label"), place)
    choice = choose(place, list(features), features, wanted)
    labels: list[Any] = []
    rows: list[Rows] = []
    for part, table in tables.items():
        rows.append(
            Rows(f"{place}/{part}" if part else str(place), _undecoded(table, choice.picture), choice.picture)
        )
        labels += [None] * len(table) if choice.label is None else list(table[choice.label])
    classes, indices = classes_of(place, labels, choice.names)
    return Dataset(
        name,
        Joined(rows),
        indices,
        classes,
        np.repeat([PART_FOLDERS.get(part.lower(), "") for part in tables], [len(table) for table in rows]),
        root,
        notes=(f"read by datasets: pictures from {choice.picture}, labels from {choice.label or 'nowhere'}",),
        listed=True,
    )


def _undecoded(table: Any, column: str) -> Any:
    """The table with the pictures' bytes as they are: they are decoded as everywhere else."""
    image = importlib.import_module("datasets").Image
    typed = isinstance(table.features[column], image)
    return table.cast_column(column, image(decode=False)) if typed else table


class Rows:
    """The pictures in one column of a table that `datasets` holds, which maps its files into memory."""

    def __init__(self, name: str, table: Any, column: str):
        self._name, self._table, self._column = name, table.select_columns([column]), column

    def __len__(self) -> int:
        return len(self._table)

    def name(self, index: int) -> str:
        return f"{self._name}/{index:06d}"

    def read(self, index: int) -> Picture:
        try:
            value = self._table[index][self._column]
        except Exception as error:  # it raises whatever the libraries below it raise
            raise Unreadable(f"cannot be read: {error}") from error
        return picture_bytes(value, Path())
