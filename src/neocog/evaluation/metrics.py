"""Scores of predicted probabilities against true labels, all from integer counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neocog.errors import UserError
from neocog.evaluation.calibration import BINS, bin_of, confidences, reliability
from neocog.evaluation.intervals import REPEATS, Interval, middle, reflected, resamples, wilson
from neocog.evaluation.per_picture import (
    best,
    demand_answers,
    demand_probabilities,
    rank_of_truth,
    square_errors,
    surprises,
)

Counts = NDArray[np.int64] | NDArray[np.float64]


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
    top1_interval: Interval
    n: int
    per_class: dict[str, ClassScore]
    confusion: NDArray[np.int64]
    balanced: float
    """mean recall of the classes that occur"""
    macro_f1: float
    """mean F1 of the classes that occur or are answered"""
    nll: float
    """mean negative natural logarithm of the true class's probability"""
    brier: float
    """mean squared distance between probabilities and truth, summed over the classes: 0 to 2"""
    ece: float
    """expected calibration error, 15 bins of equal width"""

    @property
    def mean_per_class(self) -> float:
        """Mean per-class accuracy, as papers on Caltech-101, Pets and Flowers call it: the same as `balanced`."""
        return self.balanced

    def figures(self) -> dict[str, Any]:
        """Those of all classes together."""
        return {"top1": self.top1, "top5": self.top5, "top1_interval": list(self.top1_interval)}

    def judged(self, loss: float) -> Judged:
        return Judged(loss, self.top1, self.top5, self.balanced, self.macro_f1)


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
    demand_answers(probabilities, labels)
    demand_probabilities(probabilities)
    ranks = rank_of_truth(probabilities, labels)
    confusion = confusion_matrix(best(probabilities), labels, len(classes))
    right = int((ranks == 0).sum())
    balanced, macro_f1 = by_class(confusion)
    return Scores(
        top1=right / len(labels),
        top5=float((ranks < min(5, probabilities.shape[1])).mean()),
        top1_interval=wilson(right, len(labels)),
        n=len(labels),
        per_class={name: _class_score(confusion, i) for i, name in enumerate(classes)},
        confusion=confusion,
        balanced=balanced,
        macro_f1=macro_f1,
        nll=log_loss(probabilities, labels),
        brier=float(square_errors(probabilities, labels).mean()),
        ece=reliability(probabilities, labels).ece,
    )


def topk(probabilities: NDArray[np.float32], labels: NDArray[np.int64], k: int) -> float:
    """Share of pictures whose true class is among the k most probable; of equals the lower class comes first."""
    demand_answers(probabilities, labels)
    if not 1 <= k <= probabilities.shape[1]:
        raise UserError(f"k must lie between 1 and the number of classes, {probabilities.shape[1]}, got {k}")
    return float((rank_of_truth(probabilities, labels) < k).mean())


def log_loss(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Mean negative natural logarithm of the true class's probability, which counts as at least 1e-12."""
    return float(surprises(probabilities, labels).mean())


def intervals_of(
    probabilities: NDArray[np.float32], labels: NDArray[np.int64], *, seed: int = 0, repeats: int = REPEATS
) -> dict[str, Interval]:
    """95 % intervals of top1, top5, balanced, macro_f1, nll, brier and ece.

    The two shares have Wilson's, the others the bootstrap over pictures. All see the same draws, those of
    `intervals.bootstrap` with this seed. Intervals are percentile ones, but that of the ECE, which chance raises, is a
    reflected one (`intervals.reflected`).
    """
    demand_answers(probabilities, labels)
    demand_probabilities(probabilities)
    ranks, n = rank_of_truth(probabilities, labels), len(labels)
    figures = _weighted_figures(probabilities, labels, ranks == 0)
    drawn = [figures(np.bincount(chosen, minlength=n)) for chosen in resamples(n, seed, repeats)]
    columns = {name: np.array([row[name] for row in drawn]) for name in drawn[0]}
    ece = reflected(columns.pop("ece"), figures(np.ones(n, np.int64))["ece"])
    first = {"top1": 1, "top5": min(5, probabilities.shape[1])}
    shares = {name: wilson(int((ranks < k).sum()), n) for name, k in first.items()}
    return shares | {name: middle(column) for name, column in columns.items()} | {"ece": ece}


def _weighted_figures(
    probabilities: NDArray[np.float32], labels: NDArray[np.int64], right: NDArray[np.bool_]
) -> Callable[[NDArray[np.int64]], dict[str, float]]:
    """The figures as a function of how often each picture counts (n,): probabilities (n, k) are looked at once."""
    said, sure, n = best(probabilities), confidences(probabilities), len(labels)
    means = np.stack([surprises(probabilities, labels), square_errors(probabilities, labels)], axis=1)
    place, excess = bin_of(sure, np.linspace(0, 1, BINS + 1)), right - sure
    known, classes = labels >= 0, max(probabilities.shape[1], int(labels.max()) + 1)

    def count(
        which: NDArray[np.int64], weights: NDArray[np.int64], among: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        return np.bincount(which[among], weights[among], classes).astype(np.float64)

    def figures(weights: NDArray[np.int64]) -> dict[str, float]:
        nll, brier = (weights @ means / n).tolist()
        balanced, macro_f1 = _class_means(
            count(labels, weights, right), count(labels, weights, known), count(said, weights, known)
        )
        ece = float(np.abs(np.bincount(place, weights * excess)).sum() / n)
        return {"balanced": balanced, "macro_f1": macro_f1, "nll": nll, "brier": brier, "ece": ece}

    return figures


def confusion_matrix(
    predicted: NDArray[np.int64], labels: NDArray[np.int64], classes: int
) -> NDArray[np.int64]:
    """Counts [true, predicted]; pictures of unknown classes (label -1) are left out."""
    known = labels >= 0
    flat = np.bincount(labels[known] * classes + predicted[known], minlength=classes * classes)
    return flat.reshape(classes, classes).astype(np.int64)


def by_class(confusion: NDArray[np.int64]) -> tuple[float, float]:
    """Balanced accuracy and macro F1 over the classes that occur, as scikit-learn counts them."""
    return _class_means(np.diagonal(confusion), confusion.sum(1), confusion.sum(0))


def _class_means(hits: Counts, true: Counts, said: Counts) -> tuple[float, float]:
    """`by_class` from how many pictures of each class are answered rightly, are there, and are answered so."""
    there, named = true > 0, true + said > 0
    balanced = (hits[there] / true[there]).mean() if there.any() else 0.0
    f1 = (2 * hits[named] / (true + said)[named]).mean() if named.any() else 0.0
    return float(balanced), float(f1)


def _class_score(confusion: NDArray[np.int64], i: int) -> ClassScore:
    hits, true, said = int(confusion[i, i]), int(confusion[i].sum()), int(confusion[:, i].sum())
    precision = hits / said if said else 0.0
    recall = hits / true if true else 0.0
    f1 = 2 * hits / (true + said) if true + said else 0.0
    return ClassScore(precision, recall, f1, true)
