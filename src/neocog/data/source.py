"""A path or a name becomes a data set: labelled pictures in a stable order, with the parts they come in."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neocog.data.builtin import BUILTIN
from neocog.data.decode import SUFFIXES
from neocog.data.samples import Files, Samples, Subset
from neocog.errors import UserError, unknown

PARTS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}


@dataclass(frozen=True)
class Dataset:
    """Labelled pictures; `parts` tells for each one the folder it came in, `""` where there are no such folders."""

    name: str
    samples: Samples
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    parts: NDArray[np.str_]
    root: Path | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def short_name(self, index: int) -> str:
        """The picture's path below the data set's folder."""
        name = self.samples.name(index)
        return Path(name).relative_to(self.root).as_posix() if self.root else name


def open_dataset(data: str | Path) -> Dataset:
    """The data set called `data`: `builtin/NAME`, a folder of class folders, or one with train/val/test folders."""
    text = str(data)
    if text.startswith("builtin/"):
        return _builtin(text.removeprefix("builtin/"))
    root = existing(data)
    if not root.is_dir():
        raise UserError(f"DATA must be a folder of class folders or builtin/NAME, got the file {root}")
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


def judged_part(dataset: Dataset, part: str | None = None) -> Dataset:
    """The pictures of one part; all of them where the data have no parts."""
    there = [name for name in ("test", "val", "train") if (dataset.parts == name).any()]
    if not there:
        if part is not None:
            raise UserError(f"{dataset.name} has no {part} folder; leave --part out to score all of it")
        return dataset
    chosen = part or there[0]
    if chosen not in there:
        raise UserError(f"part must be one of {', '.join(there)}, got {chosen!r}")
    indices = np.flatnonzero(dataset.parts == chosen)
    samples, labels = Subset(dataset.samples, indices), dataset.labels[indices]
    return Dataset(
        f"{dataset.name}/{chosen}", samples, labels, dataset.classes, dataset.parts[indices], dataset.root
    )


def list_pictures(places: Sequence[str | Path]) -> Files:
    """The pictures in the order given; a folder stands for every picture below it, classes or not."""
    paths: list[str] = []
    for place in places:
        path = existing(place)
        paths += pictures_below(path) if path.is_dir() else [str(path)]
    if not paths:
        raise UserError(f"no picture found in {', '.join(map(str, places))}; known are {', '.join(SUFFIXES)}")
    return Files(paths)


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
    parts = [f for f in _folders(root) if f.name.lower() in PARTS and _folders(f)]
    if not any(PARTS[folder.name.lower()] == "train" for folder in parts):
        if parts and len(parts) == len(_folders(root)):
            raise UserError(f"{root} has no train folder, only {', '.join(f.name for f in parts)}; add one")
        return []
    odd = [folder.name for folder in _folders(root) if folder not in parts]
    if odd:
        raise UserError(
            f"{root} has a train folder, so each other must be val or test with class folders, too; "
            f"got {', '.join(odd)}; move it elsewhere"
        )
    named = [(PARTS[folder.name.lower()], folder) for folder in parts]
    return sorted(named, key=lambda pair: ("train", "val", "test").index(pair[0]))


def ignored_files(root: Path) -> dict[str, int]:
    """How many files of each suffix below `root` are not taken for pictures; hidden ones do not count."""
    counts: Counter[str] = Counter()
    for top, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
        shown = (name for name in names if not name.startswith("."))
        counts.update(Path(top, name).suffix.lower() or "no suffix" for name in shown)
    return {suffix: n for suffix, n in counts.most_common() if suffix not in SUFFIXES}


def _no_classes(root: Path) -> UserError:
    if any(pictures_below(root)):
        return UserError(
            f"DATA must have one folder per class, got pictures lying directly in {root}; sort them first"
        )
    return UserError(f"DATA must be a folder of class folders, got no picture in {root}")
