"""What a classifier says about pictures, and how it chooses what to say."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from neocog.api.answers import BEST, most_probable, named
from neocog.errors import UserError
from neocog.evaluation.several import THRESHOLD
from neocog.inference.network import Floats

UNKNOWN = "unknown"
Choice = Callable[[Floats], list[int]]
"""which classes of a row of probabilities are named, most probable first"""


@dataclass(frozen=True)
class Prediction:
    """What one picture shows, most probable first; a reason where it cannot be read.

    No labels where it cannot, or where it shows none of several classes that it may show.
    """

    path: str
    labels: tuple[str, ...]
    probabilities: tuple[float, ...]
    reason: str = ""
    answer: str | None = None
    """with a promised coverage, `labels` are a set that holds the true class so often: its only class, or `unknown`"""

    def to_json(self) -> dict[str, Any]:
        pairs = zip(self.labels, self.probabilities, strict=True)
        shape: dict[str, Any] = {"path": self.path}
        if self.answer is not None:
            shape |= {"answer": self.answer, "abstained": len(self.labels) != 1}
        shape["predictions"] = [{"label": label, "probability": p} for label, p in pairs]
        return {**shape, "error": self.reason} if self.reason else shape

    def __str__(self) -> str:
        """What is said of it, without its path."""
        if self.reason:
            return self.reason
        pairs = zip(self.labels, self.probabilities, strict=True)
        said = ", ".join(f"{label} {p:.3f}" for label, p in pairs)
        if self.answer == UNKNOWN:
            return f"{UNKNOWN} ({said or 'no class fits'})"
        return said or "none of the classes"


class Predictions(list[Prediction]):
    """Predictions in the order of the pictures; shows itself as a table in a notebook."""

    def to_json(self) -> list[dict[str, Any]]:
        return [prediction.to_json() for prediction in self]

    def _repr_html_(self) -> str:
        rows = [f"<tr><td>{html.escape(one.path)}</td><td>{html.escape(str(one))}</td></tr>" for one in self]
        return f"<table><tr><th>picture</th><th>predictions</th></tr>{''.join(rows)}</table>"


def best_of(topk: int | None) -> Choice:
    """The `topk` most probable classes."""
    return partial(most_probable, most=topk or BEST)


def at_least(threshold: float | None, topk: int | None) -> Choice:
    """The classes of a probability of at least `threshold`, 0.5 if not given, the `topk` most probable of them."""
    least = THRESHOLD if threshold is None else threshold
    if not 0 <= least <= 1:
        raise UserError(f"the threshold must lie in 0..1, got {least}")
    return lambda row: named(row, least)[:topk]


def in_set(threshold: float) -> Choice:
    """The classes of a set that holds the true one as often as was promised (`evaluation/conformal.py`)."""
    return lambda row: [i for i in most_probable(row, len(row)) if 1 - np.float64(row[i]) <= threshold]
