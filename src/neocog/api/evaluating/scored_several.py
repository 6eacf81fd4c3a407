"""A classifier against pictures that may show several classes at once, labels matched by name."""

from __future__ import annotations

import html
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neocog.api.evaluating.answered import Answered
from neocog.api.evaluating.evaluated import Evaluated, facts_of
from neocog.api.evaluating.how import How
from neocog.api.evaluating.scored import match_labels
from neocog.data.dataset import Dataset
from neocog.evaluation.intervals import Interval
from neocog.evaluation.several import (
    LeakedSeveral,
    SeveralScores,
    intervals_of_several,
    leaked_several,
    score_several,
)


@dataclass(frozen=True, kw_only=True, repr=False)
class ScoredSeveral(Evaluated):
    """Scores with what they were computed from; columns are the model's classes, then `unknown_classes`, which have
    the probability 0."""

    scores: SeveralScores
    truth: NDArray[np.bool_]
    """(n, columns), whether a picture shows the class; False of classes that the data never name"""
    members: tuple[tuple[str, ScoredSeveral], ...] = ()
    """(name, its own scores) of an ensemble's members"""
    leaked: LeakedSeveral | None = None
    """how many of the pictures the model was trained on, found by content; None where nobody knows"""
    exact: ScoredSeveral | None = None
    """the same pictures with every pixel decoded, where that was asked for; None where it is what was done anyway"""

    without = "it never names them, which counts as wrong"
    """what becomes of `unknown_classes`"""

    def __repr__(self) -> str:
        return f"ScoredSeveral({self.scores}, {self.scores.n:,} pictures, {self.how})"

    @cached_property
    def intervals(self) -> dict[str, Interval]:
        """95 % intervals of the figures of all classes together, by the bootstrap over pictures."""
        return intervals_of_several(self.probabilities, self.truth, self.scores.threshold)

    @property
    def differing(self) -> int:
        """Of how many pictures other classes are named with every pixel decoded."""
        if self.exact is None:
            return 0
        fast, exact = (scored.probabilities >= scored.scores.threshold for scored in (self, self.exact))
        return int((fast != exact).any(axis=1).sum())

    def to_json(self) -> dict[str, Any]:
        # "exact" is a figure of its own here
        exact = (
            {"every_pixel": {"map": self.exact.scores.map, "differing": self.differing}} if self.exact else {}
        )
        return {
            **self.scores.figures(),
            "auroc": self.scores.auroc,
            "n": self.scores.n,
            "figures": {
                name: {"value": getattr(self.scores, name), "interval": list(interval)}
                for name, interval in self.intervals.items()
            },
            "members": [{"name": name, **own.scores.figures()} for name, own in self.members],
            **self.circumstances(),
            "leakage": asdict(self.leaked) if self.leaked else None,
            "per_class": {name: asdict(row) for name, row in self.scores.per_class.items()},
            **exact,
        }

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(name)}</td><td>{'' if row.ap is None else f'{row.ap:.3f}'}</td>"
            f"<td>{row.precision:.3f}</td><td>{row.recall:.3f}</td><td>{row.f1:.3f}</td><td>{row.n}</td></tr>"
            for name, row in self.scores.per_class.items()
        )
        titles = ("class", "AP", "precision", "recall", "F1", "n")
        head = "".join(f"<th>{title}</th>" for title in titles)
        return f"<p>{self.scores}</p><table><tr>{head}</tr>{rows}</table>"


def scored_several_answers(
    found: Answered, known: tuple[str, ...], dataset: Dataset, how: How, strict: bool = False
) -> ScoredSeveral:
    """The answers `found` about pictures of `dataset`, columns in the order of the classes `known`.

    Where the data have one class per picture, it shows that one and no other.
    """
    index, unknown = match_labels(known, dataset.classes)
    classes = (*known, *unknown)
    truth = np.zeros((len(found.indices), len(classes)), dtype=bool)
    if dataset.targets is None:
        truth[np.arange(len(truth)), index[dataset.labels[found.indices]]] = True
    else:
        truth[:, index] = dataset.targets[found.indices]
    never = np.zeros((len(truth), len(unknown)), np.float32)
    probabilities = np.concatenate([found.probabilities, never], axis=1)
    return ScoredSeveral(
        scores=score_several(probabilities, truth, classes),
        probabilities=probabilities,
        truth=truth,
        unknown_classes=unknown,
        **facts_of(found, dataset, how, strict),
        leaked=None if found.known is None else leaked_several(probabilities, truth, found.known),
    )
