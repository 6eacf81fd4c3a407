"""What follows from whether the classes exclude each other: a picture shows one of them, or any number at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from neocog.data.dataset import Dataset
from neocog.evaluation.leakage import leaked
from neocog.evaluation.metrics import Figures, log_loss, score
from neocog.evaluation.several import THRESHOLD, binary_log_loss, leaked_several, score_several
from neocog.inference.network import Floats
from neocog.probing.logistic import Fit, fit_logistic
from neocog.probing.one_vs_rest import fit_one_vs_rest

BEST = 5  # classes of a picture in predictions.csv


class AnyScores(Protocol):
    """Scores of either kind."""

    def figures(self) -> dict[str, Any]:
        """Those of all classes together."""

    def judged(self, loss: float) -> Figures:
        """A row of metrics.csv."""


@dataclass(frozen=True)
class Answers:
    """How pictures are answered. Truth is labels (n,) of one class each, or (n, classes) of several."""

    activation: str
    """that makes probabilities of logits"""
    judged_by: tuple[str, ...]
    """figures of held-out pictures besides the loss, as in metrics.csv; a recipe may choose the best epoch by them"""
    fit: Callable[[Floats, NDArray[Any], int, int], Fit]
    """features, truth, classes, seed -> a linear classifier"""
    loss: Callable[[Floats, NDArray[Any]], float]
    """probabilities, truth"""
    score: Callable[[Floats, NDArray[Any], tuple[str, ...]], AnyScores]
    """probabilities, truth, classes"""
    leaked: Callable[[Floats, NDArray[Any], NDArray[np.bool_]], Any]
    """probabilities, truth, whether a picture is trained on, too -> a dataclass"""
    columns: Callable[[int], list[str]]
    """of predictions.csv behind the truth, for so many classes"""
    cells: Callable[[NDArray[np.float32], tuple[str, ...]], list[str]]
    """what `columns` hold of one picture's probabilities (classes,)"""


def answers_of(dataset: Dataset) -> Answers:
    return ONE if dataset.targets is None else SEVERAL


def most_probable(row: NDArray[np.float32], most: int) -> list[int]:
    """Classes of the highest probabilities, of equals the first."""
    return [int(i) for i in np.argsort(-row, kind="stable")[:most]]


def named(row: NDArray[np.float32], threshold: float = THRESHOLD) -> list[int]:
    """Classes whose probability is at least `threshold`, most probable first."""
    return [i for i in most_probable(row, len(row)) if row[i] >= threshold]


def _best_columns(classes: int) -> list[str]:
    ranks = range(1, min(BEST, classes) + 1)
    return [f"{what}{k}" for k in ranks for what in ("label", "probability")]


def _best_cells(row: NDArray[np.float32], classes: tuple[str, ...]) -> list[str]:
    return [cell for j in most_probable(row, BEST) for cell in (classes[j], f"{row[j]:.6f}")]


def _named_columns(classes: int) -> list[str]:
    return ["label", "probability"]


def _named_cells(row: NDArray[np.float32], classes: tuple[str, ...]) -> list[str]:
    said = named(row)
    return ["|".join(classes[j] for j in said), "|".join(f"{row[j]:.6f}" for j in said)]


ONE = Answers(
    activation="softmax",
    judged_by=("top1", "top5", "balanced", "macro_f1"),
    fit=fit_logistic,
    loss=log_loss,
    score=score,
    leaked=leaked,
    columns=_best_columns,
    cells=_best_cells,
)
SEVERAL = Answers(
    activation="sigmoid",
    judged_by=("map", "micro_f1", "macro_f1", "exact", "hamming"),
    fit=fit_one_vs_rest,
    loss=binary_log_loss,
    score=score_several,
    leaked=leaked_several,
    columns=_named_columns,
    cells=_named_cells,
)
