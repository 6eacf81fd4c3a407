"""What a classifier says about every readable picture of a data set, by one process or by several."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
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
    """(n, classes of the model)"""
    unread: tuple[tuple[int, str], ...]
    """(index, reason)"""
    known: NDArray[np.bool_] | None
    """(n,), which of them the model was trained on, found by content; None where nobody knows"""


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
    found = _of_all(own, world, len(dataset)) if world else own
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
    seen: list[bool] = []
    samples = dataset.select(mine).samples if len(mine) < len(dataset) else dataset.samples
    with told.step("pictures", len(mine)) as advance:
        for part in stream(samples, answering.prepare, answering.answer, batch=answering.batch):
            if len(part.indices):
                kept.append(mine[part.indices])
                rows.append(part.outputs)
                seen += [row.tobytes().hex() in trained for row in part.hashes]
            unread += [(int(mine[i]), reason) for i, reason in part.skipped]
            advance(len(part.indices) + len(part.skipped))
    probabilities = np.concatenate(rows) if rows else np.empty((0, 0), np.float32)
    return Answered(
        np.concatenate(kept), probabilities, tuple(unread), np.array(seen, bool) if trained else None
    )


def _of_all(own: Answered, world: World, total: int) -> Answered:
    """The answers of all processes, in all of them, in the order of the data."""
    from neocog.training.processes.exchange import rows_of_all, words_of_all

    words = words_of_all(world, json.dumps([own.unread, own.probabilities.shape[1]]))
    told = [json.loads(each) for each in words]
    unread = sorted((int(i), str(reason)) for rows, _ in told for i, reason in rows)
    classes = max(width for _, width in told)  # 0 where a process could read no picture
    facts = np.zeros((len(range(world.rank, total, world.size)), classes + 1), np.float32)
    places = (own.indices - world.rank) // world.size
    facts[places, :-1] = own.probabilities.reshape(len(places), -1) if len(places) else 0
    facts[places, -1] = own.known if own.known is not None else False
    rows = rows_of_all(world, facts, total)
    indices = np.setdiff1d(np.arange(total), [i for i, _ in unread])
    known = rows[indices, -1] > 0 if own.known is not None else None
    return Answered(indices, rows[indices, :-1], tuple(unread), known)


def agreed(members: list[Answered]) -> list[Answered]:
    """Of each only the pictures that all could read."""
    if len(members) == 1:
        return members
    unread = {i: reason for member in members for i, reason in member.unread}
    return [_without(member, tuple(sorted(unread.items()))) for member in members]


def _without(one: Answered, unread: tuple[tuple[int, str], ...]) -> Answered:
    keep = ~np.isin(one.indices, [i for i, _ in unread])
    known = None if one.known is None else one.known[keep]
    return Answered(one.indices[keep], one.probabilities[keep], unread, known)


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
