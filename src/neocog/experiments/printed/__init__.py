"""The lecture's figures as printed, a file for each table.

Lines that begin with # say what it is (title, where, source, remark); then a line for each cell. `rounding` and `unit`
say how an exact number became the printed one, `corrected` and `erratum` what should stand there and why. Where a table
has the columns, `contested` says why another figure, `otherwise`, could as well stand there; `other` names its place.
`unread` says why a figure has nothing beside it.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import cache
from pathlib import Path

from neocog.experiments.claims import Claim, Rounding, Sheet, Value

Cells = Mapping[tuple[str, str], Value]
"""(row, column) -> the recomputed value"""
HERE = Path(__file__).parent
HEAD = ("title", "where", "source", "remark", "beside")


def read(path: Path) -> tuple[dict[str, str], list[dict[str, str]]]:
    """What the comments of a printed table say, and its cells."""
    head, lines = dict.fromkeys(HEAD, ""), []
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("# "):
            key, _, text = line.removeprefix("# ").partition(": ")
            head[key] = text
        else:
            lines.append(line)
    return head, list(csv.DictReader(lines))


def sheet(name: str, recompute: Callable[[], Cells]) -> Sheet:
    """The claims of the printed table `name`; `recompute` is called once, when the first of them is judged."""
    head, rows = read(HERE / f"{name}.csv")
    cells = cache(recompute)
    claims = tuple(_claim(name, head, row, cells) for row in rows)
    return Sheet(name, head["title"], claims, head["remark"], head["beside"] or "ours")


def _claim(name: str, head: Mapping[str, str], cell: Mapping[str, str], cells: Callable[[], Cells]) -> Claim:
    place = (cell["row"], cell["column"])
    return Claim(
        name="/".join((name, *place)),
        row=place[0],
        column=place[1],
        where=head["where"],
        source=head["source"],
        printed=cell["printed"],
        convention=cell["convention"],
        rounding=Rounding(cell["rounding"], Fraction(cell["unit"] or 1)),
        ours=lambda: cells().get(place),
        corrected=cell["corrected"],
        erratum=cell["erratum"],
        note=cell["note"],
        contested=cell.get("contested", ""),
        otherwise=cell.get("otherwise", ""),
        other=lambda: cells().get((place[0], cell.get("other", ""))),
        unread=cell.get("unread", ""),
    )
