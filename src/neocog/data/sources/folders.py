"""Class folders, with or without train/val/test folders above them; the pictures below any folder."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from neocog.data.dataset import Dataset
from neocog.data.decode import SUFFIXES
from neocog.data.reading import Reading
from neocog.data.samples import Files
from neocog.errors import UserError

PART_FOLDERS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}


def recognises(path: Path) -> bool:
    """Every folder: what no other kind has taken."""
    return path.is_dir()


def read(root: Path, reading: Reading) -> Dataset:
    """The pictures of a folder of class folders, or of one with train/val/test folders."""
    parts = _part_folders(root)
    where = parts or [("", root)]
    classes = sorted({_class_name(folder) for _, top in where for folder in _folders(top)}, key=natural)
    if not classes:
        raise _no_classes(root)
    index = {name: i for i, name in enumerate(classes)}
    paths: list[str] = []
    labels: list[int] = []
    names: list[str] = []
    for part, top in where:
        for folder in sorted(_folders(top), key=lambda folder: natural(folder.name)):
            found = list(pictures_below(folder))
            paths += found
            labels += [index[_class_name(folder)]] * len(found)
            names += [part] * len(found)
    empty = [name for name in classes if index[name] not in set(labels)]
    if empty:
        raise UserError(f"each class folder must hold a picture, got none in {', '.join(empty)} of {root}")
    return Dataset(
        root.resolve().name,
        Files(paths),
        np.array(labels, dtype=np.int64),
        tuple(classes),
        np.array(names),
        root,
    )


def pictures_below(folder: Path, above: frozenset[Path] = frozenset()) -> Iterator[str]:
    """Every file below `folder` with a picture's suffix, in natural order; hidden ones are left out."""
    real = folder.resolve()
    if real in above:  # a symbolic link to a folder it lies in
        return
    try:
        paths = sorted(folder.iterdir(), key=lambda path: natural(path.name))
    except OSError as error:
        raise UserError(f"cannot look into the folder {folder}: {error.strerror}") from error
    for path in paths:
        if path.name.startswith((".", "__MACOSX")):
            continue
        if path.is_dir():
            yield from pictures_below(path, above | {real})
        elif path.suffix.lower() in SUFFIXES:
            yield str(path)


def natural(name: str) -> tuple[object, ...]:
    """Sorting key by which 2 comes before 10, and `ant` beside `Ant`."""
    parts = re.split(r"(\d+)", unicodedata.normalize("NFC", name))
    return (*(int(part) if i % 2 else part.casefold() for i, part in enumerate(parts)), -1, name)


def ignored_files(root: Path) -> dict[str, int]:
    """How many files of each suffix below `root` are not taken for pictures; hidden ones do not count."""
    counts: Counter[str] = Counter()
    for top, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
        shown = (name for name in names if not name.startswith("."))
        counts.update(Path(top, name).suffix.lower() or "no suffix" for name in shown)
    return {suffix: n for suffix, n in counts.most_common() if suffix not in SUFFIXES}


def _folders(top: Path) -> list[Path]:
    try:
        return [
            path for path in top.iterdir() if path.is_dir() and not path.name.startswith((".", "__MACOSX"))
        ]
    except OSError as error:
        raise UserError(f"cannot look into the folder {top}: {error.strerror}") from error


def _class_name(folder: Path) -> str:
    """The folder's name in one Unicode form, since systems write the same accent in two ways."""
    return unicodedata.normalize("NFC", folder.name)


def _part_folders(root: Path) -> list[tuple[str, Path]]:
    """train, val and test where a folder called train holds class folders; none where `train` is itself a class."""
    parts = [f for f in _folders(root) if f.name.lower() in PART_FOLDERS and _folders(f)]
    if not any(PART_FOLDERS[folder.name.lower()] == "train" for folder in parts):
        if parts and len(parts) == len(_folders(root)):
            raise UserError(f"{root} has no train folder, only {', '.join(f.name for f in parts)}; add one")
        return []
    odd = [folder.name for folder in _folders(root) if folder not in parts]
    if odd:
        raise UserError(
            f"{root} has a train folder, so each other must be val or test with class folders, too; "
            f"got {', '.join(odd)}; move it elsewhere"
        )
    named = [(PART_FOLDERS[folder.name.lower()], folder) for folder in parts]
    return sorted(named, key=lambda pair: ("train", "val", "test").index(pair[0]))


def _no_classes(root: Path) -> UserError:
    if any(pictures_below(root)):
        return UserError(
            f"DATA must have one folder per class, got pictures lying directly in {root}; sort them first"
        )
    return UserError(f"DATA must be a folder of class folders, got no picture in {root}")
