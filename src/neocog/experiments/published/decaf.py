"""What DeCAF's tables print, as far as it could be read elsewhere than in the lecture; nothing was measured here.

`decaf.csv` has a line for each cell: the table, the cell, its value, and where it was read. What it lacks the lecture
alone has.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from neocog.experiments.published import HERE

WORDS = "captions"
"""the table whose values are words"""


@dataclass(frozen=True)
class Figure:
    """One published cell."""

    value: Fraction | str
    read_in: str


@cache
def figures(table: str) -> dict[tuple[str, str], Figure]:
    """(row, column) -> what was published, of the cells that could be read."""
    with (HERE / "decaf.csv").open(encoding="utf-8", newline="") as file:
        return {
            (row["row"], row["column"]): Figure(
                row["value"] if table == WORDS else Fraction(row["value"]), row["read_in"]
            )
            for row in csv.DictReader(file)
            if row["table"] == table
        }
