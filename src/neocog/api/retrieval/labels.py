"""Doubtful labels, as a person reads them and as a quarantine list."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from neocog.api.retrieval.index import Index
from neocog.api.retrieval.options import Asked
from neocog.data.quarantine import Entry
from neocog.draw.table import Table
from neocog.errors import UserError
from neocog.progress import Progress
from neocog.retrieval.doubtful import Doubts, confident
from neocog.retrieval.held_out import FOLDS, HeldOut, held_out
from neocog.retrieval.space import Indices

SHOWN = 20  # lines of the table in a terminal


@dataclass(frozen=True)
class Doubt:
    """One picture whose label is in doubt."""

    row: int
    """of the index"""
    given: int
    suggested: int
    probability: float
    """of the suggested class, by a classifier that has not seen the picture"""
    probability_of_given: float
    margin: float
    """the probability of the given class less the largest of another"""


@dataclass(frozen=True, eq=False, repr=False)
class Mislabels:
    """What cross-validated probabilities say about the labels."""

    index: Index
    rows: Indices
    """(m,), rows of the index that were judged"""
    held: HeldOut
    doubts: Doubts
    asked: Asked
    too_few: tuple[str, ...]
    """classes with fewer different pictures than folds: not judged"""

    def __len__(self) -> int:
        return len(self.doubts.candidates)

    def __iter__(self) -> Iterator[Doubt]:
        """The doubtful ones, the most doubtful first."""
        doubts, labels = self.doubts, self.index.labels
        probabilities = self.held.probabilities[self.held.judged]
        for at, suggested in zip(doubts.candidates.tolist(), doubts.suggested.tolist(), strict=True):
            row = int(self.rows[at])
            yield Doubt(
                row,
                int(labels[row]),
                suggested,
                float(probabilities[at, suggested]),
                float(doubts.self_confidence[at]),
                float(doubts.margin[at]),
            )

    def table(self) -> Table:
        """A row for each doubtful label."""
        classes = self.index.dataset.classes
        rows = (
            (
                self.index.path(d.row),
                classes[d.given],
                d.probability_of_given,
                classes[d.suggested],
                d.probability,
            )
            for d in self
        )
        return Table(("picture", "given", "at", "suggested", "at "), tuple(rows))

    def headline(self) -> str:
        wrong, n = self.doubts.estimated, len(self.rows)
        return f"{len(self):,} doubtful labels of {n:,}; estimated to be wrong: {wrong:.1f} ({100 * wrong / n:.1f} %)"

    def __str__(self) -> str:
        whole = self.table()
        first = Table(whole.header, whole.rows[:SHOWN])
        more = [f"and {len(whole) - SHOWN:,} more"] if len(whole) > SHOWN else []
        return "\n".join([self.headline(), *([str(first)] if len(whole) else []), *more])

    def to_json(self) -> dict[str, Any]:
        doubts, classes = self.doubts, self.index.dataset.classes
        return {
            "judged": len(self.rows),
            "listed": len(self),
            "estimated": doubts.estimated,
            "rank": self.asked.rank,
            "prune": self.asked.prune,
            "folds": FOLDS,
            "C": self.held.strength,
            "log_loss": self.held.losses[self.held.strength],
            "too_few": list(self.too_few),
            "thresholds": {
                name: float(t) for name, t in zip(classes, doubts.thresholds, strict=True) if not np.isnan(t)
            },
            "counted": doubts.counted.tolist(),
            "joint": doubts.joint.tolist(),
            "noise": doubts.given_if_true().tolist(),
            "pictures": [
                {
                    "path": self.index.path(d.row),
                    "given": classes[d.given],
                    "suggested": classes[d.suggested],
                    "probability": d.probability,
                    "probability_of_given": d.probability_of_given,
                    "margin": d.margin,
                }
                for d in self
            ],
        }

    def entries(self) -> Iterator[Entry]:
        """The doubtful ones as lines of a quarantine list."""
        classes = self.index.dataset.classes
        for d in self:
            yield self.index.entry(
                d.row,
                f"mislabel: given {classes[d.given]} ({d.probability_of_given:.4f}), "
                f"suggested {classes[d.suggested]} ({d.probability:.4f})",
            )


def mislabels_of(index: Index, asked: Asked, told: Progress) -> Mislabels:
    """The doubtful labels of the index. Raises UserError where a picture may show several classes, or none has one."""
    labels = index.labels
    known = np.flatnonzero(labels >= 0)
    if index.dataset.targets is not None:
        raise UserError(
            f"doubtful labels are looked for where each picture has one class, those of {index.dataset.name} may "
            "show several; leave out --mislabels"
        )
    if not len(known):
        raise UserError(
            f"doubtful labels need labels, got none in {index.dataset.name}; leave out --mislabels, or sort the "
            "pictures into one folder per class"
        )
    classes = index.dataset.classes
    with told.step("folds", FOLDS) as advance:
        held = held_out(
            index.features[known], labels[known], len(classes), index.contents[known], asked.seed, advance
        )
    judged = held.judged
    doubts = confident(held.probabilities[judged], labels[known][judged], asked.rank, asked.prune)
    few = set(labels[known].tolist()) - set(labels[known][judged].tolist())
    return Mislabels(index, known[judged], held, doubts, asked, tuple(classes[i] for i in sorted(few)))
