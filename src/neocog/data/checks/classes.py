"""Findings about classes: too few pictures, names that differ in nothing, facts that give the class away."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from neocog.data.checks.facts import Facts
from neocog.data.checks.finding import Finding, listed
from neocog.data.checks.kinds import IMBALANCE, TINY_CLASS
from neocog.data.dataset import Dataset

LEAST = 5  # pictures of a class, and of all others, from which a fact that they share is no chance
PURE = 0.95  # share of a class that has a fact, and share of the pictures with the fact that are of the class
Mask = NDArray[np.bool_]


def class_findings(dataset: Dataset, facts: Facts) -> Iterator[Finding]:
    readable: Mask = facts["readable"]
    members = [_members(dataset, i) & readable for i in range(len(dataset.classes))]
    counts = np.array([int(mask.sum()) for mask in members])
    yield from _sizes(dataset, counts)
    yield from _names(dataset.classes)
    grey = ~facts["colour"] & readable
    if grey.any() and (readable & ~grey).any():
        few = grey if grey.sum() * 2 <= readable.sum() else readable & ~grey
        what = "in grey" if few is grey else "in colour"
        words = f"{int(few.sum()):,} of {int(readable.sum()):,} pictures are {what}"
        yield Finding("mixed-channels", tuple(np.flatnonzero(few).tolist()), words)
    yield from _shortcuts(dataset, facts, members, readable)


def _members(dataset: Dataset, label: int) -> Mask:
    return dataset.labels == label if dataset.targets is None else dataset.targets[:, label]


def _sizes(dataset: Dataset, counts: NDArray[np.int64]) -> Iterator[Finding]:
    if not len(counts):
        return
    for i in np.flatnonzero(counts < TINY_CLASS):
        pictures = tuple(np.flatnonzero(_members(dataset, int(i))).tolist())
        yield Finding("tiny-class", pictures, f"{dataset.classes[i]} has {_counted(int(counts[i]))}")
    least, most = int(counts.argmin()), int(counts.argmax())
    if counts[most] > IMBALANCE * counts[least]:
        times = f"{counts[most] / counts[least]:.0f} times" if counts[least] else "infinitely many times"
        sizes = f"{dataset.classes[most]} ({counts[most]:,}) has {times} the pictures of "
        yield Finding("imbalance", (), f"{sizes}{dataset.classes[least]} ({counts[least]:,})")


def _counted(n: int) -> str:
    return f"{n:,} readable picture{'' if n == 1 else 's'}"


def _names(classes: tuple[str, ...]) -> Iterator[Finding]:
    alike: dict[str, list[str]] = {}
    for name in classes:
        bare = "".join(c for c in unicodedata.normalize("NFKC", name).casefold() if c.isalnum())
        alike.setdefault(bare or name, []).append(name)
    for names in alike.values():
        if len(names) > 1:
            yield Finding("class-names", (), f"{', '.join(map(repr, names))} may be one class")


def _grey_classes(dataset: Dataset, facts: Facts, members: list[Mask]) -> Iterator[Finding]:
    """Colour tells something where each class is nearly all grey or nearly all in colour, and both are there."""
    large = [(dataset.classes[i], own) for i, own in enumerate(members) if own.sum() >= LEAST]
    shares = np.array([facts["colour"][own].mean() for _, own in large])
    in_colour = shares >= PURE
    if len(large) < len(members) or not (in_colour | (shares <= 1 - PURE)).all():
        return
    few = [name for (name, _), colour in zip(large, in_colour, strict=True) if not colour]
    if few and in_colour.any():
        words = f"the pictures of {listed(few)} are grey, those of the other classes in colour"
        yield Finding("grey-shortcut", (), words)


def _shortcuts(dataset: Dataset, facts: Facts, members: list[Mask], readable: Mask) -> Iterator[Finding]:
    """Facts that nearly all pictures of one class have, and nearly none of the others."""
    if len(members) < 2:
        return
    yield from _grey_classes(dataset, facts, members)
    sizes = np.char.add(np.char.add(facts["width"].astype("U"), " x "), facts["height"].astype("U"))
    for kind, values, what in (
        ("format-shortcut", facts["format"], "files"),
        ("size-shortcut", sizes, "pixels"),
    ):
        for i, own in enumerate(members):
            found = _typical(values, own, readable & ~own)
            if found is not None:
                having, value, among = found
                share = f"{having:,} of {int(own.sum()):,} pictures of {dataset.classes[i]}"
                yield Finding(kind, (), f"{share} are {value} {what}, {among:,} of the others")


def _typical(values: NDArray[np.str_], own: Mask, others: Mask) -> tuple[int, str, int] | None:
    """(pictures of the class with its commonest value, that value, others with it) where it gives the class away."""
    if own.sum() < LEAST or others.sum() < LEAST:
        return None
    found, counts = np.unique(values[own], return_counts=True)
    value, having = str(found[counts.argmax()]), int(counts.max())
    among = int((values[others] == value).sum())
    if having < PURE * own.sum() or having < PURE * (having + among):
        return None
    return having, value, among
