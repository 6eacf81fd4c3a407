"""CIFAR-10 and CIFAR-100 in their binary version: records of one or two label bytes and 3 x 32 x 32 pixels.

Krizhevsky (2009), Learning Multiple Layers of Features from Tiny Images; the format is on the data sets' own page.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neocog.data.dataset import Dataset
from neocog.data.reading import Reading
from neocog.data.samples import Joined
from neocog.data.sources.names import class_names
from neocog.data.sources.stack import Stack
from neocog.errors import UserError


@dataclass(frozen=True)
class Version:
    """How one of the two data sets lies on disk."""

    name: str
    folder: str
    """what its archive unpacks to"""
    train: tuple[str, ...]
    test: tuple[str, ...]
    labels: tuple[str, ...]
    """the label bytes of a record, the class last"""
    names: tuple[tuple[str, str], ...]
    """the file with the names of each label, and what these are called in `class_names`, should it be missing"""
    pickled: tuple[str, ...]
    """files of the Python version"""
    pickled_folder: str
    """what its archive unpacks to"""

    @property
    def record(self) -> np.dtype[Any]:
        return np.dtype([*((label, "u1") for label in self.labels), ("pixels", "u1", (3, 32, 32))])

    def lies_in(self, folder: Path) -> bool:
        found = [folder / name for name in (*self.train, *self.test) if (folder / name).is_file()]
        if not found:
            return False
        # several files called alike are no accident, `train.bin` alone may be anything
        named = len(self.train) > 1 or (folder / self.names[-1][0]).is_file()
        return named or all(not path.stat().st_size % self.record.itemsize for path in found)


CIFAR = (
    Version(
        "cifar-10",
        "cifar-10-batches-bin",
        tuple(f"data_batch_{i}.bin" for i in range(1, 6)),
        ("test_batch.bin",),
        ("fine",),
        (("batches.meta.txt", "cifar-10"),),
        ("data_batch_1", "batches.meta"),
        "cifar-10-batches-py",
    ),
    Version(
        "cifar-100",
        "cifar-100-binary",
        ("train.bin",),
        ("test.bin",),
        ("coarse", "fine"),
        (("coarse_label_names.txt", "cifar-100-coarse"), ("fine_label_names.txt", "cifar-100")),
        ("train", "test", "meta"),
        "cifar-100-python",
    ),
)


def recognises(path: Path) -> bool:
    """The folder that one of the archives unpacks to, the one above it, or one of the binary files."""
    return _find(path) is not None or _pickled(path) is not None


def read(root: Path, reading: Reading) -> Dataset:
    """The pictures file after file, train before test; CIFAR-100's coarse labels are the column `coarse`."""
    found = _find(root)
    if found is None:
        version = _pickled(root) or CIFAR[0]
        raise UserError(
            f"{root} holds the Python version of {version.name}, and pickled files can run any code; they are "
            f"not opened: fetch the binary version, {version.folder}, instead"
        )
    version, folder, places = found
    records = [_records(path, version) for path in places]
    names = [_names(folder / file, known) for file, known in version.names]
    for path, record in zip(places, records, strict=True):
        for label, known in zip(version.labels, names, strict=True):
            _demand_known(path, record[label], known)
    labels = {label: np.concatenate([record[label] for record in records]) for label in version.labels}
    return Dataset(
        version.name,
        Joined(
            [
                Stack(str(path), record["pixels"].transpose(0, 2, 3, 1))
                for path, record in zip(places, records, strict=True)
            ]
        ),
        labels["fine"].astype(np.int64),
        names[-1],
        np.repeat(
            ["train" if path.name in version.train else "test" for path in places], list(map(len, records))
        ),
        folder,
        columns={
            label: np.array(known)[labels[label]]
            for label, known in zip(version.labels, names, strict=True)
            if label != "fine"
        },
        notes=_missing(root, version, places),
        listed=True,
    )


def _find(path: Path) -> tuple[Version, Path, list[Path]] | None:
    for version in CIFAR:
        every = (*version.train, *version.test)
        if path.is_file():
            if path.name in every and version.lies_in(path.parent):
                return version, path.parent, [path]
            continue
        for folder in (path, path / version.folder):
            if version.lies_in(folder):
                return version, folder, [folder / name for name in every if (folder / name).is_file()]
    return None


def _pickled(path: Path) -> Version | None:
    """The data set whose pickled files lie here."""
    for version in CIFAR:
        for folder in (path, path / version.pickled_folder):
            if all((folder / name).is_file() for name in version.pickled):
                return version
    return None


def _records(path: Path, version: Version) -> NDArray[Any]:
    size, record = path.stat().st_size, version.record
    if not size:
        raise UserError(f"{path} is empty; fetch it again")
    if odd := size % record.itemsize:
        raise UserError(
            f"{path} is cut: a picture of {version.name} has {record.itemsize:,} bytes, its last one, number "
            f"{size // record.itemsize:,}, lacks {record.itemsize - odd:,}; fetch it again"
        )
    try:
        return np.memmap(path, record, "r")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error


def _names(path: Path, known: str) -> tuple[str, ...]:
    return tuple(path.read_text("utf-8", "replace").split()) if path.is_file() else class_names(known)


def _demand_known(path: Path, labels: NDArray[np.uint8], known: tuple[str, ...]) -> None:
    if (odd := np.flatnonzero(labels >= len(known))).size:
        raise UserError(
            f"{path}: the label of picture {odd[0]:,} must be below {len(known)}, got {labels[odd[0]]}; fetch it again"
        )


def _missing(root: Path, version: Version, places: list[Path]) -> tuple[str, ...]:
    there = {path.name for path in places}
    missing = [name for name in (*version.train, *version.test) if name not in there]
    return (f"{version.name} lacks {', '.join(missing)}",) if missing and root.is_dir() else ()
