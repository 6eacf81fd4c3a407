"""Bytes of a CSV, TSV or JSONL file, or of a list, become rows that know their lines."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from neocog.data.decode import SUFFIXES
from neocog.errors import UserError

Cell = Any
"""text; from JSON also a number, a bool, a list, None"""
DELIMITERS = ",;\t"
EMPTY_CELLS = 1 << 24  # that a table of JSON lines may have in any case; more only if the text is longer


@dataclass(frozen=True)
class Rows:
    """A table by its columns, all of equal length."""

    place: str
    """the file, as messages name it"""
    columns: dict[str, list[Cell]]
    lines: Sequence[int]
    """of each row the line that it begins on, from 1"""

    def __len__(self) -> int:
        return len(self.lines)

    def error(self, row: int, text: str) -> UserError:
        return UserError(f"{self.place}:{self.lines[row]}: {text}")


def read_rows(data: bytes, place: str, suffix: str) -> Rows:
    """A table in the format of `suffix`: .csv (separated by comma, semicolon or tab), .tsv or .jsonl."""
    text = decoded(data, place)
    if suffix == ".jsonl":
        return _json_lines(text, place)
    if suffix == ".tsv":
        return _separated(text, place, "\t")
    if declared := re.match(r"sep=(.)\r?\n", text):  # Excel's own first line
        return _separated(text[declared.end() :], place, declared[1], 1)
    return _separated(text, place, _delimiter(text))


def read_list(data: bytes, place: str) -> Rows:
    """Lines of PATH, or PATH, a tab, and LABEL; or JSON lines."""
    text = data.decode("utf-8-sig", "surrogateescape")  # a file's name need not be UTF-8
    if text.lstrip().startswith("{"):
        return _json_lines(text, place)
    numbered = [(n, line.rstrip("\r").split("\t")) for n, line in enumerate(text.split("\n"), 1)]
    kept = [(n, cells) for n, cells in numbered if cells != [""]]
    for n, cells in kept:
        if len(cells) > 2:
            raise UserError(f"{place}:{n}: a line must be PATH or PATH, tab, LABEL, got {len(cells)} cells")
    columns: dict[str, list[Cell]] = {"path": [cells[0] for _, cells in kept]}
    if any(len(cells) == 2 for _, cells in kept):
        columns["label"] = [cells[1] if len(cells) == 2 else "" for _, cells in kept]
    return Rows(place, columns, [n for n, _ in kept])


def decoded(data: bytes, place: str) -> str:
    """UTF-8 with or without a mark at its beginning; an error names the line that is in another encoding."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UserError(f"{place}:1: must be UTF-8, got UTF-16; save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{place}:{line}: must be UTF-8, got the byte 0x{data[error.start]:02x} (Latin-1?); save it as UTF-8"
        ) from error


def _separated(text: str, place: str, delimiter: str, above: int = 0) -> Rows:
    """The rows of `text`, which has `above` lines of the file before it."""
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True
    )
    lines, rows, before = [], [], above
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                lines.append(before + 1)
                rows.append(cells)
            before = above + reader.line_num
    except csv.Error as error:
        raise UserError(f"{place}:{before + 1}: {error}; quote the cell anew") from error
    if not rows:
        raise UserError(f"{place} must hold a header and rows, got nothing")
    header = _header(rows, place)
    if header is None:
        header = ["path", "label"][: len(rows[0])]
    else:
        lines, rows = lines[1:], rows[1:]
    for line, cells in zip(lines, rows, strict=True):
        if len(cells) != len(header):
            raise UserError(f"{place}:{line}: must have {len(header)} cells as the header, got {len(cells)}")
    columns: dict[str, list[Cell]] = {
        name: [cells[i].strip() for cells in rows] for i, name in enumerate(header) if name
    }  # pandas writes its index as a first column without a name, Excel commas behind the last
    return Rows(place, columns, lines)


def _header(rows: list[list[str]], place: str) -> list[str] | None:
    """The names of the columns; None where the first row is a picture already."""
    header = [cell.strip() for cell in rows[0]]
    if is_picture(header[0]):
        if len(header) > 2:
            raise UserError(
                f"{place}:1: a table of {len(header)} columns must begin with a row of their names, "
                f"got the picture {header[0][:80]}"
            )
        return None
    twice = next((name for name, count in Counter(filter(None, header)).items() if count > 1), None)
    if twice is not None:
        raise UserError(f"{place}:1: each column must have a name of its own, got {twice!r} twice")
    return header


def is_picture(name: str) -> bool:
    """Whether a name ends as a picture's does."""
    return PurePosixPath(name).suffix.lower() in SUFFIXES


def _delimiter(text: str) -> str:
    """The one most frequent in the first line; the comma where none is."""
    first = text.lstrip("\r\n").split("\n", 1)[0]
    return max(DELIMITERS, key=lambda mark: (first.count(mark), -DELIMITERS.index(mark)))


def _json_lines(text: str, place: str) -> Rows:
    lines: list[int] = []
    columns: dict[str, list[Cell]] = {}
    given = 0
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        fields = _json_object(line, f"{place}:{number}")
        for name, cell in fields.items():
            column = columns.setdefault(name, [])
            column += [None] * (len(lines) - len(column))
            column.append(cell)
        lines.append(number)
        given += len(fields)
        if len(columns) * len(lines) - given > max(EMPTY_CELLS, len(text)):  # a table would be mostly empty
            raise UserError(
                f"{place}:{number}: the objects must have the same fields, got {len(columns):,} different ones in "
                f"{len(lines):,} lines"
            )
    for column in columns.values():
        column += [None] * (len(lines) - len(column))
    if not lines:
        raise UserError(f"{place} must hold a JSON object a line, got nothing")
    return Rows(place, columns, lines)


def _json_object(line: str, at: str) -> dict[str, Cell]:
    try:
        value = json.loads(line)
        if "\\ud" in line.lower():  # half a surrogate pair is no character, and could not be written again
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise UserError(f"{at}: must be JSON: {error}") from error
    if not isinstance(value, dict):
        raise UserError(f"{at}: must be a JSON object, got {line.strip()[:40]}")
    return value
