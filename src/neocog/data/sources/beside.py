"""The tables that lie beside pictures: one, or one each for train, val and test."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from neocog.data.dataset import PARTS, UNLABELLED
from neocog.data.reading import Reading
from neocog.data.sources.labels import Labels
from neocog.data.sources.roles import names_pictures
from neocog.data.sources.rows import Rows
from neocog.data.sources.tables import Find, Table, read_table
from neocog.data.sources.tree import PART_FOLDERS, natural
from neocog.errors import UserError


def labelling(names: Iterable[str]) -> list[str]:
    """Which of the tables in a folder may label its pictures: the only one, or `train.csv` and those of other parts."""
    tables = sorted(names)
    if len(tables) < 2:
        return tables
    by_part = {PARTS.index(part): name for name in tables if (part := part_named(name))}
    unique = len(by_part) == sum(bool(part_named(name)) for name in tables)
    return [by_part[i] for i in sorted(by_part)] if unique and 0 in by_part else []


def part_named(table: str) -> str:
    """train, val or test, where the table is called so; `""` elsewhere."""
    return PART_FOLDERS.get(PurePosixPath(table).stem.lower(), "")


def read_beside(tables: Mapping[str, Rows], reading: Reading, find: Find) -> tuple[list[str], Table] | None:
    """The tables that name pictures, and what they say together; None where none does."""
    read = {
        name: read_table(rows, reading, find)
        for name, rows in tables.items()
        if names_pictures(rows, reading.columns)
    }
    if len(read) < 2:
        return next((([name], table) for name, table in read.items()), None)
    _demand_disjoint(read)
    parts = [
        np.where(table.parts == "", part_named(name), table.parts).astype(np.str_)
        for name, table in read.items()
    ]
    several = list(read.values())
    return list(read), Table(
        [path for table in several for path in table.paths],
        _labels([table.labels for table in several]),
        np.concatenate(parts),
        {key: _column([table.columns[key] for table in several]) for key in _shared(several)},
        tuple(note for table in several for note in table.notes),
    )


def _demand_disjoint(tables: Mapping[str, Table]) -> None:
    first: dict[str, str] = {}
    for name, table in tables.items():
        for path in table.paths:
            before = first.setdefault(os.path.normpath(path), name)
            if before != name:
                raise UserError(
                    f"{name}: a picture must be in one part, got {path}, which is in {before}, too"
                )


def _labels(several: Sequence[Labels]) -> Labels:
    """As one table would have them: all classes in natural order, unless a class list gave every table the same."""
    known = {labels.classes for labels in several}
    classes = known.pop() if len(known) == 1 else sorted({*(n for c in known for n in c)}, key=natural)
    place = {name: i for i, name in enumerate(classes)}
    where = [np.array([*(place[name] for name in old.classes), UNLABELLED]) for old in several]
    numbers = [
        there[old.labels] for there, old in zip(where, several, strict=True)
    ]  # the last is UNLABELLED's
    if all(old.targets is None for old in several):
        return Labels(np.concatenate(numbers), tuple(classes), None)
    targets = [np.zeros((len(old.labels), len(classes)), dtype=bool) for old in several]
    for target, there, old in zip(targets, where, several, strict=True):
        one = np.flatnonzero(old.labels != UNLABELLED)
        target[one, there[old.labels[one]]] = True
        if old.targets is not None:
            target[:, there[:-1]] |= old.targets
    return Labels(np.concatenate(numbers), tuple(classes), np.concatenate(targets))


def _shared(several: Sequence[Table]) -> list[str]:
    """The columns that every table has."""
    every = reduce(set.intersection, (set(table.columns) for table in several))
    return [key for key in several[0].columns if key in every]


def _column(several: Sequence[NDArray[np.generic]]) -> NDArray[np.generic]:
    """Numbers where all are numbers, else text."""
    numbers = {values.dtype.kind in "biuf" for values in several}
    text = np.dtypes.StringDType()
    return np.concatenate(several if len(numbers) == 1 else [values.astype(text) for values in several])
