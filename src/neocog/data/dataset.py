"""Labelled pictures in a stable order, with the parts they come in and whatever else is known of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neocog.data.samples import Samples, Subset
from neocog.errors import UserError

UNLABELLED = -1
PARTS = ("train", "val", "test")
Columns = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class LeftOut:
    """A picture that a quarantine list took out of a data set."""

    path: str
    reason: str
    part: str
    """that it would belong to"""

    def to_json(self) -> dict[str, str]:
        return {"path": self.path, "reason": self.reason}


@dataclass(frozen=True, repr=False)
class Dataset:
    """Pictures with labels, read by index; whatever is known of a picture lies in arrays of equal length."""

    name: str
    samples: Samples
    labels: NDArray[np.int64]
    """the class of each picture; `UNLABELLED` where it has none, or several (see `targets`)"""
    classes: tuple[str, ...]
    parts: NDArray[np.str_]
    """train, val or test as the data say; `""` where they say nothing"""
    root: Path | None = None
    """the folder or file that names of pictures are shown relative to"""
    targets: NDArray[np.bool_] | None = None
    """(n, classes), of pictures that may show several classes at once; None where each has one"""
    columns: Columns = field(default_factory=dict)
    """what else is known, by name: `group` (n,), `box` (n, 4) as left, top, width, height in pixels, and so on"""
    notes: tuple[str, ...] = ()
    """what the reader of the data did or left out, a sentence each"""
    listed: bool = False
    """whether a table, a list or an array named each picture, so that `root` may hold anything else besides"""
    quarantined: tuple[LeftOut, ...] = ()
    """pictures that a quarantine list left out"""

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def answers(self) -> NDArray[Any]:
        """What is learned: `labels` (n,), or `targets` as float32 (n, classes), 1 where a picture shows the class."""
        return self.labels if self.targets is None else self.targets.astype(np.float32)

    def __repr__(self) -> str:
        there = [part for part in PARTS if (self.parts == part).any()]
        return f"Dataset({self.name}: {len(self):,} pictures, {len(self.classes):,} classes, parts {there or 'none'})"

    def short_name(self, index: int) -> str:
        """The picture's path below `root`, with forward slashes."""
        name = self.samples.name(index)
        path = Path(name)
        return (
            path.relative_to(self.root).as_posix() if self.root and path.is_relative_to(self.root) else name
        )

    def select(self, indices: NDArray[np.int64], name: str | None = None) -> Dataset:
        """The pictures at `indices`, in that order; the classes stay as they are."""
        return replace(
            self,
            name=name or self.name,
            samples=Subset(self.samples, indices),
            labels=self.labels[indices],
            parts=self.parts[indices],
            targets=None if self.targets is None else self.targets[indices],
            columns={key: values[indices] for key, values in self.columns.items()},
        )


def labelled(dataset: Dataset) -> Dataset:
    """The pictures of which it is known what they show; an error in words where there is none.

    Where pictures may show several classes, one without a label shows none of them.
    """
    if dataset.targets is not None:
        bare = int((~dataset.targets.any(axis=1)).sum())
        note = f"{bare:,} of {len(dataset):,} pictures have no label: they show none of the classes"
        return replace(dataset, notes=(*dataset.notes, note)) if bare else dataset
    known = dataset.labels != UNLABELLED
    if not known.any():
        raise UserError(
            f"DATA must say what each picture shows, got no label in {dataset.name}; "
            "sort the pictures into one folder per class, or give a table with a label column"
        )
    if known.all():
        return dataset
    note = f"left out {int((~known).sum()):,} of {len(dataset):,} pictures, which have no label"
    chosen = dataset.select(np.flatnonzero(known))
    return replace(chosen, notes=(*dataset.notes, note))


def judged_part(dataset: Dataset, part: str | None = None) -> Dataset:
    """The pictures of one part; all of them where the data have no parts."""
    there = [name for name in reversed(PARTS) if (dataset.parts == name).any()]
    if not there:
        if part is not None:
            raise UserError(f"{dataset.name} has no parts, got --part {part}; leave it out to take all of it")
        return dataset
    chosen = part or there[0]
    if chosen not in there:
        raise UserError(f"part must be one of {', '.join(there)}, got {chosen!r}")
    judged = dataset.select(np.flatnonzero(dataset.parts == chosen), f"{dataset.name}/{chosen}")
    return replace(judged, quarantined=tuple(gone for gone in dataset.quarantined if gone.part == chosen))
