"""SUN-397 (Xiao and others 2010): scenes in nested folders, with ten published splits in `Partitions`."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from neocog.data.dataset import Dataset
from neocog.data.reading import Reading
from neocog.data.samples import Files
from neocog.data.sources.folders import pictures_below
from neocog.data.sources.layouts.published_files import rows
from neocog.errors import UserError

LISTS = {"Training": "train", "Testing": "test"}


def recognises(path: Path) -> bool:
    """Folders of one letter each beside, or above, the list of classes."""
    return _class_file(path) is not None and any(
        folder.is_dir() for letter in "abcdefghijklmnopqrstuvwxyz" for folder in [path / letter]
    )


def read(root: Path, reading: Reading) -> Dataset:
    """Train and test of one published split, from 1 to 10, or the first; all pictures without splits."""
    file = _class_file(root)
    assert file is not None
    classes = [name for (name,) in rows(file, 1)]
    folder, fold = _partitions(root), reading.published_split or 1
    found: list[tuple[str, str, str]] = []
    if folder is None:
        found = [(name, path, "") for name in classes for path in pictures_below(root / name.lstrip("/"))]
        said = "no Partitions lie beside it, so all pictures are in no part"
    else:
        for word, part in LISTS.items():
            place = folder / f"{word}_{fold:02d}.txt"
            if not place.is_file():
                raise UserError(
                    f"published_split must be one of those in {folder}, got {fold}: no {place.name}"
                )
            found += [
                (name.rpartition("/")[0], str(root / name.lstrip("/")), part) for (name,) in rows(place, 1)
            ]
        said = f"published split {fold} of 10; pictures outside it were left out"
    index = {name: i for i, name in enumerate(classes)}
    if odd := next((path for name, path, _ in found if name not in index), None):
        raise UserError(f"each picture must be in a class of {file}, got {odd}")
    return Dataset(
        "sun-397",
        Files(path for _, path, _ in found),
        np.array([index[name] for name, *_ in found], dtype=np.int64),
        tuple(re.sub("^/?[a-z]/", "", name) for name in classes),  # /a/apartment_building/outdoor
        np.array([part for *_, part in found]),
        root,
        notes=(f"read as SUN-397, {len(classes)} classes: {said}",),
        listed=True,
    )


def _partitions(root: Path) -> Path | None:
    places = (root / "Partitions", root.resolve().parent / "Partitions", root)
    return next((place for place in places if (place / "Training_01.txt").is_file()), None)


def _class_file(root: Path) -> Path | None:
    places = (root, root / "Partitions", root.resolve().parent / "Partitions")
    return next((place / "ClassName.txt" for place in places if (place / "ClassName.txt").is_file()), None)
