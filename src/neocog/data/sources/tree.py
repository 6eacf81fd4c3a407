"""What relative paths say about the pictures that lie there: class folders, part folders, or nothing."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from neocog.data.dataset import PARTS, UNLABELLED
from neocog.data.decode import SUFFIXES
from neocog.errors import UserError

PART_FOLDERS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}
HIDDEN = (".", "__MACOSX")
"""what the names of files and folders begin with that are nobody's pictures"""


@dataclass(frozen=True)
class Arranged:
    """Which of the pictures are taken, in which order, and what their places say."""

    order: NDArray[np.int64]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    parts: NDArray[np.str_]
    notes: tuple[str, ...] = ()


def arrange(pictures: Sequence[str], folders: Collection[str], where: str) -> Arranged:
    """The rules of the DATA grammar for `pictures`, POSIX paths relative to `where`, in natural order.

    `folders` are those on the first two levels, with or without a picture below. Class folders are looked for in
    train, val and test where there is a train folder that has folders, else at the top; pictures that lie in no
    class folder at all have no labels.
    """
    tops = {path.split("/", 1)[0] for path in folders}
    if pictures and not _in_class_folders(pictures):
        return _unlabelled(pictures)
    parts = part_folders(pictures, folders, where)
    level = 1 if parts else 0
    names = {path for path in folders if path.count("/") == level and (not parts or _top(path) in parts)}
    if not names:
        raise UserError(f"DATA must be a folder of class folders, got no picture in {where}")
    classes = sorted({class_name(path.split("/")[level]) for path in names}, key=natural)
    place = {name: i for i, name in enumerate(classes)}
    ranks = {top: PARTS.index(parts[top]) if parts else 0 for top in tops if not parts or top in parts}
    taken = [(i, path.split("/")) for i, path in enumerate(pictures)]
    kept = [(ranks[way[0]], i, way) for i, way in taken if len(way) > level + 1 and way[0] in ranks]
    kept.sort(key=lambda item: item[:2])
    labels = np.array([place[class_name(way[level])] for _, _, way in kept], dtype=np.int64)
    held = set(labels.tolist())
    empty = [name for name in classes if place[name] not in held]
    if empty:
        raise UserError(
            f"each class folder must hold a picture, got none in {', '.join(empty[:5])} of {where}; "
            f"known are {', '.join(SUFFIXES)}; a folder that is no class must lie elsewhere"
        )
    order = np.array([i for _, i, _ in kept], dtype=np.int64)
    named = np.array([parts.get(way[0], "") for _, _, way in kept])
    return Arranged(order, labels, tuple(classes), named, _left_out(pictures, order, where))


def is_sorted(pictures: Sequence[str]) -> bool:
    """Whether the pictures lie in two class folders or more, or in a class folder of train, val or test."""
    tops = {_top(path) for path in pictures if "/" in path}
    several = len(tops) > 1 or any(top.lower() in PART_FOLDERS for top in tops)
    return several and _in_class_folders(pictures)


def _in_class_folders(pictures: Iterable[str]) -> bool:
    """Whether some picture lies in a folder other than train, val or test."""
    above = (path.lower().split("/")[:-1] for path in pictures)
    return any(way[0] not in PART_FOLDERS or len(way) > 1 for way in above if way)


def part_folders(pictures: Iterable[str], folders: Collection[str], where: str) -> dict[str, str]:
    """Folder -> train, val or test where a folder called train holds class folders; else none, `train` is a class."""
    tops = sorted({_top(path) for path in folders}, key=natural)
    above = {_top(path) for path in folders if "/" in path}
    parts = {top: PART_FOLDERS[top.lower()] for top in tops if top.lower() in PART_FOLDERS and top in above}
    if "train" not in parts.values():
        if parts and len(parts) == len(tops):
            raise UserError(f"{where} has no train folder, only {', '.join(parts)}; add one")
        return {}
    odd = sorted({_top(path) for path in pictures if "/" in path} - set(parts), key=natural)
    if odd:
        raise UserError(
            f"{where} has a train folder, so each other must be val or test with class folders, too; "
            f"got {', '.join(odd)}; move it elsewhere"
        )
    return parts


def class_name(folder: str) -> str:
    """The folder's name in one Unicode form, since systems write the same accent in two ways."""
    return unicodedata.normalize("NFC", folder)


@lru_cache(4096)
def natural(name: str) -> tuple[object, ...]:
    """Sorting key by which 2 comes before 10, and `ant` beside `Ant`."""
    parts = re.split(r"(\d+)", unicodedata.normalize("NFC", name))
    keys = (_number(part) if i % 2 else part.casefold() for i, part in enumerate(parts))
    return (*keys, (-1, ""), name)


def natural_path(path: str) -> tuple[tuple[object, ...], ...]:
    """Sorting key of a POSIX path, name by name."""
    return tuple(natural(name) for name in path.split("/"))


def folders_above(paths: Collection[str]) -> set[str]:
    """The folders on the first two levels that the POSIX `paths` lie in."""
    ways = (path.split("/") for path in paths)
    return {"/".join(way[:n]) for way in ways for n in (1, 2) if n < len(way)}


def _top(path: str) -> str:
    return path.split("/", 1)[0]


def _number(digits: str) -> tuple[int, str]:
    """Orders digits as numbers, of any length: `int` refuses more than 4,300."""
    bare = digits.lstrip("0")
    return len(bare), bare


def _unlabelled(pictures: Sequence[str]) -> Arranged:
    labels = np.full(len(pictures), UNLABELLED, dtype=np.int64)
    parts = [PART_FOLDERS.get(_top(path).lower(), "") if "/" in path else "" for path in pictures]
    return Arranged(np.arange(len(pictures)), labels, (), np.array(parts, dtype=np.str_))


def _left_out(pictures: Sequence[str], order: NDArray[np.int64], where: str) -> tuple[str, ...]:
    lost = sorted(set(range(len(pictures))) - set(order.tolist()))
    if not lost:
        return ()
    example = pictures[lost[0]]
    return (f"left out: {len(lost):,} pictures that lie in no class folder of {where} (as {example})",)
