"""Which pictures train, which judge, and how a strength is chosen among those that train."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from neocog.api.probing.notes import notes_of
from neocog.api.probing.options import SHARE, Asked
from neocog.data.dataset import Dataset
from neocog.data.divide import units_of
from neocog.data.manifest import counted
from neocog.data.reading import Reading
from neocog.data.samples import Joined
from neocog.data.source import open_dataset
from neocog.data.split import grouped, stratified
from neocog.errors import UserError
from neocog.probing.choose import dealt, last_of_each_class, whole_units
from neocog.probing.protocols import Protocol
from neocog.probing.splits import Division, Draw, Rows, drawn

PUBLISHED = "published split {}"
"""the column that says of each picture where the data set's own split of that number has it"""


@dataclass(frozen=True, eq=False)
class Divided:
    """The divisions, and within each how a strength is chosen."""

    divisions: tuple[Division, ...]
    words: str
    """how they were made"""
    folds: int
    units: NDArray[np.int64]
    """(n,), the number of what no picture may be parted from: its copies, and its group where the data have such"""
    validation: int | None = None
    """rows of each class that choose; None for cross-validation"""
    chooses: NDArray[np.bool_] | None = None
    """(n,), rows of a part that chooses"""
    share: float | None = None
    """of each class that judges; None where something else says which pictures do"""
    notes: tuple[str, ...] = ()
    """sentences on what is not as in the paper, or as asked for"""

    def folds_of(self, train: Rows, labels: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
        """The fold of each of the rows `train`, -1 for one that always trains; copies and groups are never parted."""
        _, first, number = np.unique(self.units[train], return_index=True, return_inverse=True)
        units = np.argsort(np.argsort(first))[number]  # by their first rows, which contents put in order
        if self.chooses is not None:
            return whole_units(np.where(self.chooses[train], 0, -1), units)
        if self.validation is not None:
            return whole_units(last_of_each_class(labels[train], self.validation), units)
        return dealt(labels[train], self.folds, seed, units)

    @property
    def choosing(self) -> str:
        """How a strength is chosen, in words."""
        if self.chooses is not None:
            return "on the part val, which then trains, too"
        if self.validation is not None:
            return f"on {self.validation} of the training pictures of each class, which then train, too"
        return f"by cross-validation in the training pictures, {self.folds} folds"


def divided(dataset: Dataset, hashes: NDArray[np.uint8], asked: Asked) -> Divided:
    """The divisions of `dataset` with content `hashes` (n, 32), of which each picture has a label."""
    protocol = asked.protocol
    if protocol:
        _demand_data(dataset, protocol)
    units = units_of(hashes, _groups(dataset))
    made = Divided((), "", asked.folds, units, protocol.validation if protocol else None)
    found = _divided(dataset, hashes, asked, made)
    return replace(found, notes=notes_of(dataset, found.divisions, asked))


def _divided(dataset: Dataset, hashes: NDArray[np.uint8], asked: Asked, made: Divided) -> Divided:
    if PUBLISHED.format(1) in dataset.columns:
        if asked.draw and asked.draw.fewer:
            raise UserError(
                "fewer is for pictures that are drawn, but the published splits are taken; leave it out"
            )
        return replace(made, divisions=_published(dataset, hashes), words="the published splits")
    if asked.protocol and asked.protocol.sizes:
        return _fixed_parts(dataset, hashes, asked.protocol, made)
    judges = _judging_part(dataset)
    if asked.draw:
        drawings = _drawn(dataset, hashes, asked.draw, judges, made.units)
        return replace(made, divisions=drawings, words=_draw_in_words(dataset, asked, judges))
    if judges:
        return _own_parts(dataset, hashes, asked, judges, made)
    share = SHARE if asked.val_fraction is None else asked.val_fraction
    return replace(
        made,
        divisions=tuple(_share(dataset, hashes, share, asked.seed + split) for split in range(asked.splits)),
        share=share,
        words=f"{share:.0%} of each class judges"
        + (f", {asked.splits} random splits" if asked.splits > 1 else ""),
    )


def _own_parts(
    dataset: Dataset, hashes: NDArray[np.uint8], asked: Asked, judges: str, made: Divided
) -> Divided:
    """One part of the data judges, another trains."""
    if asked.splits > 1:
        raise UserError(
            f"the data have a part {judges} that judges, so there is one split, got {asked.splits}; "
            "with --per-class several are drawn"
        )
    if asked.val_fraction is not None:
        raise UserError(
            f"the data have a part {judges} that judges, so val_fraction says nothing, got {asked.val_fraction}; "
            "leave it out"
        )
    trains = dataset.parts == _training_part(dataset)
    division = Division(_ordered(trains, hashes), np.flatnonzero(dataset.parts == judges))
    return replace(made, divisions=(division,), words=f"the part {judges} judges")


def with_published_splits(data: object, reading: Reading, count: int) -> Dataset | None:
    """The pictures of the first `count` published splits, each once, with a column for each split; None where the
    data set lies without them."""
    opened = [open_dataset(data, replace(reading, published_split=k)) for k in range(1, count + 1)]
    if not (opened[0].parts != "").any():
        return None
    joined = Joined([one.samples for one in opened])
    names = [joined.name(i) for i in range(len(joined))]
    _, first, place = np.unique(names, return_index=True, return_inverse=True)
    columns = {}
    start = 0
    for k, one in enumerate(opened, 1):
        parts = np.full(len(first), "", "<U5")
        parts[place[start : start + len(one)]] = one.parts
        columns[PUBLISHED.format(k)] = parts
        start += len(one)
    whole = replace(
        opened[0],
        samples=joined,
        labels=np.concatenate([one.labels for one in opened]),
        parts=np.full(len(joined), ""),
        columns={},
    ).select(first)
    return replace(whole, columns=columns)


def _published(dataset: Dataset, hashes: NDArray[np.uint8]) -> tuple[Division, ...]:
    columns = [parts for name, parts in dataset.columns.items() if name.startswith(PUBLISHED.format(""))]
    return tuple(
        Division(_ordered(parts == "train", hashes), np.flatnonzero(parts == "test")) for parts in columns
    )


def _fixed_parts(dataset: Dataset, hashes: NDArray[np.uint8], protocol: Protocol, made: Divided) -> Divided:
    assert protocol.sizes
    counts = {part: int((dataset.parts == part).sum()) for part in ("train", "val", "test")}
    if (counts["train"], counts["val"]) != protocol.sizes or not counts["test"]:
        train, val = protocol.sizes
        raise UserError(
            f"{protocol.name} needs data with {train} pictures in a part train, {val} in val, and a part test, got "
            f"{', '.join(f'{n:,} in {part}' for part, n in counts.items())}; name the parts by folders or a manifest"
        )
    judges = dataset.parts == "test"
    division = Division(_ordered(dataset.parts != "test", hashes), np.flatnonzero(judges))
    return replace(made, divisions=(division,), words="the part test judges", chooses=dataset.parts == "val")


def _drawn(
    dataset: Dataset, hashes: NDArray[np.uint8], draw: Draw, judges: str, units: NDArray[np.int64]
) -> tuple[Division, ...]:
    """From the part that trains, where another judges; else from all."""
    rows = np.arange(len(dataset))
    if judges:
        rows = np.flatnonzero(np.isin(dataset.parts, (_training_part(dataset), judges)))
    apart = dataset.parts[rows] == judges if judges else None
    found = drawn(dataset.labels[rows], hashes[rows], dataset.classes, draw, apart, units[rows])
    if not all(len(one.judge) for one in found):
        raise UserError(
            f"there must be a picture left to judge by, got none of another content or group than those that train; "
            f"ask for fewer{f' with {draw.option}' if draw.option else ''}, or add pictures"
        )
    return tuple(Division(rows[one.train], rows[one.judge]) for one in found)


def _draw_in_words(dataset: Dataset, asked: Asked, judges: str) -> str:
    draw = asked.draw
    assert draw
    *others, most = [f"{n:,}" for n in asked.shots or (draw.per_class,)]
    count = "up to " * draw.fewer + (f"{', '.join(others)} or {most}" if others else most)
    pictures = "picture of each class trains" if count == "1" else "pictures of each class train"
    who = f"up to {draw.most:,} {{}} of each class" if draw.most else "all {}"
    rest = who.format(f"of the part {judges}" if judges else "others")
    apart = ", but those of a group that trains" if _groups(dataset) else ""
    return f"{count} {pictures}, {rest} judge{apart}, {counted(draw.splits, 'random split')}"


def _share(dataset: Dataset, hashes: NDArray[np.uint8], share: float, seed: int) -> Division:
    """A share of each class is held out; a group stays on one side."""
    if groups := _groups(dataset):
        held = grouped(dataset.labels, hashes, groups[0], share, seed)
    else:
        held = stratified(dataset.labels, hashes, share, seed)
    if not held.any():
        raise UserError("there must be a picture left to judge by; give each class two pictures or more")
    return Division(_ordered(~held, hashes), np.flatnonzero(held))


def _groups(dataset: Dataset) -> tuple[NDArray[np.str_], ...]:
    """The column `group`, where the data have it."""
    groups = dataset.columns.get("group")
    return () if groups is None else (np.asarray(groups).astype(str),)


def _ordered(chosen: NDArray[np.bool_], hashes: NDArray[np.uint8]) -> Rows:
    """The chosen rows by their contents, so that their order in the data plays no part."""
    rows = np.flatnonzero(chosen)
    words = np.ascontiguousarray(hashes[rows]).view(">u8")
    return rows[np.lexsort(words.T[::-1])]


def _training_part(dataset: Dataset) -> str:
    return "train" if (dataset.parts == "train").any() else ""


def _judging_part(dataset: Dataset) -> str:
    """val, else test; empty where the data have neither. UserError where they have nothing else."""
    there = next((part for part in ("val", "test") if (dataset.parts == part).any()), "")
    if there and not (dataset.parts == _training_part(dataset)).any():
        if len(only := np.unique(dataset.parts)) > 1:
            raise UserError(
                f"{dataset.name} has parts {' and '.join(only)}, none to train on; choose one with --part"
            )
        return ""
    return there


def _demand_data(dataset: Dataset, protocol: Protocol) -> None:
    """UserError where the data are known not to be those of the protocol."""
    if not protocol.data:
        return
    kind, _, domain = dataset.name.partition("/")
    if protocol.data == "office-31" and kind == protocol.data and "domain" in dataset.columns:
        domains = np.unique(dataset.columns["domain"]).tolist()
        if len(domains) > 1:
            raise UserError(
                f"{protocol.name} is for one domain at a time, got {', '.join(domains)}; give the folder of "
                "one, or see neocog adapt for one domain to another"
            )
