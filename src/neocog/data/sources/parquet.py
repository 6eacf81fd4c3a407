"""Parquet files with a column of pictures, read one row group at a time."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neocog.data.dataset import PARTS, Dataset
from neocog.data.reading import Reading
from neocog.data.samples import Joined, Picture
from neocog.data.sources.features import Choice, choose, classes_of, given_columns, needed, picture_bytes
from neocog.data.sources.inside import files_with, part_in
from neocog.data.sources.tree import PART_FOLDERS
from neocog.errors import Unreadable, UserError

KEPT_GROUPS = 2
ONE_AT_A_TIME = Lock()


def recognises(path: Path) -> bool:
    """A Parquet file, or a folder with some in it, or in train, val, test or data in it."""
    return path.suffix.lower() == ".parquet" if path.is_file() else bool(files_with(path, ".parquet"))


def read(root: Path, reading: Reading) -> Dataset:
    """The rows of all files in natural order; train, val or test by a column, else as the file's path says."""
    files = [root] if root.is_file() else files_with(root, ".parquet")
    folder = root.parent if root.is_file() else root
    first = _open(files[0])
    wanted = given_columns(reading, ("path", "label", "part", "group"), root)
    choice = choose(files[0], first.schema_arrow.names, _features(first), wanted)
    labels: list[Any] = []
    parts: list[str] = []
    groups: list[Any] = []
    rows: list[Rows] = []
    for path in files:
        file = _open(path)
        _demand_columns(path, file.schema_arrow.names, choice)
        rows.append(Rows(path, choice.picture, _ends(file), folder))
        labels += _column(path, file, choice.label)
        parts += (
            _parts(path, _column(path, file, choice.part))
            if choice.part
            else [part_in(path.relative_to(folder))] * len(rows[-1])
        )
        groups += _column(path, file, wanted["group"]) if "group" in wanted else []
    classes, indices = classes_of(root, labels, choice.names)
    return Dataset(
        root.resolve().stem,
        Joined(rows),
        indices,
        classes,
        np.array(parts, dtype=np.str_),
        folder,
        columns={"group": np.array(list(map(str, groups)))} if groups else {},
        notes=(f"read as Parquet: pictures from {choice.picture}, labels from {choice.label or 'nowhere'}",),
        listed=True,
    )


class Rows:
    """The pictures in one column of a Parquet file.

    A read decodes the row group that the picture lies in; the last two are kept, whichever file they are of.
    """

    def __init__(self, path: Path, column: str, ends: NDArray[np.int64], folder: Path):
        """`ends` is where each row group ends; paths in the column are taken to lie below `folder`."""
        self._path, self._column, self._ends, self._folder = path, column, ends, folder

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def name(self, index: int) -> str:
        return f"{self._path}/{index:06d}"

    def read(self, index: int) -> Picture:
        group = int(np.searchsorted(self._ends, index, side="right"))
        start = int(self._ends[group - 1]) if group else 0
        with ONE_AT_A_TIME:
            try:
                about = self._path.stat()
                column = _group(self._path, about.st_mtime_ns, group, self._column)
                value = column[index - start].as_py()
            except Exception as error:  # pyarrow raises anything on a damaged file
                raise Unreadable(f"cannot be read: {error}") from error
        return picture_bytes(value, self._folder)


@lru_cache(maxsize=KEPT_GROUPS)
def _group(path: Path, changed: int, group: int, column: str) -> Any:
    """One row group's column; `changed` makes another group of a file that was written anew."""
    with _open(path) as file:
        return file.read_row_group(group, columns=[column])[column]


def _open(path: Path) -> Any:
    parquet = needed("pyarrow", "Parquet files", lambda: importlib.import_module("pyarrow.parquet"))
    try:
        return parquet.ParquetFile(path)
    except (OSError, ValueError) as error:  # ArrowInvalid is a ValueError
        raise UserError(f"{path} is cut or no Parquet file: {error}; fetch it again") from error


def _features(file: Any) -> dict[str, Any]:
    """What the schema's metadata say of each column, if `datasets` wrote them."""
    metadata = (file.schema_arrow.metadata or {}).get(b"huggingface")
    try:
        features = json.loads(metadata)["info"]["features"] if metadata else {}
    except (ValueError, KeyError, TypeError):  # of some other library
        return {}
    return features if isinstance(features, dict) else {}


def _ends(file: Any) -> NDArray[np.int64]:
    about = file.metadata
    return np.cumsum([about.row_group(i).num_rows for i in range(about.num_row_groups)], dtype=np.int64)


def _demand_columns(path: Path, columns: list[str], choice: Choice) -> None:
    lacking = [name for name in (choice.picture, choice.label, choice.part) if name and name not in columns]
    if lacking:
        raise UserError(f"each file must have the same columns, {path} lacks {', '.join(lacking)}")


def _parts(path: Path, values: Iterable[Any]) -> Iterator[str]:
    """train, val or test, under any of the names that folders may have; `""` where a row says nothing."""
    for row, value in enumerate(values):
        part = PART_FOLDERS.get(str(value).strip().lower(), "")
        if not part and value not in (None, ""):
            raise UserError(
                f"{path}, row {row}: part must be one of {', '.join(PARTS)}, got {str(value)[:80]!r}"
            )
        yield part


def _column(path: Path, file: Any, name: str | None) -> Iterator[Any]:
    """The values of a column, a row group at a time; None for each row where there is no such column."""
    if name is None:
        yield from [None] * file.metadata.num_rows
        return
    try:
        for batch in file.iter_batches(columns=[name]):
            yield from batch.column(0).to_pylist()
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read the column {name} of {path}: {error}; fetch the file again") from error
