"""What a classifier says about every readable picture of a data set, by one process or by several."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from neocog.api.evaluating.answering import Answering
from neocog.data.dataset import Dataset
from neocog.data.quarantine import demand_readable
from neocog.errors import UserError
from neocog.inference.network import Floats
from neocog.inference.stream import stream
from neocog.progress import Progress

if TYPE_CHECKING:
    from neocog.training.processes.distributed import World


@dataclass(frozen=True)
class Answered:
    """What a classifier says about the readable pictures of a data set."""

    indices: NDArray[np.int64]
    """of these pictures in the data set, ascending"""
    probabilities: Floats
    """(n, classes of the model); logits of an ensemble's members where these are to be averaged"""
    unread: tuple[tuple[int, str], ...]
    """(index, reason)"""
    known: NDArray[np.bool_] | None
    """(n,), which of them the model was trained on, found by content; None where nobody knows"""
    hashes: NDArray[np.uint8]
    """(n, 32), SHA-256 of the pictures"""

    def only(self, keep: NDArray[np.bool_]) -> Answered:
        """The answers about those of the pictures that are True in `keep` (n,)."""
        known = None if self.known is None else self.known[keep]
        return replace(
            self,
            indices=self.indices[keep],
            probabilities=self.probabilities[keep],
            known=known,
            hashes=self.hashes[keep],
        )


def answered(
    answering: Answering,
    dataset: Dataset,
    trained: frozenset[str],
    told: Progress,
    world: World | None = None,
) -> Answered:
    """The probabilities of every readable picture, in order; UserError where there is none.

    Of several processes each answers every so many-th picture, none twice, and all get the answers of all.
    """
    mine = np.arange(len(dataset))[world.rank :: world.size] if world else np.arange(len(dataset))
    own = _own(answering, dataset, mine, trained, told)
    found = _of_all(own, trained, world, len(dataset)) if world else own
    if not len(found.indices):
        why = (
            f"{dataset.samples.name(found.unread[0][0])}: {found.unread[0][1]}"
            if found.unread
            else "it is empty"
        )
        raise UserError(f"no picture of {dataset.name} can be read ({why})")
    return found


def _own(
    answering: Answering, dataset: Dataset, mine: NDArray[np.int64], trained: frozenset[str], told: Progress
) -> Answered:
    kept: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
    rows: list[Floats] = []
    unread: list[tuple[int, str]] = []
    hashes: list[NDArray[np.uint8]] = [np.empty((0, 32), np.uint8)]
    samples = dataset.select(mine).samples if len(mine) < len(dataset) else dataset.samples
    with told.step("pictures", len(mine)) as advance:
        for part in stream(samples, answering.prepare, answering.answer, batch=answering.batch):
            if len(part.indices):
                kept.append(mine[part.indices])
                rows.append(part.outputs)
                hashes.append(part.hashes)
            unread += [(int(mine[i]), reason) for i, reason in part.skipped]
            advance(len(part.indices) + len(part.skipped))
    return _answered(
        np.concatenate(kept),
        np.concatenate(rows) if rows else np.empty((0, 0), np.float32),
        tuple(unread),
        np.concatenate(hashes),
        trained,
    )


def _answered(
    indices: NDArray[np.int64],
    probabilities: Floats,
    unread: tuple[tuple[int, str], ...],
    hashes: NDArray[np.uint8],
    trained: frozenset[str],
) -> Answered:
    known = np.array([row.tobytes().hex() in trained for row in hashes], bool) if trained else None
    return Answered(indices, probabilities, unread, known, hashes)


def _of_all(own: Answered, trained: frozenset[str], world: World, total: int) -> Answered:
    """The answers of all processes, in all of them, in the order of the data."""
    from neocog.training.processes.exchange import rows_of_all, words_of_all

    words = words_of_all(world, json.dumps([own.unread, own.probabilities.shape[1]]))
    told = [json.loads(each) for each in words]
    unread = tuple(sorted((int(i), str(reason)) for rows, _ in told for i, reason in rows))
    classes = max(width for _, width in told)  # 0 where a process could read no picture
    places = (own.indices - world.rank) // world.size
    mine = len(range(world.rank, total, world.size))
    rows, hashes = np.zeros((mine, classes), np.float32), np.zeros((mine, 32), np.float32)
    if len(places):
        rows[places], hashes[places] = own.probabilities, own.hashes  # a byte is a float32, exactly
    read = np.setdiff1d(np.arange(total), [i for i, _ in unread])
    return _answered(
        read,
        rows_of_all(world, rows, total)[read],
        unread,
        rows_of_all(world, hashes, total)[read].astype(np.uint8),
        trained,
    )


def agreed(members: list[Answered]) -> list[Answered]:
    """Of each only the pictures that all could read."""
    if len(members) == 1:
        return members
    unread = {i: reason for member in members for i, reason in member.unread}
    every = tuple(sorted(unread.items()))
    return [replace(one.only(~np.isin(one.indices, [*unread])), unread=every) for one in members]


def skipped_names(dataset: Dataset, found: Answered, strict: bool) -> tuple[tuple[str, str], ...]:
    """(path, reason) of what could not be read; with `strict` an error where there is any."""
    if strict:
        demand_readable(dataset, list(found.unread))
    return tuple((dataset.samples.name(i), reason) for i, reason in found.unread)


def training_hashes(run: Path | None) -> frozenset[str]:
    """SHA-256 of the pictures that a run was trained on; none where its manifest is not there."""
    manifest = run / "split.csv" if run else None
    if manifest is None or not manifest.is_file():
        return frozenset()
    lines = manifest.read_text("utf-8", "surrogateescape").splitlines()
    return frozenset(row["sha256"] for row in csv.DictReader(lines) if row.get("part") == "train")
