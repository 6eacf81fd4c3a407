"""A classifier against labelled pictures, labels matched by name."""

from __future__ import annotations

import html
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neocog.api.evaluating.answered import Answered
from neocog.api.evaluating.evaluated import Evaluated, facts_of
from neocog.api.evaluating.how import How
from neocog.data.dataset import Dataset
from neocog.draw.confusion import confused_pairs
from neocog.errors import UserError
from neocog.evaluation.calibration import reliability
from neocog.evaluation.conformal import Coverage
from neocog.evaluation.intervals import Interval
from neocog.evaluation.leakage import Leaked, leaked
from neocog.evaluation.metrics import Scores, intervals_of, score
from neocog.evaluation.per_picture import best
from neocog.evaluation.truth import LabelSets

if TYPE_CHECKING:
    from neocog.api.evaluating.gain import Gain


@dataclass(frozen=True, kw_only=True, repr=False)
class Scored(Evaluated):
    """Scores with what they were computed from; columns are the model's classes, pictures of others count as wrong."""

    scores: Scores
    labels: NDArray[np.int64]
    """the true classes among the model's; beyond its last one where the model does not know the class"""
    members: tuple[tuple[str, Scored], ...] = ()
    """(name, its own scores) of an ensemble's members"""
    gain: Gain | None = None
    """what an ensemble brings beside the best of its members, and what it costs"""
    excluded: int = 0
    """pictures without a right answer in the label sets"""
    coverage: tuple[Coverage, ...] = ()
    """of a calibrated run: how often sets of classes held the true one, on pictures that did not calibrate it"""
    leaked: Leaked | None = None
    """how many of the pictures the model was trained on, found by content; None where nobody knows"""
    exact: Scored | None = None
    """the same pictures with every pixel decoded, where that was asked for; None where it is what was done anyway"""

    without = "those pictures count as wrong"
    """what becomes of `unknown_classes`"""

    def __repr__(self) -> str:
        low, high = self.scores.top1_interval
        return (
            f"Scored(top-1 {self.top1:.4f} ({low:.4f} to {high:.4f}), {self.scores.n:,} pictures, {self.how})"
        )

    @cached_property
    def intervals(self) -> dict[str, Interval]:
        """95 % intervals of the figures of all classes together: Wilson's of top1, the others by the bootstrap."""
        drawn = intervals_of(self.probabilities, self.labels)
        return {**drawn, "top1": self.scores.top1_interval}

    @property
    def top1(self) -> float:
        return self.scores.top1

    @property
    def right(self) -> NDArray[np.bool_]:
        """(n,), whether the most probable class is the true one."""
        return np.asarray(best(self.probabilities) == self.labels)

    def only(self, keep: NDArray[np.bool_]) -> Scored:
        """The scores of those of the pictures that are True in `keep` (n,)."""
        if keep.all():
            return self
        rows, labels = self.probabilities[keep], self.labels[keep]
        return replace(
            self,
            scores=score(rows, labels, self.names),
            probabilities=rows,
            labels=labels,
            indices=self.indices[keep],
            hashes=self.hashes[keep],
            trained=self.trained[keep],
            paths=tuple(path for path, kept in zip(self.paths, keep, strict=True) if kept),
            leaked=leaked(rows, labels, self.trained[keep]) if self.leaked else None,
        )

    @property
    def differing(self) -> int:
        """How many pictures get another class with every pixel decoded."""
        if self.exact is None:
            return 0
        return int((self.probabilities.argmax(axis=1) != self.exact.probabilities.argmax(axis=1)).sum())

    def to_json(self) -> dict[str, Any]:
        """As `docs/evaluation.md` describes it, field by field."""
        scores = self.scores
        exact = {"exact": {"top1": self.exact.top1, "differing": self.differing}} if self.exact else {}
        return {
            "top1": scores.top1,
            "top5": scores.top5,
            "top1_interval": list(scores.top1_interval),
            "n": scores.n,
            "figures": {
                name: {"value": getattr(scores, name), "interval": list(interval)}
                for name, interval in self.intervals.items()
            },
            "members": [{"name": name, **own.scores.figures()} for name, own in self.members],
            "gain": self.gain.to_json() if self.gain else None,
            **self.circumstances(),
            "excluded": self.excluded,
            "leakage": asdict(self.leaked) if self.leaked else None,
            "per_class": {name: vars(row) for name, row in scores.per_class.items()},
            "confused": [
                {"truth": self.names[i], "said": self.names[j], "n": n}
                for i, j, n in confused_pairs(scores.confusion)
            ],
            "reliability": reliability(self.probabilities, self.labels).to_json(),
            "coverage": [asdict(row) for row in self.coverage],
            **exact,
        }

    @property
    def names(self) -> tuple[str, ...]:
        """The classes: the model's, then those of the data that it does not know."""
        return tuple(self.scores.per_class)

    def _repr_html_(self) -> str:
        low, high = self.scores.top1_interval
        others = ", ".join(
            f"{name} {getattr(self.scores, name):.4f} ({ends[0]:.4f} to {ends[1]:.4f})"
            for name, ends in self.intervals.items()
            if name != "top1"
        )
        rows = "".join(
            f"<tr><td>{html.escape(name)}</td><td>{row.precision:.3f}</td><td>{row.recall:.3f}</td>"
            f"<td>{row.f1:.3f}</td><td>{row.n}</td></tr>"
            for name, row in self.scores.per_class.items()
        )
        head = "<tr><th>class</th><th>precision</th><th>recall</th><th>F1</th><th>n</th></tr>"
        summary = f"top-1 {self.top1:.4f} (95 % interval {low:.4f} to {high:.4f}), n = {self.scores.n}"
        return (
            f"<p>{summary}</p><p>{others}</p><p>{html.escape(str(self.how))}</p><table>{head}{rows}</table>"
        )


def scored_answers(
    found: Answered,
    classes: tuple[str, ...],
    dataset: Dataset,
    how: How,
    strict: bool = False,
    sets: LabelSets | None = None,
) -> Scored:
    """The answers `found` about pictures of `dataset`, columns in the order of `classes`.

    Where `sets` of all pictures are given they say which are right, and pictures without a right one are left out.
    """
    unknown: tuple[str, ...] = ()
    excluded = 0
    if sets:
        truth = LabelSets(tuple(sets.sets[i] for i in found.indices))
        excluded = truth.excluded
        labels = truth.labels(found.probabilities)[truth.scored]
        found = found.only(truth.scored)
    else:
        index, unknown = match_labels(classes, dataset.classes)
        labels = index[dataset.labels[found.indices]]
    return Scored(
        scores=score(found.probabilities, labels, (*classes, *unknown)),
        probabilities=found.probabilities,
        labels=labels,
        unknown_classes=unknown,
        **facts_of(found, dataset, how, strict),
        excluded=excluded,
        leaked=None if found.known is None else leaked(found.probabilities, labels, found.known),
    )


def match_labels(known: tuple[str, ...], given: tuple[str, ...]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """For each class of the data its place among the model's, or behind them where the model lacks it."""
    places = {name: i for i, name in enumerate(known)}
    unknown = tuple(name for name in given if name not in places)
    if len(unknown) == len(given):
        raise UserError(
            f"model and data must share a class; the model has {_list(known)}, the data has {_list(given)}"
        )
    places |= {name: len(known) + i for i, name in enumerate(unknown)}
    return np.array([places[name] for name in given], dtype=np.int64), unknown


def _list(classes: tuple[str, ...]) -> str:
    shown = ", ".join(classes[:10])
    return f"{shown}, ... ({len(classes)} classes)" if len(classes) > 10 else shown
