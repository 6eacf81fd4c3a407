"""N pictures of each class to train on and others to judge by, drawn several times.

The draws depend on the pictures' contents and the seed alone: neither names nor order matter. Of copies of one picture
in a class, one counts. No content judges that trains, and no picture of a group that does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neocog.data.divide import units_of
from neocog.errors import UserError
from neocog.probing.fitted import Labels

Rows = NDArray[np.int64]
NAMED = 5  # classes in a sentence


@dataclass(frozen=True)
class Division:
    """Which rows train, and which judge what was learned."""

    train: Rows
    """in the order in which they were drawn, class by class: the first k of each class are a draw of k, too"""
    judge: Rows


@dataclass(frozen=True, kw_only=True)
class Draw:
    """What is drawn."""

    per_class: int
    """pictures of each class that train"""
    splits: int
    """how often"""
    most: int | None = None
    """pictures of a class that judge, at most; None for all that are left"""
    seed: int = 0
    fewer: bool = False
    """whether a class with fewer pictures than asked for gives what it has, but one that judges"""
    option: str = "--per-class"
    """what the number was asked for with; empty where it is a paper's"""

    def __post_init__(self) -> None:
        numbers = {
            "pictures of each class that train": self.per_class,
            "splits": self.splits,
            "pictures of each class that judge": self.most,
        }
        for name, value in numbers.items():
            if value is not None and value < 1:
                raise UserError(f"the number of {name} must be 1 or more, got {value}")


def drawn(
    labels: Labels,
    hashes: NDArray[np.uint8],
    classes: Sequence[str],
    draw: Draw,
    judges: NDArray[np.bool_] | None = None,
    units: NDArray[np.int64] | None = None,
) -> tuple[Division, ...]:
    """`draw.splits` divisions of rows with `labels` (n,) and content `hashes` (n, 32).

    `judges` (n,) are rows of a part of their own that judges, and never trains; else what does not train may judge.
    Pictures with the same number in `units` (n,), such as those of one patient, do not judge where one of them trains.
    UserError names the classes that have too few pictures, or says that nobody is left to judge.
    """
    apart = np.zeros(len(labels), bool) if judges is None else judges
    trained = _contents(labels, hashes, ~apart)
    judged = trained if judges is None else _contents(labels, hashes, apart)
    _demand_enough(trained, classes, draw, spare=0 if judges is not None else 1)
    unit = units_of(hashes) if units is None else units
    return tuple(
        _division(trained, judged, (hashes, unit), draw, f"{draw.seed},{split},".encode())
        for split in range(draw.splits)
    )


def first_of_each(train: Rows, labels: Labels, count: int) -> Rows:
    """The first `count` rows of each class in `train`: fewer pictures of the same draw."""
    rank = np.empty(len(train), np.int64)
    for label in np.unique(labels[train]):
        members = labels[train] == label
        rank[members] = np.arange(members.sum())
    return train[rank < count]


def _contents(labels: Labels, hashes: NDArray[np.uint8], among: NDArray[np.bool_]) -> dict[int, Rows]:
    """Class -> the first row of each different content."""
    found = {}
    for label in np.unique(labels):
        members = np.flatnonzero(among & (labels == label))
        contents = {hashes[i].tobytes(): int(i) for i in members[::-1]}
        found[int(label)] = np.array(list(contents.values()), np.int64)
    return found


def _division(
    trained: dict[int, Rows],
    judged: dict[int, Rows],
    known: tuple[NDArray[np.uint8], NDArray[np.int64]],
    draw: Draw,
    salt: bytes,
) -> Division:
    """`known` are the hashes, and the number of what each picture may not be parted from."""
    hashes, unit = known

    def shuffled(rows: Rows) -> Rows:
        keys = [hashlib.sha256(salt + hashes[i].tobytes()).digest() for i in rows]
        return rows[sorted(range(len(rows)), key=keys.__getitem__)]

    same = trained is judged
    train, judge = [], []
    for label, rows in trained.items():
        order = shuffled(rows)
        count = min(draw.per_class, max(1, len(order) - same))
        train.append(order[:count])
        judge.append(order[count:] if same else shuffled(judged[label]))
    train_rows = np.concatenate(train)
    new = [rows[~np.isin(unit[rows], unit[train_rows])] for rows in judge]
    return Division(train_rows, np.concatenate([rows[: draw.most] for rows in new]))


def _demand_enough(trained: dict[int, Rows], classes: Sequence[str], draw: Draw, spare: int) -> None:
    least = 1 if draw.fewer else draw.per_class + spare
    short = [(len(rows), classes[label]) for label, rows in trained.items() if len(rows) < least]
    if not short:
        return
    named = ", ".join(f"{count} of {name}" for count, name in sorted(short)[:NAMED])
    more = f" and too few of {len(short) - NAMED:,} more" if len(short) > NAMED else ""
    why = f"{draw.per_class} to train on" + (" and one to judge by" if spare else "")
    way = f"ask for fewer with {draw.option}, or " if draw.option else ""
    raise UserError(
        f"each class needs {least} different pictures, {why}, got {named}{more}; {way}take what there is with --fewer"
    )
