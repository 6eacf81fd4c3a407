"""What the label cells of a table say: one class a picture, several, or none."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neocog.data.dataset import UNLABELLED
from neocog.data.sources.roles import is_empty, is_flag, is_set
from neocog.data.sources.rows import Cell, Rows, decoded
from neocog.data.sources.tree import natural
from neocog.errors import UserError, unknown

SEPARATOR = "|"
"""between the labels of a picture that shows several classes"""
Said = tuple[str, ...]
"""the classes that one row names"""


@dataclass(frozen=True)
class Labels:
    """As the fields of `Dataset`."""

    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    targets: NDArray[np.bool_] | None


def said(rows: Rows, names: Sequence[str], known: Sequence[str]) -> list[Said]:
    """The classes that each row names, in one column of labels or in one column of 0 and 1 per class."""
    if len(names) == 1:
        meanings = {str(place): name for place, name in enumerate(known)} | {name: name for name in known}
        return [_in_cell(rows, row, cell, meanings) for row, cell in enumerate(rows.columns[names[0]])]
    for row in range(len(rows)):
        for name in names:
            if not is_flag(rows.columns[name][row]):
                cell = str(rows.columns[name][row])[:80]
                raise rows.error(row, f"the class column {name} must hold 0 or 1, got {cell!r}")
    return [tuple(name for name in names if is_set(rows.columns[name][row])) for row in range(len(rows))]


def as_labels(said_by: Sequence[Said], classes: Sequence[str]) -> Labels:
    """`classes` are all there are, in order; without them those that are named, in natural order."""
    classes = classes or sorted({name for names in said_by for name in names}, key=natural)
    place = {name: i for i, name in enumerate(classes)}
    labels = [place[names[0]] if len(names) == 1 else UNLABELLED for names in said_by]
    targets = None
    if any(len(names) > 1 for names in said_by):
        targets = np.zeros((len(said_by), len(classes)), dtype=bool)
        for i, names in enumerate(said_by):
            targets[i, [place[name] for name in names]] = True
    return Labels(np.array(labels, dtype=np.int64), tuple(classes), targets)


def class_list(path: Path) -> tuple[str, ...]:
    """The class names in a file, one a line."""
    try:
        text = decoded(path.read_bytes(), str(path))
    except OSError as error:
        raise UserError(f"cannot read the classes in {path}: {error.strerror}") from error
    names = [unicodedata.normalize("NFC", line.strip()) for line in text.split("\n")]
    while names and not names[-1]:
        names.pop()
    seen: set[str] = set()
    for line, name in enumerate(names, 1):
        if not name:
            raise UserError(f"{path}:{line}: a line must hold the name of a class, got none")
        if name in seen:
            raise UserError(f"{path}:{line}: each class must be named once, got {name!r} again")
        seen.add(name)
    if not names:
        raise UserError(f"{path} must hold a class name a line, got none")
    return tuple(names)


def _in_cell(rows: Rows, row: int, cell: Cell, meanings: Mapping[str, str]) -> Said:
    if is_empty(cell):
        return ()
    items: Sequence[Cell] = cell if isinstance(cell, list | tuple) else [cell]
    if isinstance(cell, str):
        items = _json_list(cell) if cell.startswith("[") else cell.split(SEPARATOR)
    names = [_class(rows, row, item, meanings) for item in items if not is_empty(item)]
    return tuple(dict.fromkeys(names))


def _json_list(cell: str) -> Sequence[Cell]:
    try:
        items = json.loads(cell)
    except (ValueError, RecursionError):
        return [cell]
    return items if isinstance(items, list) else [cell]


def _class(rows: Rows, row: int, item: Cell, meanings: Mapping[str, str]) -> str:
    """The name that a label means: itself, or where classes are known one of them, by name or by place."""
    if isinstance(item, dict | list):
        raise rows.error(row, f"a label must be a name or a number, got {str(item)[:80]}")
    name = unicodedata.normalize("NFC", str(item).strip())
    if not meanings:
        return name
    meaning = meanings.get(name) or meanings.get(name.removesuffix(".0"))
    if meaning is not None:
        return meaning
    classes = list(dict.fromkeys(meanings.values()))
    if re.fullmatch(r"[-+]?[\d.]+", name):
        raise rows.error(row, f"label must lie in 0..{len(classes) - 1} of the class list, got {name[:80]}")
    raise rows.error(row, str(unknown("label", name[:80], classes)))
