"""Findings about copies: how many, with which labels, and on which sides of a split they lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neocog.data.checks.copies import Copies, Members
from neocog.data.checks.finding import Finding, listed
from neocog.data.checks.near import Groups, Pairs
from neocog.data.dataset import UNLABELLED, Dataset


@dataclass(frozen=True)
class Leakage:
    """How much of a part that judges is known from the training part."""

    part: str
    same: int
    """pictures that were trained on as the same file or the same pixels"""
    near: int
    """further ones with a near duplicate, a mirror image or an alike vector among those trained on"""
    of: int
    """pictures of the part"""

    @property
    def share(self) -> float:
        return (self.same + self.near) / self.of


def copy_findings(copies: Copies, alike: Members) -> Iterator[Finding]:
    said = (
        ("exact-duplicates", copies.exact, "the same file"),
        ("same-pixels", copies.pixels, "the same pixels in files that differ"),
        ("near-duplicates", copies.near, "nearly the same picture"),
        ("mirrored", copies.mirrored, "mirror images"),
        ("alike", alike, "vectors that are nearly the same"),
    )
    for kind, groups, words in said:
        for group in groups:
            yield Finding(kind, tuple(group.tolist()), f"{words}, {len(group):,} times")


def label_findings(dataset: Dataset, copies: Copies, alike: Members) -> Iterator[Finding]:
    """Groups of copies under more than one label: certain ones first, then those that are only nearly the same."""
    certain = joined(len(dataset), (copies.exact, copies.pixels))
    told: set[int] = set()
    for groups, what in (
        (certain, "the same picture"),
        (
            joined(len(dataset), (copies.exact, copies.pixels, copies.near, copies.mirrored, alike)),
            "nearly the same picture",
        ),
    ):
        for group in groups:
            names = label_names(dataset, group)
            known = label_names(dataset, group[[i in told for i in group.tolist()]])
            if len(names) > max(1, len(known)):
                told.update(group.tolist())
                yield Finding("two-labels", tuple(group.tolist()), f"{what} as {listed(names)}")


def disputed_findings(dataset: Dataset) -> Iterator[Finding]:
    """The pictures on whose labels several annotators disagree, in one finding."""
    disputed = dataset.columns.get("disputed")
    if (
        disputed is not None and disputed.dtype == np.bool_ and disputed.any()
    ):  # a user's own column is no bool
        places = tuple(np.flatnonzero(disputed).tolist())
        yield Finding(
            "disputed", places, "no more than half of the annotators' votes are for the label taken"
        )


def leak_findings(dataset: Dataset, copies: Copies, alike: Members) -> tuple[list[Finding], list[Leakage]]:
    """Groups of copies that the training part shares with a part that judges, and how much of it they are."""
    same = joined(len(dataset), (copies.exact, copies.pixels))
    wider = joined(len(dataset), (copies.exact, copies.pixels, copies.near, copies.mirrored, alike))
    parts = dataset.parts
    judging = [part for part in ("val", "test") if (parts == part).any()]
    if not judging or not (parts == "train").any():
        return [], []
    findings = [
        Finding("leak", tuple(group.tolist()), f"{_side(parts[group])}")
        for group in wider
        if "train" in parts[group] and any(part in parts[group] for part in judging)
    ]
    numbers = []
    for part in judging:
        exact, all_of_them = (_known(parts, groups, part) for groups in (same, wider))
        numbers.append(Leakage(part, exact, all_of_them - exact, int((parts == part).sum())))
    return findings, numbers


def joined(n: int, kinds: Sequence[Members]) -> list[NDArray[np.int64]]:
    """Groups of several kinds, joined where they share a picture."""
    groups = Groups(n)
    for members in (group for kind in kinds for group in kind):
        groups.add(_chain(members))
    return groups.members()


def label_names(dataset: Dataset, group: NDArray[np.int64]) -> list[str]:
    """The different labels of some pictures; of those with several classes, these together."""
    if dataset.targets is not None:
        rows = np.unique(dataset.targets[group], axis=0)
        return [" + ".join(dataset.classes[i] for i in np.flatnonzero(row)) or "no class" for row in rows]
    labels = np.unique(dataset.labels[group])
    return [dataset.classes[i] for i in labels if i != UNLABELLED]


def _chain(members: NDArray[np.int64]) -> Pairs:
    return np.stack([members[:-1], members[1:]], axis=1)


def _known(parts: NDArray[np.str_], groups: list[NDArray[np.int64]], part: str) -> int:
    return sum(int((parts[group] == part).sum()) for group in groups if "train" in parts[group])


def _side(parts: NDArray[np.str_]) -> str:
    names, counts = np.unique(parts, return_counts=True)
    return "the same picture, or nearly, in " + " and ".join(
        f"{name or 'no part'} ({count:,})" for name, count in zip(names, counts, strict=True)
    )
