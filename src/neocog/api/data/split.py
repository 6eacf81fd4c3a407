"""The verb `data split`: pictures are dealt out to parts or folds, and a manifest says which is where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from neocog import files
from neocog.data.dataset import Dataset
from neocog.data.divide import Indices, class_table, units_of
from neocog.data.manifest import SKIPPED, Row, content_hashes, counted, label_text, to_csv
from neocog.data.reading import ReadingOptions, make_reading
from neocog.data.source import open_dataset
from neocog.data.split import Dealt, Wish, deal, groups_by
from neocog.draw.table import Table
from neocog.errors import UserError
from neocog.progress import Progress, Silent

GROUP = 12  # hexadecimal digits that a group of copies is known by
SHOWN = 5  # classes named in a sentence


@dataclass(frozen=True)
class DataSplit:
    """A split: a row for each picture of the data, in their order, and how near it is to what was wanted."""

    name: str
    rows: tuple[Row, ...]
    seed: int
    shares: dict[str, float]
    """the share of the divided pictures that each part or fold was to have"""
    classes: tuple[str, ...]
    counts: NDArray[np.int64]
    """(classes, parts or folds): pictures that were divided"""
    totals: NDArray[np.int64]
    """(parts or folds,): pictures that were divided; one of several classes counts once"""
    notes: tuple[str, ...] = ()
    """what was found and decided, a sentence each"""

    @property
    def deviation(self) -> float:
        """The largest difference of any class between its share of a part and the share that was wanted."""
        sums = self.counts.sum(axis=1, keepdims=True)
        off = np.abs(self.counts / np.maximum(sums, 1) - np.array(list(self.shares.values())))
        return float(off[sums[:, 0] > 0].max(initial=0))

    def table(self) -> Table:
        """Pictures of each class in each part or fold."""
        rows = [
            (name, *map(int, row), int(row.sum()))
            for name, row in zip(self.classes, self.counts, strict=True)
        ]
        rows.append(("all pictures", *map(int, self.totals), int(self.totals.sum())))
        return Table(("class", *self.shares, "all"), tuple(rows))

    def to_csv(self) -> str:
        """The manifest."""
        return to_csv(self.rows)

    def save(self, path: str | Path) -> Path:
        """Write the manifest, whole or not at all."""
        target = Path(path).expanduser()
        files.write_text(target, self.to_csv())
        return target

    def to_json(self) -> dict[str, Any]:
        return {
            "data": self.name,
            "pictures": len(self.rows),
            "seed": self.seed,
            "shares": self.shares,
            "counts": {
                name: dict(zip(self.shares, map(int, row), strict=True))
                for name, row in zip(self.classes, self.counts, strict=True)
            },
            "totals": dict(zip(self.shares, map(int, self.totals), strict=True)),
            "deviation": self.deviation,
            "notes": list(self.notes),
        }

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def manifest_place(data: str | Path, output: str | Path | None) -> Path:
    """Where a manifest goes: the place named, else a new `split.csv` in this folder, unless pictures lie here."""
    if output is not None:
        return Path(output).expanduser()
    place, root = Path("split.csv"), Path(data).expanduser()
    if root.exists() and Path.cwd().is_relative_to(root.resolve()):
        raise UserError(
            f"a manifest may not lie among the pictures of {root.resolve()}; name another place with -o"
        )
    if place.exists():
        raise UserError("split.csv is there already; name it with -o to replace it, or name another place")
    return place


def split_data(
    data: object,
    *,
    val: float | None = None,
    test: float = 0.0,
    folds: int | None = None,
    group_by: str | None = None,
    near: bool = False,
    groupings: Sequence[NDArray[Any]] = (),
    seed: int = 0,
    progress: Progress | None = None,
    **reading: Unpack[ReadingOptions],
) -> DataSplit:
    """Divide `data` into train, val (0.2 unless given) and test, or into `folds`, each with its share of every class.

    What belongs together stays together: exact copies always, pictures that agree in `group_by` (a column of the
    data, `group` if they have one; or a regular expression whose first group is searched in each path below the
    data's root), with `near` also near duplicates and mirror images as `data check` finds them, and pictures to
    which any of `groupings` (n,) gives the same value. Parts called val and test that the data have are kept, only
    the rest is divided. The result depends on contents and `seed` alone, not on names, order or machine. Raises
    `UserError` in words.
    """
    told = progress or Silent()
    wish = Wish(val=val, test=test, folds=folds, seed=seed)
    dataset = open_dataset(data, make_reading(**reading))
    names = groups_by(dataset, group_by or "group") if group_by or "group" in dataset.columns else None
    together = [*map(np.asarray, groupings), *([] if names is None else [names])]
    wrong = [values.shape for values in together if values.shape != (len(dataset),)]
    if wrong:
        raise UserError(f"each grouping needs one value per picture, ({len(dataset)},), got {wrong[0]}")
    together += near_duplicates(dataset, told) if near else []
    hashes, reasons = content_hashes(dataset.samples, told)
    unit = _units(hashes, together)
    if folds is not None and folds > unit.max(initial=-1) + 1 > 0:
        raise UserError(
            f"there are {unit.max() + 1:,} pictures or groups to divide, too few for {folds:,} folds"
        )
    dealt = deal(dataset, hashes, unit, wish)
    if not len(dealt.free):
        raise UserError(f"there must be a picture to divide, {dataset.name} has none that can be read")
    for i, reason in reasons.items():
        told.say(f"skipped {dataset.samples.name(i)}: {reason}")
    made = _counted(dataset, dealt, wish, _rows(dataset, hashes, unit, dealt, names))
    return replace(made, notes=_notes(made, dataset, hashes[dealt.free], dealt, names))


def near_duplicates(dataset: Dataset, told: Progress) -> list[Indices]:
    """For each kind of copy that `data check` knows a number (n,) for each picture, -1 where it is none."""
    from neocog.data.checks.copies import find_copies
    from neocog.data.checks.scan import scan

    found = []
    for groups in vars(find_copies(dataset.samples, scan(dataset.samples, told).facts)).values():
        numbers = np.full(len(dataset), -1)
        for number, members in enumerate(groups):
            numbers[members] = number
        found.append(numbers)
    return found


def _units(hashes: NDArray[np.uint8], groupings: Sequence[NDArray[Any]]) -> Indices:
    """For each picture the number of what stays together, -1 where it cannot be read."""
    readable = np.flatnonzero(hashes.any(axis=1))
    unit = np.full(len(hashes), -1)
    unit[readable] = units_of(hashes[readable], [values[readable] for values in groupings])
    return unit


def _rows(
    dataset: Dataset, hashes: NDArray[np.uint8], unit: Indices, dealt: Dealt, names: NDArray[np.str_] | None
) -> tuple[Row, ...]:
    """The manifest; the group is the one that the user named, else what a unit of several pictures is known by."""
    sizes = np.bincount(unit[unit >= 0])
    first: dict[int, str] = {}
    digests = [hashes[i].tobytes().hex() if unit[i] >= 0 else "" for i in range(len(dataset))]
    for number, digest in zip(unit.tolist(), digests, strict=True):
        if number >= 0 and sizes[number] > 1:
            first[number] = min(first.get(number, digest), digest)
    groups = names if names is not None else [first.get(number, "")[:GROUP] for number in unit.tolist()]
    return tuple(
        Row(
            dataset.short_name(i),
            label_text(dataset, i),
            str(dealt.parts[i]) if digests[i] else SKIPPED,
            int(dealt.folds[i]) if dealt.folds[i] >= 0 else None,
            str(groups[i]),
            digests[i],
        )
        for i in range(len(dataset))
    )


def _counted(dataset: Dataset, dealt: Dealt, wish: Wish, rows: tuple[Row, ...]) -> DataSplit:
    given = frozenset(dataset.parts[dataset.parts != ""].tolist()) - {"train"}
    shares = {part: float(share) for part, share in wish.shares(given).items()}
    where = dealt.parts[dealt.free].astype(object)
    if wish.folds:
        each = shares.pop("train") / wish.folds
        shares = {f"fold {k}": each for k in range(wish.folds)} | shares
        folds = dealt.folds[dealt.free]
        where[folds >= 0] = [f"fold {k}" for k in folds[folds >= 0]]
    table = class_table(dataset.labels, dataset.targets, len(dataset.classes))[dealt.free]
    chosen = [np.flatnonzero(where == part) for part in shares]
    counts = np.stack([np.asarray(table[rows].sum(axis=0)).ravel() for rows in chosen], axis=1)
    totals = np.array([len(rows) for rows in chosen])
    return DataSplit(dataset.name, rows, wish.seed, shares, dataset.classes, counts, totals)


def _notes(
    made: DataSplit,
    dataset: Dataset,
    hashes: NDArray[np.uint8],
    dealt: Dealt,
    names: NDArray[np.str_] | None,
) -> tuple[str, ...]:
    notes = list(dataset.notes)
    kept = [(part, int((dataset.parts == part).sum())) for part in ("val", "test") if part not in made.shares]
    notes += [f"{part}: {counted(n, 'picture')} that the data have there" for part, n in kept if n]
    copies = len(hashes) - len(np.unique(hashes, axis=0))
    if copies:
        notes.append(f"copies: {counted(copies, 'picture')} kept with an exact copy")
    if dealt.torn:
        notes.append(
            f"left out: {counted(dealt.torn, 'picture')}, copied or grouped with what the data have as val or test"
        )
    alone = 0 if names is None else int((names == "").sum())
    if alone:
        notes.append(f"groups: {counted(alone, 'picture')} in no group")
    sums = made.counts.sum(axis=1)
    for part, column in zip(made.shares, made.counts.T, strict=True):
        absent = [made.classes[i] for i in np.flatnonzero((sums > 0) & (column == 0))]
        if absent:
            shown = ", ".join(absent[:SHOWN]) + (", ..." if len(absent) > SHOWN else "")
            notes.append(f"warning: no picture in {part} of {len(absent):,} of the classes: {shown}")
    return tuple(notes)
