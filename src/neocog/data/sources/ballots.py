"""The votes of several annotators in a table: a row per vote, or a column of labels per annotator."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neocog.data.annotators import Votes
from neocog.data.sources.labels import as_labels, said
from neocog.data.sources.roles import Roles
from neocog.data.sources.rows import Rows
from neocog.errors import UserError


@dataclass(frozen=True)
class Ballots:
    """Votes on pictures, which are numbered as the table first names them."""

    votes: Votes
    annotators: tuple[str, ...]
    classes: tuple[str, ...]
    first_rows: list[int]
    """of each picture the row that first names it"""


def read_ballots(rows: Rows, roles: Roles, paths: Sequence[str], known: Sequence[str]) -> Ballots:
    """The votes in `rows`, whose pictures are at `paths`; `known` are the classes where a list gives them."""
    cast = _cast(rows, roles, known)
    classes = as_labels([(name,) for _, _, name in cast], known).classes
    label = {name: i for i, name in enumerate(classes)}
    annotator = {who: i for i, who in enumerate(dict.fromkeys(who for _, who, _ in cast))}
    first: dict[str, int] = {}
    for row, path in enumerate(paths):
        first.setdefault(os.path.normpath(path), row)
    item = {path: i for i, path in enumerate(first)}
    votes = Votes(
        np.array([item[os.path.normpath(paths[row])] for row, _, _ in cast], dtype=np.int64),
        np.array([annotator[who] for _, who, _ in cast], dtype=np.int64),
        np.array([label[name] for _, _, name in cast], dtype=np.int64),
        len(item),
        len(annotator),
        len(classes),
    )
    return Ballots(votes, tuple(annotator), classes, list(first.values()))


def _cast(rows: Rows, roles: Roles, known: Sequence[str]) -> list[tuple[int, str, str]]:
    """(row, annotator, class) of each vote."""
    who = roles["annotator"]
    if len(who) == 1 and "label" not in roles:
        raise UserError(f"{rows.place}: a column must hold the labels; say which by --columns label=COLUMN")
    cast = []
    for column in who if len(who) > 1 else roles["label"][:1]:
        for row, names in enumerate(said(rows, (column,), known)):
            if len(names) > 1:
                raise rows.error(row, f"an annotator must give one label, got {' | '.join(names)}")
            person = column if len(who) > 1 else str(rows.columns[who[0]][row])
            cast += [(row, person, name) for name in names]
    if not cast:
        raise UserError(f"{rows.place} must hold a label, got none")
    return cast
