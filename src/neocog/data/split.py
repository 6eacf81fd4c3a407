"""Which pictures train and which judge: drawn per class, the same on every machine, copies kept together."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neocog.data.dataset import Dataset
from neocog.data.divide import Indices, class_table, divide, units_of
from neocog.data.sources.roles import USUAL
from neocog.errors import UserError, unknown

FINEST = 1_000_000  # shares are taken to six digits


def stratified(
    labels: NDArray[np.int64], hashes: NDArray[np.uint8], fraction: float, seed: int
) -> NDArray[np.bool_]:
    """True where a picture is held out: about `fraction` of every class, at least one where a class has two.

    `hashes` (n, 32) are the pictures' content hashes. The draw depends on the contents and the seed alone, so
    neither file names nor their order matter, and copies of one picture fall on the same side.
    """
    held_out = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        groups: dict[bytes, list[int]] = {}
        for i in members:
            groups.setdefault(hashes[i].tobytes(), []).append(int(i))
        drawn = sorted(groups, key=lambda content: hashlib.sha256(str(seed).encode() + content).digest())
        wanted = min(max(1, round(fraction * len(members))), len(members) - 1)  # one always trains
        taken = 0
        if len(groups) > 1 and min(map(len, groups.values())) > wanted:
            # so many copies: the smallest group judges
            smallest = min(drawn, key=lambda content: len(groups[content]))
            drawn, wanted = [smallest], len(groups[smallest])
        for content in drawn:
            if taken + len(groups[content]) <= wanted:
                held_out[groups[content]] = True
                taken += len(groups[content])
    trained = {hashes[i].tobytes() for i in np.flatnonzero(~held_out)}
    for i in np.flatnonzero(held_out):
        # a picture that also has another label, and trains there, judges nowhere
        held_out[i] = hashes[i].tobytes() not in trained
    return held_out


def grouped(
    answers: NDArray[Any],
    hashes: NDArray[np.uint8],
    groups: NDArray[np.str_],
    fraction: float,
    seed: int,
) -> NDArray[np.bool_]:
    """True where a picture is held out: about `fraction` of every class, without parting a group or copies.

    `answers` are labels (n,), or (n, classes), 1 where a picture shows a class of which it may show several. A
    picture whose group is empty stands alone. Where every group is larger than what is wanted, the smallest judges that
    leaves its classes something to train on. As with `stratified`, names and order play no part.
    """
    share = Fraction(fraction).limit_denominator(FINEST)
    weights = [share.denominator - share.numerator, share.numerator]
    several = answers.ndim == 2
    classes = class_table(answers, answers if several else None, int(answers.max(initial=-1)) + 1)
    unit = units_of(hashes, [groups])
    held_out: NDArray[np.bool_] = divide(classes, hashes, unit, weights, seed) == 1
    for smallest in np.argsort(np.bincount(unit), kind="stable"):
        if held_out.any():
            break
        members = unit == smallest
        if (classes[~members].sum(axis=0) >= (classes[members].sum(axis=0) > 0)).all():
            held_out = members
    return held_out


def two_labels(answers: NDArray[Any], hashes: NDArray[np.uint8]) -> int:
    """How many different pictures are there under more than one label, or set of labels (n, classes)."""
    labels = np.unique(answers, axis=0, return_inverse=True)[1].reshape(-1)
    contents = np.unique(hashes, axis=0, return_inverse=True)[1]
    pairs = np.unique(np.stack([contents, labels], axis=1), axis=0)
    return int((np.bincount(pairs[:, 0]) > 1).sum()) if len(pairs) else 0


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a split is to be: shares of val and test, or a number of folds; and the seed it is drawn by."""

    val: float | None = None
    """0.2 where neither it nor folds are given and the data have no such part"""
    test: float = 0.0
    folds: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name, share in (("val", self.val or 0.0), ("test", self.test)):
            if not 0 <= share < 1:
                raise UserError(f"{name} must be a share of at least 0 and below 1, got {share}")
        if (self.val or 0.0) + self.test >= 1:
            raise UserError(f"val and test must leave pictures to train on, got {self.val} and {self.test}")
        if self.folds is not None and self.folds < 2:
            raise UserError(f"there must be two folds or more, got {self.folds}")
        if self.folds is not None and self.val is not None:
            raise UserError("give --val or -k, not both: each fold judges in its turn")

    def shares(self, given: frozenset[str]) -> dict[str, Fraction]:
        """Of each part that is to be drawn, train first; `given` are the parts that the data have."""
        val = self.val if self.val is not None or self.folds or "val" in given else 0.2
        wanted = {"val": val or 0.0, "test": self.test}
        for part in given & {part for part, share in wanted.items() if share}:
            raise UserError(f"the data have a {part} part of their own; leave --{part} out to keep it")
        if self.folds and "val" in given:
            raise UserError("folds need data without a val part, got some; move its pictures to train")
        drawn = {
            part: Fraction(str(share)).limit_denominator(FINEST) for part, share in wanted.items() if share
        }
        return {"train": 1 - sum(drawn.values(), Fraction(0)), **drawn}


@dataclass(frozen=True)
class Dealt:
    """A part for each picture, empty where it belongs to none, and a fold, -1 where it has none."""

    parts: NDArray[np.str_]
    folds: Indices
    free: Indices
    """indices of the pictures that were dealt out; the others have the part that the data gave them, or none"""
    torn: int
    """how many were left out since something that belongs to them is in a part that the data gave"""


def deal(dataset: Dataset, hashes: NDArray[np.uint8], unit: Indices, wish: Wish) -> Dealt:
    """A part or fold for each picture of `dataset`; `unit` (n,) is what stays together, -1 where it cannot be read."""
    given = frozenset(dataset.parts[dataset.parts != ""].tolist()) - {"train"}
    shares = wish.shares(given)
    kept = np.isin(dataset.parts, list(given))
    torn = ~kept & (unit >= 0) & np.isin(unit, unit[kept])
    free = np.flatnonzero(~kept & ~torn & (unit >= 0))
    classes = class_table(dataset.labels, dataset.targets, len(dataset.classes))

    def dealt(chosen: Indices, weights: list[int]) -> Indices:
        numbers: Indices = np.unique(unit[chosen], return_inverse=True)[1]
        return divide(classes[chosen], hashes[chosen], numbers, weights, wish.seed)

    whole = lcm(*(share.denominator for share in shares.values()))
    names = np.array([*shares])
    parts = np.where(kept, dataset.parts, "").astype("<U5")
    folds = np.full(len(dataset), -1)
    parts[free] = names[dealt(free, [int(share * whole) for share in shares.values()])]
    if wish.folds:
        train = free[parts[free] == "train"]
        folds[train] = dealt(train, [1] * wish.folds)
    return Dealt(parts, folds, free, int(torn.sum()))


def groups_by(dataset: Dataset, key: str) -> NDArray[np.str_]:
    """For each picture its group: a column of the data, or what the first group of a regular expression finds in its
    path below the root; empty where it finds nothing.

    The column that was read as `group` may also be called by the usual name that a table gave it, such as patient.
    """
    column = "group" if key not in dataset.columns and key.casefold() in USUAL["group"].split() else key
    if column in dataset.columns:
        return np.asarray(dataset.columns[column]).astype(str)
    try:
        pattern = re.compile(key)
    except re.error as error:
        raise UserError(f"group_by is a column or a regular expression, got {key!r} ({error})") from error
    if pattern.groups == 0:
        columns = [*dataset.columns] or ["none: the data have no column"]
        raise unknown("column (an expression needs a group in parentheses)", key, columns)
    found = [pattern.search(dataset.short_name(i)) for i in range(len(dataset))]
    groups = np.array([(match.group(1) or "") if match else "" for match in found])
    if not (groups != "").any():
        raise UserError(f"{key!r} must match paths such as {dataset.short_name(0)}, it matches none")
    return groups
