"""Tables that name pictures: CSV, TSV and JSONL files, lists on stdin, and what archives hold of them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neocog.data.annotators import RULES, krippendorff_alpha
from neocog.data.dataset import Columns, Dataset
from neocog.data.decode import SUFFIXES
from neocog.data.reading import Reading
from neocog.data.samples import Files, Samples
from neocog.data.sources.ballots import read_ballots
from neocog.data.sources.labels import Labels, Said, as_labels, class_list, said
from neocog.data.sources.roles import Roles, as_array, boxes, find_roles, is_empty, names_pictures, part_of
from neocog.data.sources.rows import DELIMITERS, Rows, is_picture, read_list, read_rows
from neocog.errors import UserError

TABLES = (".csv", ".tsv", ".jsonl")
MAX_BYTES = 1 << 30
FIRST_LINE = 1 << 16  # bytes looked at to see what stdin holds
Notes = tuple[str, ...]
Find = Callable[[str], str | None]
"""a path as the table writes it -> as it can be opened; None where there is no such picture"""


@dataclass(frozen=True)
class Table:
    """What a table says of each picture, one picture an entry."""

    paths: list[str]
    """as they can be opened"""
    labels: Labels
    parts: NDArray[np.str_]
    columns: Columns
    notes: tuple[str, ...]


def recognises(path: Path) -> bool:
    return path.suffix.lower() in TABLES and path.is_file()


def read(root: Path, reading: Reading) -> Dataset:
    """The pictures that the table names, by paths relative to its folder, or absolute ones."""
    return on_disk(read_file(root), reading, root.stem, root.parent)


def read_file(root: Path) -> Rows:
    """The table in a file."""
    try:
        if root.stat().st_size > MAX_BYTES:
            raise UserError(f"{root} must have at most {MAX_BYTES:,} bytes; split it")
        data = root.read_bytes()
    except OSError as error:
        raise UserError(f"cannot open {root}: {error.strerror}") from error
    return read_rows(data, str(root), root.suffix.lower())


def read_stdin(data: bytes, reading: Reading) -> Dataset:
    """The pictures of a list or a table, by paths relative to the working folder, or absolute ones."""
    separated = _begins_as_table(data[:FIRST_LINE].decode("utf-8-sig", "replace"), reading)
    rows = read_rows(data, "stdin", ".csv") if separated else read_list(data, "stdin")
    return on_disk(rows, reading, "stdin", Path())


def _begins_as_table(text: str, reading: Reading) -> bool:
    """Whether the first line names a column of paths, or is a picture and a label, separated but not by a tab."""
    first = text.lstrip().split("\n", 1)[0]
    cells = [cell.strip(' "\r') for cell in re.split(f"[{DELIMITERS}]", first)]
    if first.startswith("{"):
        return False
    if names_pictures(Rows("stdin", {cell: [] for cell in cells}, ()), reading.columns):
        return True
    return len(cells) == 2 and "\t" not in first and is_picture(cells[0]) and not is_picture(cells[1])


def on_disk(rows: Rows, reading: Reading, name: str, folder: Path) -> Dataset:
    """The table's pictures as files, relative to `folder`."""
    table = read_table(rows, reading, find_below(folder))
    return as_dataset(table, name, Files(table.paths), folder, table.notes)


def find_below(folder: Path) -> Find:
    """Finds the files on disk whose paths are relative to `folder`, or absolute."""

    def find(path: str) -> str | None:
        # unlike Path's these never raise
        return the_picture(str(folder / os.path.expanduser(path)), os.path.isfile)  # noqa: PTH111, PTH113

    return find


def from_tables(names: Sequence[str], others: int) -> Notes:
    """That tables among the pictures give the labels, and how many pictures they do not name."""
    said = ", ".join(names)
    left_out = (f"left out: {others:,} pictures that {said} {'does' if len(names) == 1 else 'do'} not name",)
    return (f"labels: from {said}", *(left_out if others else ()))


def the_picture(name: str, is_there: Callable[[str], bool]) -> str | None:
    """`name`, or the one picture that it means where tables leave the suffix out; None where there is none."""
    if is_there(name) or is_picture(name):
        return name if is_there(name) else None
    meant = [name + suffix for suffix in SUFFIXES if is_there(name + suffix)]
    return meant[0] if len(meant) == 1 else None


def as_dataset(table: Table, name: str, samples: Samples, root: Path, notes: Notes) -> Dataset:
    """The table's pictures, which `samples` reads."""
    return Dataset(
        name,
        samples,
        table.labels.labels,
        table.labels.classes,
        table.parts,
        root,
        table.labels.targets,
        table.columns,
        notes,
        listed=True,
    )


def read_table(rows: Rows, reading: Reading, find: Find) -> Table:
    """What the rows say; an error names the file and the line."""
    if not len(rows):
        raise UserError(f"{rows.place} must name a picture, got no row")
    roles = find_roles(rows, reading.columns)
    paths = _paths(rows, roles["path"][0], find)
    parts = [part_of(rows, i, cell) for i, cell in enumerate(_column(rows, roles, "part"))]
    known = class_list(reading.classes) if reading.classes else ()
    if "annotator" in roles:
        return _by_annotators(_Read(rows, roles, paths, parts), known, reading.consensus or "majority")
    if reading.consensus is not None:
        raise UserError(
            f"{rows.place} must name annotators for a consensus, got the columns {', '.join(rows.columns)}; "
            "say which by --columns annotator=COLUMN"
        )
    names = said(rows, roles["label"], known) if "label" in roles else [()] * len(rows)
    kept, notes = _once(rows, paths, names, parts)
    labels = as_labels([names[row] for row in kept], known)
    return _table(_Read(rows, roles, paths, parts), kept, labels, notes)


@dataclass(frozen=True)
class _Read:
    """A table whose paths and parts are read."""

    rows: Rows
    roles: Roles
    paths: list[str]
    parts: list[str]


def _table(read: _Read, kept: Sequence[int], labels: Labels, notes: tuple[str, ...]) -> Table:
    return Table(
        [read.paths[row] for row in kept],
        labels,
        np.array([read.parts[row] for row in kept], dtype=np.str_),
        _columns(read.rows, read.roles, kept),
        notes,
    )


def _paths(rows: Rows, column: str, find: Find) -> list[str]:
    found: list[str] = []
    missing: list[int] = []
    for row, cell in enumerate(rows.columns[column]):
        if is_empty(cell) or not isinstance(cell, str):
            given = "nothing" if is_empty(cell) else str(cell)[:80]
            raise rows.error(row, f"a row must name a picture in {column}, got {given}")
        path = find(cell) or find(cell.replace("\\", "/"))  # as Windows writes it
        if path is None:
            missing.append(row)
        found.append(path or "")
    if missing:
        first = rows.columns[column][missing[0]]
        more = f" ({len(missing):,} of {len(rows):,} rows name none)" if len(missing) > 1 else ""
        if len(missing) == len(rows):
            more += "; paths are relative to the table's folder, those of stdin and of data frames to the working one"
        raise rows.error(missing[0], f"the picture must exist, got {first[:200]!r}, which does not{more}")
    return found


def _column(rows: Rows, roles: Roles, role: str) -> Sequence[object]:
    return rows.columns[roles[role][0]] if role in roles else [""] * len(rows)


def _once(
    rows: Rows, paths: Sequence[str], names: Sequence[Said], parts: Sequence[str]
) -> tuple[list[int], tuple[str, ...]]:
    """The rows that name a picture for the first time; a later one must say the same."""
    first: dict[str, int] = {}
    again: list[int] = []
    for row, path in enumerate(paths):
        before = first.setdefault(os.path.normpath(path), row)
        if before == row:
            continue
        again.append(row)
        for what, values in (("label", names), ("part", parts)):
            if values[before] != values[row]:
                one, other = _shown(values[before]), _shown(values[row])
                raise rows.error(
                    row,
                    f"a picture must have one {what}, got {other} where line {rows.lines[before]} says {one}",
                )
    if not again:
        return list(first.values()), ()
    note = f"left out: {len(again):,} rows that repeat an earlier one (as line {rows.lines[again[0]]})"
    return list(first.values()), (note,)


def _shown(value: object) -> str:
    return " | ".join(value) or "none" if isinstance(value, tuple) else repr(value)


def _columns(rows: Rows, roles: Roles, kept: Sequence[int]) -> dict[str, NDArray[np.generic]]:
    """`box`, `group` and `fold` under these names, every column without a role under its own."""
    columns: dict[str, NDArray[np.generic]] = {}
    used = {name for names in roles.values() for name in names}
    for name, cells in rows.columns.items():
        if name not in used:
            columns[name] = as_array([cells[row] for row in kept])
    for role in ("group", "fold"):
        if role in roles:
            cells = rows.columns[roles[role][0]]
            columns[role] = as_array([cells[row] for row in kept])
    if "box" in roles:
        columns["box"] = boxes(rows, roles["box"], kept)
    return columns


def _by_annotators(read: _Read, known: Sequence[str], rule: str) -> Table:
    """One label per picture from the votes of several annotators, with how far they agree."""
    ballots = read_ballots(read.rows, read.roles, read.paths, known)
    _once(read.rows, read.paths, [()] * len(read.rows), read.parts)  # parts must agree, labels need not
    found = RULES[rule](ballots.votes)
    alpha = krippendorff_alpha(ballots.votes.counts())
    note = (
        f"labels: {rule} of {ballots.votes.n_annotators:,} annotators with {len(ballots.votes.items):,} votes on "
        f"{ballots.votes.n_items:,} pictures, Krippendorff's alpha {alpha:.3f}, {int(found.disputed.sum()):,} disputed"
    )
    table = _table(read, ballots.first_rows, Labels(found.labels, ballots.classes, None), (note,))
    added = {"agreement": found.agreement, "disputed": found.disputed}
    return replace(table, columns={**table.columns, **added})
