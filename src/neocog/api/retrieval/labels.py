"""Doubtful labels, as a person reads them and as a quarantine list."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from neocog.api.retrieval.index import Index, one_label
from neocog.api.retrieval.options import Asked
from neocog.data.dataset import Dataset
from neocog.data.quarantine import Entry
from neocog.draw.table import Table
from neocog.draw.text import percent
from neocog.errors import UserError
from neocog.progress import Progress
from neocog.retrieval.doubtful import Doubts, confident
from neocog.retrieval.held_out import FOLDS, HeldOut, demand_two, held_out
from neocog.retrieval.space import Indices

SHOWN = 20  # lines of the table in a terminal
LOW = 0.8  # accuracy of the classifier behind the doubts, below which most of them may be its own errors
FEW = 50  # pictures of a class, likewise: measured, see docs/retrieve.md


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
        doubts, labels, judged = self.doubts, self.index.labels, self.held.judged
        for at, suggested in zip(doubts.candidates.tolist(), doubts.suggested.tolist(), strict=True):
            row = int(self.rows[at])
            yield Doubt(
                row,
                int(labels[row]),
                suggested,
                float(self.held.probabilities[judged[at], suggested]),
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
                round(d.probability_of_given, 4),
                classes[d.suggested],
                round(d.probability, 4),
            )
            for d in self
        )
        return Table(("picture", "given", "given at", "suggested", "suggested at"), tuple(rows))

    def headline(self) -> str:
        wrong, n = self.doubts.estimated, len(self.rows)
        return (
            f"{len(self):,} doubtful labels of {n:,}; estimated to be wrong: {wrong:.1f} ({percent(wrong / n)} %); "
            f"held out, the classifier behind it gives {percent(self.accuracy)} % their label"
        )

    @property
    def accuracy(self) -> float:
        """Share of the judged pictures that are given their label by a classifier that has not seen them."""
        judged = self.held.judged
        return float((self.held.probabilities[judged].argmax(axis=1) == self.index.labels[self.rows]).mean())

    def warning(self) -> str:
        """Why the doubts may be the classifier's rather than the labels'; nothing where they need not, or are none."""
        if not len(self):
            return ""
        counts = np.bincount(self.index.labels[self.rows])
        fewest = int(counts[counts > 0].min())
        why = [f"it is right in {percent(self.accuracy)} % only"] if self.accuracy < LOW else []
        why += [f"it learns from few pictures (a class has {fewest:,})"] if fewest < FEW else []
        if not why:
            return ""
        return (
            f"Many of the doubtful labels may be errors of the classifier behind them, and the number estimated too "
            f"large: {' and '.join(why)}."
        )

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
            "accuracy": self.accuracy,
            "rank": self.asked.rank,
            "prune": self.asked.prune,
            "folds": FOLDS,
            "C": self.held.strength,
            "log_loss": self.held.losses[self.held.strength],
            "too_few": list(self.too_few),
            "thresholds": {
                name: float(t) for name, t in zip(classes, doubts.thresholds, strict=True) if not np.isnan(t)
            },
            "pairs": list(self._pairs()),
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

    def _pairs(self) -> Iterator[dict[str, Any]]:
        """Given and true labels that some picture counts for: of many classes few pairs have any."""
        doubts, classes = self.doubts, self.index.dataset.classes
        noise = doubts.given_if_true()
        for given, true in np.argwhere(doubts.counted).tolist():
            yield {
                "given": classes[given],
                "true": classes[true],
                "counted": int(doubts.counted[given, true]),
                "joint": float(doubts.joint[given, true]),
                "noise": float(noise[given, true]),
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


def demand_judgeable(dataset: Dataset) -> None:
    """UserError where no label can be doubted: a picture may show several classes, none has one, or all have few."""
    labels = one_label(dataset)
    if dataset.targets is not None:
        raise UserError(
            f"doubtful labels are looked for where each picture has one class, those of {dataset.name} may show "
            "several; leave out --mislabels"
        )
    if not (labels >= 0).any():
        raise UserError(
            f"doubtful labels need labels, got none in {dataset.name}; leave out --mislabels, or sort the pictures "
            "into one folder per class"
        )
    demand_two(np.bincount(labels[labels >= 0]))


def mislabels_of(index: Index, asked: Asked, told: Progress) -> Mislabels:
    """The doubtful labels of the index. Raises UserError where fewer than two classes have pictures enough."""
    labels = index.labels
    known = np.flatnonzero(labels >= 0)
    classes = index.dataset.classes
    with told.step("folds", FOLDS) as advance:
        held = held_out(
            index.features[known], labels[known], len(classes), index.contents[known], asked.seed, advance
        )
    judged = held.judged
    probabilities = held.probabilities if len(judged) == len(known) else held.probabilities[judged]
    doubts = confident(probabilities, labels[known][judged], asked.rank, asked.prune)
    few = set(labels[known].tolist()) - set(labels[known][judged].tolist())
    return Mislabels(index, known[judged], held, doubts, asked, tuple(classes[i] for i in sorted(few)))
