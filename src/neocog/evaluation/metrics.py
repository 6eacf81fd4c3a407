"""Scores of predicted probabilities against true labels, all from integer counts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neocog.errors import UserError

Z95 = 1.959963984540054  # the normal distribution's 97.5 % point


@dataclass(frozen=True)
class ClassScore:
    precision: float
    recall: float
    f1: float
    n: int


@dataclass(frozen=True)
class Scores:
    """How right the predictions are. `confusion[true, predicted]` counts pictures."""

    top1: float
    top5: float
    top1_interval: tuple[float, float]
    n: int
    per_class: dict[str, ClassScore]
    confusion: NDArray[np.int64]

    def figures(self) -> dict[str, Any]:
        """Those of all classes together."""
        return {"top1": self.top1, "top5": self.top5, "top1_interval": list(self.top1_interval)}

    def judged(self, loss: float) -> Judged:
        return Judged(loss, self.top1, self.top5, *by_class(self.confusion))


@dataclass(frozen=True)
class Figures:
    """Figures of held-out pictures, whatever they show."""

    loss: float
    """mean per picture"""

    def figure(self, name: str) -> float:
        """By the name that a recipe's `best_by` has for it."""
        return float(getattr(self, name.replace("-", "_")))

    def to_json(self) -> dict[str, float]:
        """As columns of metrics.csv."""
        return {f"eval_{name}": value for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Judged(Figures):
    """Figures of held-out pictures that show one class each; the loss is the cross-entropy."""

    top1: float
    top5: float
    balanced: float
    """mean recall of the classes"""
    macro_f1: float
    """mean F1 of the classes"""

    def __str__(self) -> str:
        return f"loss {self.loss:.4f}, top-1 {self.top1:.4f}"


def score(probabilities: NDArray[np.float32], labels: NDArray[np.int64], classes: tuple[str, ...]) -> Scores:
    """Scores of `probabilities` (n, k) for the first k of `classes`; a label of k or more is a class unknown to the
    model: its pictures count as wrong. A label of -1 counts as wrong and belongs to no class."""
    if not len(labels):
        raise UserError("there must be a picture to score, got none")
    if not np.isfinite(probabilities).all():
        raise UserError("probabilities must be finite numbers, got NaN or infinity: the model is damaged")
    ranks = rank_of_truth(probabilities, labels)
    confusion = confusion_matrix(best(probabilities), labels, len(classes))
    right = int((ranks == 0).sum())
    return Scores(
        top1=right / len(labels),
        top5=float((ranks < min(5, probabilities.shape[1])).mean()),
        top1_interval=wilson(right, len(labels)),
        n=len(labels),
        per_class={name: _class_score(confusion, i) for i, name in enumerate(classes)},
        confusion=confusion,
    )


def log_loss(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Mean negative logarithm of the true class's probability."""
    chosen = np.maximum(probabilities[np.arange(len(labels)), labels], 1e-12)
    return float(-np.log(chosen, dtype=np.float64).mean())


def best(probabilities: NDArray[np.float32]) -> NDArray[np.int64]:
    """The most probable class of each row; of equals the first."""
    return np.asarray(probabilities.argmax(axis=1), np.int64)


def rank_of_truth(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many classes come before the true one: 0 is right. Of equal probabilities the lower class comes first.

    A label that has no column has the rank k, behind all of them.
    """
    k = probabilities.shape[1]
    known = (labels >= 0) & (labels < k)
    truth = probabilities[np.arange(len(labels)), np.where(known, labels, 0)][:, None]
    before = np.arange(k)[None, :] < labels[:, None]
    ahead = (probabilities > truth) | ((probabilities == truth) & before)
    return np.asarray(np.where(known, ahead.sum(axis=1), k), np.int64)


def confusion_matrix(
    predicted: NDArray[np.int64], labels: NDArray[np.int64], classes: int
) -> NDArray[np.int64]:
    """Counts [true, predicted]; pictures of unknown classes (label -1) are left out."""
    known = labels >= 0
    flat = np.bincount(labels[known] * classes + predicted[known], minlength=classes * classes)
    return flat.reshape(classes, classes).astype(np.int64)


def by_class(confusion: NDArray[np.int64]) -> tuple[float, float]:
    """Balanced accuracy and macro F1 over the classes that occur, as scikit-learn counts them."""
    hits, true, said = np.diagonal(confusion), confusion.sum(1), confusion.sum(0)
    there, named = true > 0, true + said > 0
    balanced = (hits[there] / true[there]).mean() if there.any() else 0.0
    f1 = (2 * hits[named] / (true + said)[named]).mean() if named.any() else 0.0
    return float(balanced), float(f1)


def wilson(right: int, n: int, z: float = Z95) -> tuple[float, float]:
    """Wilson's (1927) interval of a share: holds its promise for few pictures and near 0 and 1, too."""
    if not 0 <= right <= n or n == 0:
        raise UserError(f"right must lie between 0 and n > 0, got {right} of {n}")
    share = right / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return (centre - half if right else 0.0), (centre + half if right < n else 1.0)


def _class_score(confusion: NDArray[np.int64], i: int) -> ClassScore:
    hits, true, said = int(confusion[i, i]), int(confusion[i].sum()), int(confusion[:, i].sum())
    precision = hits / said if said else 0.0
    recall = hits / true if true else 0.0
    f1 = 2 * hits / (true + said) if true + said else 0.0
    return ClassScore(precision, recall, f1, true)
