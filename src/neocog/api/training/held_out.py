"""Which of the readable pictures train and which judge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from neocog.data.dataset import PARTS, Dataset
from neocog.data.divide import class_table
from neocog.data.manifest import counted
from neocog.data.quarantine import demand_readable
from neocog.data.split import grouped, stratified, two_labels
from neocog.errors import UserError
from neocog.progress import Progress

if TYPE_CHECKING:
    from neocog.api.training.plan import Plan

Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Split:
    """Which readable pictures train and which judge, as indices of the data set."""

    train: NDArray[np.int64]
    held_out: NDArray[np.int64]
    hashes: dict[int, str]
    """SHA-256 of each readable picture"""

    @property
    def leaked(self) -> NDArray[np.bool_]:
        """(held out,), whether the picture is among those that train, too, byte for byte."""
        trained = {self.hashes[i] for i in self.train.tolist()}
        return np.array([self.hashes[i] in trained for i in self.held_out.tolist()], dtype=bool)


def split_readable(
    plan: Plan,
    indices: NDArray[np.int64],
    hashes: NDArray[np.uint8],
    skipped: tuple[tuple[int, str], ...],
    told: Progress,
) -> Split:
    """The data's own parts where they have some, else a stratified split; errors where a class cannot be learned."""
    dataset = plan.dataset
    if plan.strict:
        demand_readable(dataset, skipped)
    for i, reason in skipped:
        told.say(f"skipped {dataset.samples.name(i)}: {reason}")
    trains, held_out = _sides(plan, indices, hashes, told)
    several = two_labels(dataset.answers[indices], hashes)
    if several:
        told.say(f"warning: {counted(several, 'picture')} under two labels (neocog data check names them)")
    _check_split(dataset, indices[trains], held_out, skipped, told)
    digests = {int(i): row.tobytes().hex() for i, row in zip(indices, hashes, strict=True)}
    split = Split(train=indices[trains], held_out=indices[held_out], hashes=digests)
    if split.leaked.any():
        told.say(
            f"warning: {int(split.leaked.sum()):,} of the {len(split.held_out):,} held-out pictures are trained on, "
            "too: the accuracy counts what was learned by heart (neocog data check names them)"
        )
    return split


def expected_counts(dataset: Dataset, val_fraction: float) -> tuple[int, int]:
    """About how many pictures will train and judge, 1 at least, before any is read."""
    parts = dataset.parts
    train = int((parts == ("train" if (parts == "train").any() else "")).sum())
    judged = next((n for part in ("val", "test") if (n := int((parts == part).sum()))), 0)
    held_out = judged or max(1, round(train * val_fraction))
    return max(1, train if judged else train - held_out), held_out


def expected_per_class(dataset: Dataset, val_fraction: float) -> float:
    """About how many pictures to train on a class has: the median, before any is read."""
    trains = dataset.parts == ("train" if (dataset.parts == "train").any() else "")
    if dataset.targets is not None:
        counts = dataset.targets[trains].sum(axis=0)
    else:
        labels = dataset.labels[trains]
        counts = np.bincount(labels[labels >= 0], minlength=len(dataset.classes))
    train, _ = expected_counts(dataset, val_fraction)
    return float(np.median(counts)) * train / max(1, int(trains.sum()))


def _sides(
    plan: Plan, indices: NDArray[np.int64], hashes: NDArray[np.uint8], told: Progress
) -> tuple[Mask, Mask]:
    """Which pictures train and which judge: by the data's own parts where they have some, else drawn per class."""
    dataset = plan.dataset
    answers, parts = dataset.answers[indices], dataset.parts[indices]
    there = [part for part in PARTS if (dataset.parts == part).any()]
    if "train" not in there and not (dataset.parts == "").any():
        alone = ", ".join(there)
        raise UserError(
            f"there must be pictures to train on, {dataset.name} has {alone} alone; name their part train, or none"
        )
    trains = parts == ("train" if "train" in there else "")
    judged = next((part for part in ("val", "test") if (parts == part).any()), None)
    if judged:
        held_out = parts == judged
        told.say(f"split: the {judged} part judges, {int(held_out.sum()):,} pictures")
    else:
        held_out = np.zeros(len(indices), dtype=bool)
        drawn = (answers[trains], hashes[trains])
        groups = dataset.columns.get("group")
        if groups is None and dataset.targets is None:
            held_out[trains] = stratified(*drawn, plan.val_fraction, plan.seed)
        else:
            known = np.full(len(dataset), "") if groups is None else np.asarray(groups).astype(str)
            held_out[trains] = grouped(*drawn, known[indices[trains]], plan.val_fraction, plan.seed)
        how = "drawn per class" if groups is None else "drawn per class, each group on one side"
        told.say(f"split: {int(held_out.sum()):,} pictures judge, {how} (val_fraction {plan.val_fraction})")
        trains &= ~held_out
    return trains, held_out


def _check_split(
    dataset: Dataset,
    train: NDArray[np.int64],
    held_out: Mask,
    skipped: tuple[tuple[int, str], ...],
    told: Progress,
) -> None:
    counts = class_table(
        dataset.labels[train],
        None if dataset.targets is None else dataset.targets[train],
        len(dataset.classes),
    ).sum(axis=0)
    empty = [dataset.classes[i] for i in np.flatnonzero(counts == 0)]
    if empty and dataset.targets is not None:
        told.say(f"warning: no picture to train on shows {', '.join(empty)}")
    elif empty:
        why = f" ({dataset.samples.name(skipped[0][0])}: {skipped[0][1]})" if skipped else ""
        raise UserError(
            f"each class needs a readable picture to train on, got none for {', '.join(empty)}{why}"
        )
    for i in np.flatnonzero(counts == 1):
        told.say(f"warning: {dataset.classes[i]} has one picture to train on")
    if not held_out.any():
        raise UserError(
            "there must be a picture left to judge by; give each class two pictures or more, or a val folder "
            "(copies and pictures of a group stay together)"
        )
