"""A classifier against labelled pictures, labels matched by name."""

from __future__ import annotations

import html
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neocog.api.evaluating.answered import Answered, skipped_names
from neocog.api.evaluating.how import How
from neocog.data.dataset import Dataset, LeftOut
from neocog.errors import UserError
from neocog.evaluation.leakage import Leaked, leaked
from neocog.evaluation.metrics import Scores, score
from neocog.inference.network import Floats


@dataclass(frozen=True)
class Scored:
    """Scores with what they were computed from."""

    scores: Scores
    probabilities: Floats
    """(n, classes of the model)"""
    labels: NDArray[np.int64]
    """the true classes among the model's; beyond its last one where the model does not know the class"""
    indices: NDArray[np.int64]
    """of the pictures in the data set"""
    paths: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]
    """(path, reason)"""
    unknown_classes: tuple[str, ...]
    """classes of the data that the model does not know; their pictures count as wrong"""
    how: How
    """how the answers were got"""
    members: tuple[tuple[str, Scored], ...] = ()
    """(name, its own scores) of an ensemble's members"""
    leaked: Leaked | None = None
    """how many of the pictures the model was trained on, found by content; None where nobody knows"""
    quarantined: tuple[LeftOut, ...] = ()
    """pictures that a quarantine list left out"""
    exact: Scored | None = None
    """the same pictures with every pixel decoded, where that was asked for; None where it is what was done anyway"""

    without = "those pictures count as wrong"
    """what becomes of `unknown_classes`"""

    @property
    def top1(self) -> float:
        return self.scores.top1

    @property
    def differing(self) -> int:
        """How many pictures get another class with every pixel decoded."""
        if self.exact is None:
            return 0
        return int((self.probabilities.argmax(axis=1) != self.exact.probabilities.argmax(axis=1)).sum())

    def to_json(self) -> dict[str, Any]:
        scores = self.scores
        exact = {"exact": {"top1": self.exact.top1, "differing": self.differing}} if self.exact else {}
        return {
            "top1": scores.top1,
            "top5": scores.top5,
            "top1_interval": list(scores.top1_interval),
            "n": scores.n,
            "skipped": [{"path": path, "reason": reason} for path, reason in self.skipped],
            "quarantined": [gone.to_json() for gone in self.quarantined],
            "leakage": asdict(self.leaked) if self.leaked else None,
            "per_class": {name: vars(row) for name, row in scores.per_class.items()},
            **exact,
        }

    def _repr_html_(self) -> str:
        low, high = self.scores.top1_interval
        rows = "".join(
            f"<tr><td>{html.escape(name)}</td><td>{row.precision:.3f}</td><td>{row.recall:.3f}</td>"
            f"<td>{row.f1:.3f}</td><td>{row.n}</td></tr>"
            for name, row in self.scores.per_class.items()
        )
        head = "<tr><th>class</th><th>precision</th><th>recall</th><th>F1</th><th>n</th></tr>"
        summary = f"top-1 {self.top1:.4f} (95 % interval {low:.4f} to {high:.4f}), n = {self.scores.n}"
        return f"<p>{summary}</p><table>{head}{rows}</table>"


def scored_answers(
    found: Answered, classes: tuple[str, ...], dataset: Dataset, how: How, strict: bool = False
) -> Scored:
    """The answers `found` about pictures of `dataset`, columns in the order of `classes`."""
    index, unknown = match_labels(classes, dataset.classes)
    labels = index[dataset.labels[found.indices]]
    return Scored(
        scores=score(found.probabilities, labels, (*classes, *unknown)),
        probabilities=found.probabilities,
        labels=labels,
        indices=found.indices,
        paths=tuple(dataset.samples.name(i) for i in found.indices),
        skipped=skipped_names(dataset, found, strict),
        unknown_classes=unknown,
        how=how,
        leaked=None if found.known is None else leaked(found.probabilities, labels, found.known),
        quarantined=dataset.quarantined,
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
