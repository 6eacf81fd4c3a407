"""Labelled pictures as a run's network reads them: those that judged it, where they are still at hand, or others."""

from __future__ import annotations

import csv
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from neocog.api.evaluating.answered import training_hashes
from neocog.api.evaluating.options import DataOptions
from neocog.api.evaluating.scored import match_labels
from neocog.api.networks import Loaded
from neocog.api.see.given import demand_unread
from neocog.api.see.opened import Opened, as_input
from neocog.bundle import Card
from neocog.data.balanced import balanced
from neocog.data.builtin import BUILTIN
from neocog.data.dataset import UNLABELLED, Dataset, judged_part
from neocog.data.decode import Pixels
from neocog.data.manifest import read_manifest
from neocog.data.reading import Reading, ReadingOptions
from neocog.data.samples import Files, Verified, content_hash
from neocog.data.source import open_dataset
from neocog.errors import Unreadable, UserError
from neocog.progress import Progress

if TYPE_CHECKING:
    from neocog.inside.learning.task import Task

FEWEST = 12
"""pictures, with which statistics begin to mean something"""
SPLIT, ANSWERS = "split.csv", "predictions.csv"


@dataclass(frozen=True, eq=False)
class Shown:
    """Pictures in front of a run's network."""

    task: Task
    data: str
    """what they are called"""
    of: int
    """how many there are to choose from"""
    skipped: tuple[tuple[str, str], ...]
    """(name, reason) of each chosen picture that cannot be read"""
    strange: tuple[str, ...]
    """classes of the data that the model lacks; their pictures are left out"""
    trained: int
    """how many of the pictures the run was trained on"""


def own_held_out(folder: Path, card: Card) -> Dataset:
    """The pictures that judged the run in `folder`, each with the content that it had; UserError where none is left."""
    name = str(card.data.get("name", ""))
    if name in BUILTIN and (folder / SPLIT).is_file():
        with suppress(UserError):  # a folder of this name, or one that is not on this machine
            whole = open_dataset(f"builtin/{name}", Reading(split=folder))
            return judged_part(whole, next(part for part in ("val", "test") if (whole.parts == part).any()))
    rows = _answered(folder)
    there = [(path, truth) for path, truth in rows if Path(path).is_file()]
    if not there:
        raise UserError(
            f"the pictures that judged {folder} are no longer where they were"
            f"{f' ({rows[0][0]})' if rows else ''}; give DATA"
        )
    return _of_files(folder, card, there, name)


def _answered(folder: Path) -> list[tuple[str, str]]:
    """(path, truth) of each held-out picture."""
    try:
        text = (folder / ANSWERS).read_text("utf-8", "surrogateescape")
    except OSError:
        return []
    rows = csv.DictReader(text.splitlines())
    return [(row["path"], row["truth"]) for row in rows if "path" in row and "truth" in row]


def _of_files(folder: Path, card: Card, rows: list[tuple[str, str]], name: str) -> Dataset:
    paths = [path for path, _ in rows]
    sums = {row.path: row.sha256 for row in read_manifest(folder)} if (folder / SPLIT).is_file() else {}
    places = {label: i for i, label in enumerate(card.classes)}
    targets, labels = None, np.full(len(rows), UNLABELLED, np.int64)
    if card.activation == "sigmoid":
        shown = [set(truth.split("|")) for _, truth in rows]
        targets = np.array([[label in one for label in card.classes] for one in shown])
    else:
        labels = np.array([places.get(truth, UNLABELLED) for _, truth in rows], np.int64)
    return Dataset(
        f"{name}/held out",
        Verified(Files(paths), [_sum_of(path, sums) for path in paths], str(folder / SPLIT)),
        labels,
        card.classes,
        np.full(len(rows), ""),
        targets=targets,
        listed=True,
    )


def _sum_of(path: str, sums: dict[str, str]) -> str:
    """By the end of its path that the manifest has; nothing where it has none."""
    parts = Path(path).as_posix().split("/")
    ends = ("/".join(parts[i:]) for i in range(len(parts)))
    return next((sums[end] for end in ends if end in sums), "")


def shown_to(
    network: Opened, loaded: Loaded, data: object | None, most: int, told: Progress, options: DataOptions
) -> Shown:
    """At most `most` labelled pictures, as many of each class, as `network`, that of the run `loaded`, reads them."""
    from neocog.api.evaluating.evaluate import judged_data

    assert loaded.bundle is not None and loaded.folder is not None
    if data is None:
        demand_unread(options, ("part", *ReadingOptions.__annotations__))
        dataset = own_held_out(loaded.folder, loaded.bundle.card)
    else:
        dataset = judged_data(data, told, options, options.get("part"))
    for note in dataset.notes:
        told.say(note)
    known, index, strange = _known(loaded.bundle.card, dataset)
    kinds = known.labels if known.targets is None else known.targets.argmax(axis=1)
    chosen = known.select(balanced(kinds, most))
    read = _read(network, chosen, training_hashes(loaded.folder), told)
    if options.get("strict") and read.skipped:
        raise UserError(f"{read.skipped[0][0]}: {read.skipped[0][1]}; leave --strict out to skip it")
    if len(read.rows) < FEWEST:
        raise UserError(
            f"at least {FEWEST} labelled pictures that can be read are needed, {dataset.name} has {len(read.rows)}; "
            "give more DATA"
        )
    task = _task(
        network, loaded.bundle.card, np.stack(read.pixels), chosen.select(np.array(read.rows)), index
    )
    return Shown(task, dataset.name, len(known), tuple(read.skipped), strange, read.trained)


def _known(card: Card, dataset: Dataset) -> tuple[Dataset, NDArray[np.int64], tuple[str, ...]]:
    """Pictures whose class the model knows, where the data's classes stand among its own, and those it lacks."""
    known, several = card.classes, card.activation == "sigmoid"
    if several != (dataset.targets is not None):
        one, other = ("several classes", "one class") if several else ("one class", "several classes")
        raise UserError(
            f"the run names {one} for a picture, the labels of {dataset.name} {other}; give data of the run's kind"
        )
    index, strange = match_labels(known, dataset.classes)
    if not several:
        own = (dataset.labels >= 0) & (index[dataset.labels] < len(known))
        dataset = dataset.select(np.flatnonzero(own))
    return dataset, index, strange


@dataclass
class _Read:
    """Pictures as the network sees them."""

    pixels: list[Pixels] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    """which of the pictures they are"""
    skipped: list[tuple[str, str]] = field(default_factory=list)
    """(name, reason) of the others"""
    trained: int = 0
    """how many of them the run was trained on"""


def _read(network: Opened, dataset: Dataset, hashes: frozenset[str], told: Progress) -> _Read:
    found = _Read()
    with told.step("pictures", len(dataset)) as advance:
        for i in range(len(dataset)):
            try:
                picture = dataset.samples.read(i)
                found.pixels.append(network.preprocess(picture))
                found.rows.append(i)
                found.trained += content_hash(picture).hex() in hashes
            except Unreadable as reason:
                found.skipped.append((dataset.short_name(i), str(reason)))
            advance(1)
    return found


def _task(network: Opened, card: Card, pixels: Pixels, dataset: Dataset, index: NDArray[np.int64]) -> Task:
    """`index` says for each class of the data its place among the model's, or behind them."""
    import torch

    from neocog.inside.learning.task import Task

    truth = index[dataset.labels]
    if dataset.targets is not None:
        truth = np.zeros((len(dataset), len(card.classes)), np.float32)
        shared = index < len(card.classes)
        truth[:, index[shared]] = dataset.targets[:, shared]
    return Task(as_input(network, pixels), torch.from_numpy(truth), card.mirrored)
