"""CUB-200-2011 (Wah and others 2011): birds with boxes and 15 part locations; the files are those of its README."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neocog.data.dataset import Dataset
from neocog.data.reading import Reading
from neocog.data.samples import Files
from neocog.data.sources.layouts.published_files import number, position, rows
from neocog.errors import UserError

FILES = ("images.txt", "image_class_labels.txt", "train_test_split.txt", "classes.txt")


def recognises(path: Path) -> bool:
    return (path / "images").is_dir() and all((path / name).is_file() for name in FILES)


def read(root: Path, reading: Reading) -> Dataset:
    """Train and test as published; columns `box` (n, 4) and `parts` (n, 15, 3): x, y and whether it is visible."""
    images = rows(root / "images.txt", 2)
    index = {word: i for i, (word, _) in enumerate(images)}
    classes = [name for _, name in rows(root / "classes.txt", 2)]
    labels = np.full(len(images), -1, dtype=np.int64)
    for line, (word, label) in enumerate(rows(root / "image_class_labels.txt", 2), 1):
        place = _place(root / "image_class_labels.txt", line, word, index)
        labels[place] = position(root / "image_class_labels.txt", line, label, len(classes))
    parts = np.full(len(images), "test", dtype="<U5")
    for line, (word, trains) in enumerate(rows(root / "train_test_split.txt", 2), 1):
        if trains not in ("0", "1"):
            raise UserError(
                f"{root / 'train_test_split.txt'}, row {line}: must end with 0 or 1, got {trains!r}"
            )
        parts[_place(root / "train_test_split.txt", line, word, index)] = "train" if trains == "1" else "test"
    return Dataset(
        "cub-200-2011",
        Files(root / "images" / name for _, name in images),
        labels,
        tuple(name.partition(".")[2].replace("_", " ") or name for name in classes),
        parts,
        root,
        columns=_columns(root, index),
        notes=(f"read as CUB-200-2011, {len(classes)} classes, its own train and test",),
        listed=True,
    )


def _columns(root: Path, index: dict[str, int]) -> dict[str, NDArray[np.float64]]:
    columns = {}
    if (path := root / "bounding_boxes.txt").is_file():
        columns["box"] = np.full((len(index), 4), np.nan)
        for line, (word, *box) in enumerate(rows(path, 5), 1):
            columns["box"][_place(path, line, word, index)] = [number(path, line, side) for side in box]
    if (path := root / "parts" / "part_locs.txt").is_file():
        count = len(rows(root / "parts" / "parts.txt", 2))
        columns["parts"] = np.full((len(index), count, 3), np.nan)
        for line, (word, part, *where) in enumerate(rows(path, 5), 1):
            place = _place(path, line, word, index), position(path, line, part, count)
            columns["parts"][place] = [number(path, line, value) for value in where]
    return columns


def _place(path: Path, line: int, word: str, index: dict[str, int]) -> int:
    if word not in index:
        raise UserError(
            f"{path}, row {line}: must begin with the number of a picture of images.txt, got {word!r}"
        )
    return index[word]
