"""Rows of cells as text for a terminal, or as HTML for a notebook."""

from __future__ import annotations

import csv
import html
import io
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from neocog.errors import UserError

MARKUP = re.compile(r"[\\`*\[\]<>|~]|(?<![^\W_])_|_(?![^\W_])")  # what Markdown would not show as it stands


@dataclass(frozen=True)
class Table:
    """A table that prints itself in a terminal and shows itself in a notebook."""

    header: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The rows as dictionaries."""
        return (dict(zip(self.header, row, strict=True)) for row in self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __str__(self) -> str:
        cells = [self.header, *([shown(cell) for cell in row] for row in self.rows)]
        widths = [max(map(width, column)) for column in zip(*cells, strict=True)]
        right = [all(isinstance(row[i], int | float) for row in self.rows) for i in range(len(widths))]
        return "\n".join(_line(row, widths, right) for row in cells)

    def to_json(self) -> list[dict[str, Any]]:
        return list(self)

    def to_csv(self) -> str:
        """The cells as they are, for other programs: no thousands apart, nothing where there is no value."""
        file = io.StringIO()
        rows = csv.writer(file, lineterminator="\n")
        for row in (self.header, *self.rows):
            rows.writerow([printable(cell) if isinstance(cell, str) else cell for cell in row])
        return file.getvalue()

    def to_markdown(self) -> str:
        """A table for GitHub and its like, numbers to the right."""
        right = [
            bool(self.rows) and all(isinstance(row[i], int | float) for row in self.rows)
            for i in range(len(self.header))
        ]
        lines = [[unmarked(name) for name in self.header], ["---:" if r else "---" for r in right]]
        lines += [[unmarked(shown(cell)) for cell in row] for row in self.rows]
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)

    def to_pandas(self) -> Any:
        """A pandas.DataFrame; UserError where pandas is not installed."""
        try:
            pandas = import_module("pandas")
        except ImportError as error:
            raise UserError(
                "a DataFrame needs pandas, which is not installed; pip install pandas, or use to_csv()"
            ) from error
        return pandas.DataFrame(list(self.rows), columns=list(self.header))

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self.header)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(shown(cell))}</td>" for cell in row) + "</tr>"
            for row in self.rows
        )
        return f"<table><tr>{head}</tr>{body}</table>"


def shown(cell: object) -> str:
    """A cell as text: thousands apart, four digits of a fraction, no control characters."""
    if isinstance(cell, bool) or cell is None:
        return {True: "yes", False: "no", None: "-"}[cell]
    if isinstance(cell, int):
        return f"{cell:,}"
    return f"{cell:.4g}" if isinstance(cell, float) else printable(str(cell))


def unmarked(text: str) -> str:
    """`text` so that Markdown shows it letter by letter."""
    return MARKUP.sub(r"\\\g<0>", printable(text).replace("&", "&amp;"))


def printable(text: str) -> str:
    """`text` without control characters: labels and paths are other people's words and may hold escape codes."""
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in ("Cc", "Cs", "Cf") else c for c in text
    )


def width(text: str) -> int:
    """Columns that `text` takes in a terminal: wide East Asian characters take two, combining ones none."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    parts = []
    for cell, room, is_number in zip(cells, widths, right, strict=True):
        space = " " * (room - width(cell))
        parts.append(space + cell if is_number else cell + space)
    return "  ".join(parts).rstrip()
