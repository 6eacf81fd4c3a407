"""Which pictures of both domains are learned from, seen or judged, drawn several times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neocog.adaptation.domains import Domains
from neocog.api.adapting.options import Asked
from neocog.api.adapting.pair import Domain, Pair, listed
from neocog.errors import UserError
from neocog.probing.splits import Draw, drawn

Rows = NDArray[np.int64]
MANY, FEW = 20, 8
"""pictures of each class of the source: of Amazon, of Webcam and DSLR, which have fewer (Saenko and others 2010)"""
SEEN = 5000
"""unlabelled pictures of the target that a method sees at most"""


@dataclass(frozen=True, eq=False)
class Split:
    """Rows of the source and of the target."""

    source: Rows
    labelled: Rows
    """of the target"""
    judged: Rows
    """of the target: all others whose label is known, but those of a labelled one's group"""
    kin: Rows
    """of the target: pictures of a labelled one's group, which would be easier to judge than new ones"""
    seen: Rows
    """of the target: the labelled ones, then unlabelled ones, those that are judged among them"""

    def domains(self, pair: Pair, layer: str) -> Domains:
        target = pair.target.features[layer]
        return Domains(
            pair.source.features[layer][self.source],
            pair.source.labels[self.source],
            target[self.seen],
            np.arange(len(self.labelled)),
            pair.target.labels[self.labelled],
            len(pair.classes),
        )


def splits(pair: Pair, asked: Asked) -> tuple[Split, ...]:
    """`asked.splits` draws. UserError where a class of the target has too few pictures."""
    many = per_class_of_source(pair, asked)
    draw = Draw(per_class=many, splits=asked.splits, seed=asked.seed, fewer=True)
    none_judges = np.zeros(len(pair.source), bool)
    sources = drawn(pair.source.labels, pair.source.hashes, pair.classes, draw, none_judges)
    known = np.flatnonzero(pair.target.labels >= 0)
    if not len(known):
        raise UserError(
            f"pictures of the target that judge need labels, got none in {pair.target.name}; "
            "give labels to some of them"
        )
    if not asked.labels_per_class:
        targets = [(known[:0], known, known[:0])] * asked.splits
    else:
        _demand_labels(pair, asked.labels_per_class)
        draw = Draw(per_class=asked.labels_per_class, splits=asked.splits, seed=asked.seed)
        found = drawn(pair.target.labels[known], pair.target.hashes[known], pair.classes, draw)
        targets = [(known[one.train], *_apart(pair, known[one.train], known[one.judge])) for one in found]
    return tuple(
        Split(source.train, *target, _seen(pair.target, target[0], [asked.seed, i]))
        for i, (source, target) in enumerate(zip(sources, targets, strict=True))
    )


def per_class_of_source(pair: Pair, asked: Asked) -> int:
    """As asked; else 20 of each class where each has so many, else 8."""
    if asked.source_per_class:
        return asked.source_per_class
    return MANY if pair.source.per_class(len(pair.classes)).min() >= MANY else FEW


def _apart(pair: Pair, labelled: Rows, others: Rows) -> tuple[Rows, Rows]:
    """Those that judge, and those whose group a labelled picture is of. UserError where a class keeps no judge."""
    groups = pair.target.groups
    kin = (groups[others] != "") & np.isin(groups[others], groups[labelled])
    judged = others[~kin]
    without = np.setdiff1d(np.arange(len(pair.classes)), pair.target.labels[judged])
    if len(without):
        raise UserError(
            "pictures of a labelled one's group do not judge, so each class of the target needs a group without "
            f"labels, got none of {listed([pair.classes[k] for k in without])}; ask for fewer with --labels-per-class"
        )
    return judged, others[kin]


def _seen(target: Domain, labelled: Rows, seed: list[int]) -> Rows:
    others = np.setdiff1d(np.arange(len(target)), labelled)
    drawn_others = np.random.default_rng(seed).permutation(others)[:SEEN]
    return np.concatenate([labelled, np.sort(drawn_others)])


def _demand_labels(pair: Pair, wanted: int) -> None:
    counts = pair.target.per_class(len(pair.classes))
    short = [(int(n), name) for n, name in zip(counts, pair.classes, strict=True) if n <= wanted]
    if short:
        named = ", ".join(f"{n} of {name}" for n, name in sorted(short)[:5])
        more = f" and too few of {len(short) - 5} more" if len(short) > 5 else ""
        raise UserError(
            f"each class of the target needs {wanted + 1} different pictures, {wanted} labelled and one to judge by, "
            f"got {named}{more}; ask for fewer with --labels-per-class"
        )
