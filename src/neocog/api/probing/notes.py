"""What a probe does otherwise than the paper of its protocol, or than was asked for, in sentences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neocog.api.probing.options import Asked
from neocog.data.builtin import BUILTIN
from neocog.data.dataset import Dataset
from neocog.probing.protocols import VTAB, Protocol
from neocog.probing.splits import Division, Rows


def notes_of(dataset: Dataset, divisions: Sequence[Division], asked: Asked) -> tuple[str, ...]:
    """None where all is as the paper has it, or as was asked for."""
    protocol, draw = asked.protocol, asked.draw
    found = [_other_data(dataset, protocol)] if protocol else []
    if draw and (protocol or draw.fewer):
        found.append(_too_few(dataset, [one.train for one in divisions], draw.per_class, "to train on"))
    if protocol and protocol.most:
        found.append(_too_few(dataset, [one.judge for one in divisions], protocol.most, "to judge by"))
    paper = "Not as in the paper: " if protocol else ""
    return tuple(f"{paper}{note}." for note in found if note)


def _other_data(dataset: Dataset, protocol: Protocol) -> str:
    """Where the data cannot be those of the protocol, by their name or by their number of classes."""
    kind, count = dataset.name.partition("/")[0], len(dataset.classes)
    if kind == protocol.data:
        return ""
    other = kind in BUILTIN and kind not in sum(VTAB.values(), ())
    if count in protocol.classes and not other:
        return ""
    meant = protocol.data or "a task of VTAB"
    return (
        f"the numbers are those of {protocol.name}, the data are not: {meant} is meant, "
        f"{dataset.name} has {count:,} classes"
    )


def _too_few(dataset: Dataset, splits: Sequence[Rows], wanted: int, purpose: str) -> str:
    """How many classes have fewer pictures than `wanted` in a split."""
    classes = np.unique(dataset.labels)
    least = np.min(
        [np.bincount(dataset.labels[rows], minlength=len(dataset.classes)) for rows in splits], axis=0
    )
    short = int((least[classes] < wanted).sum())
    if not short:
        return ""
    if short == len(classes):
        return f"no class has {wanted:,} pictures {purpose}"
    return f"{short:,} of {len(classes):,} classes have fewer than {wanted:,} pictures {purpose}"
