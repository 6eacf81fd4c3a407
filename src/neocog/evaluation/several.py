"""Scores of pictures that may show several classes at once: each class is a yes or no of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neocog.errors import UserError
from neocog.evaluation.intervals import REPEATS, Interval, middle, resamples, wilson
from neocog.evaluation.metrics import Figures, Judged
from neocog.evaluation.ranking import auroc, average_precision, weighted_precision

THRESHOLD = 0.5  # a class is named where its probability is at least this
DRAWS = 64  # resamples at once: their weights stay in the cache
INTERVALS = ("map", "micro_f1", "macro_f1", "exact", "hamming")
Truth = NDArray[Any]
"""(n, classes), 1 or True where a picture shows the class"""


@dataclass(frozen=True)
class AnswerScore:
    """How well one class is told; `n` pictures show it, of `said` pictures it was named."""

    ap: float | None
    """average precision; None where no picture shows the class"""
    precision: float
    recall: float
    f1: float
    n: int
    said: int
    auroc: float | None
    """area under the ROC curve; None where no picture shows the class, or every one"""


@dataclass(frozen=True)
class SeveralScores:
    """How right the answers are. F1, `exact` and `hamming` are of the classes named at `threshold`."""

    map: float
    """mean average precision of the classes that some picture shows; 0 where there is none"""
    micro_f1: float
    """of all answers together"""
    macro_f1: float
    """mean F1 of the classes that are shown or named"""
    exact: float
    """share of pictures with every answer right"""
    hamming: float
    """share of answers that are wrong"""
    n: int
    per_class: dict[str, AnswerScore]
    threshold: float
    auroc: float | None
    """mean area under the ROC curve of the classes that have one; None where none has"""

    def figures(self) -> dict[str, Any]:
        """Those of all classes together."""
        names = ("map", "micro_f1", "macro_f1", "exact", "hamming", "threshold")
        return {name: getattr(self, name) for name in names}

    def __str__(self) -> str:
        return (
            f"mAP {self.map:.4f}, F1 {self.micro_f1:.4f} (micro) and {self.macro_f1:.4f} (macro), "
            f"every class of a picture right {self.exact:.4f}, answers wrong {self.hamming:.4f}"
        )

    def judged(self, loss: float) -> JudgedSeveral:
        return JudgedSeveral(loss, self.map, self.micro_f1, self.macro_f1, self.exact, self.hamming)


@dataclass(frozen=True)
class JudgedSeveral(Figures):
    """Figures of held-out pictures that may show several classes; the loss is binary cross-entropy, the mean over
    classes. The others as in `SeveralScores`."""

    map: float
    micro_f1: float
    macro_f1: float
    exact: float
    hamming: float

    def __str__(self) -> str:
        return f"loss {self.loss:.4f}, mAP {self.map:.4f}, micro F1 {self.micro_f1:.4f}"


@dataclass(frozen=True)
class LeakedSeveral:
    """Judged pictures that are in the training part, too, byte for byte."""

    same: int
    of: int
    """all judged pictures"""
    map_without: float | None
    """mean average precision on the others; None where there is no other"""

    def __str__(self) -> str:
        if self.map_without is None:
            return "every judged picture was trained on: nothing says how new ones fare"
        rest = self.of - self.same
        return f"without the {self.same:,} that were trained on: mAP {self.map_without:.4f} on {rest:,}"


def judged_again(stored: Mapping[str, Any]) -> Figures:
    """What a checkpoint kept of an epoch's figures."""
    return JudgedSeveral(**stored) if "map" in stored else Judged(**stored)


def score_several(
    probabilities: NDArray[np.float32],
    truth: Truth,
    classes: tuple[str, ...],
    threshold: float = THRESHOLD,
) -> SeveralScores:
    """Scores of `probabilities` (n, classes), each in 0..1, against `truth`."""
    _demand_answers(probabilities, truth)
    shown, said = truth > 0, probabilities >= threshold
    per_class = {
        name: _class_score(probabilities[:, i], shown[:, i], said[:, i]) for i, name in enumerate(classes)
    }
    rows = per_class.values()
    areas = [row.auroc for row in rows if row.auroc is not None]
    return SeveralScores(
        map=_mean([row.ap for row in rows]),
        micro_f1=_f1(int((shown & said).sum()), int(shown.sum()), int(said.sum())),
        macro_f1=_mean([row.f1 if row.n + row.said else None for row in rows]),
        exact=float((shown == said).all(axis=1).mean()),
        hamming=float((shown != said).mean()),
        n=len(truth),
        per_class=per_class,
        threshold=threshold,
        auroc=float(np.mean(areas)) if areas else None,
    )


def intervals_of_several(
    probabilities: NDArray[np.float32],
    truth: Truth,
    threshold: float = THRESHOLD,
    *,
    seed: int = 0,
    repeats: int = REPEATS,
) -> dict[str, Interval]:
    """95 % intervals of map, micro_f1, macro_f1, exact and hamming.

    `exact`, a share of pictures, has Wilson's, the others the bootstrap's percentiles over pictures. All see the same
    draws. A class that no picture of a draw shows is left out of that draw's mean.
    """
    _demand_answers(probabilities, truth)
    shown, said, n = truth > 0, probabilities >= threshold, len(truth)
    exact = wilson(int((shown == said).all(axis=1).sum()), n)
    figures = _weighted_figures(probabilities, shown, said)
    drawn = [figures(weights) for weights in _weights(n, seed, repeats)]
    ends = {name: middle(np.concatenate([block[name] for block in drawn])) for name in drawn[0]}
    return {name: exact if name == "exact" else ends[name] for name in INTERVALS}


def _weights(n: int, seed: int, repeats: int) -> Iterator[NDArray[np.float32]]:
    """How often each picture is drawn (n, draws), in blocks of draws."""
    draws = resamples(n, seed, repeats)
    while block := [np.bincount(chosen, minlength=n) for chosen in islice(draws, DRAWS)]:
        yield np.stack(block, axis=1).astype(np.float32)  # whole numbers up to 2 ** 24 are exact


def _weighted_figures(
    probabilities: NDArray[np.float32], shown: NDArray[np.bool_], said: NDArray[np.bool_]
) -> Callable[[NDArray[np.float32]], dict[str, NDArray[np.float64]]]:
    """The bootstrapped figures (draws,) as a function of how often each picture counts (n, draws)."""
    from scipy.sparse import csr_array

    precisions = [weighted_precision(*column) for column in zip(probabilities.T, shown.T, strict=True)]
    counts = csr_array(np.concatenate([shown & said, shown, said], axis=1).T).astype(np.float32)

    def figures(weights: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
        hits, there, named = np.split((counts @ weights).astype(np.float64), 3)
        answers = there + named
        return {
            "map": _means(np.stack([precision(weights) for precision in precisions])),
            "micro_f1": _means(_ratios(2 * hits.sum(axis=0), answers.sum(axis=0))[None]),
            "macro_f1": _means(_ratios(2 * hits, answers)),
            "hamming": (answers - 2 * hits).sum(axis=0) / shown.size,
        }

    return figures


def _ratios(parts: NDArray[np.float64], wholes: NDArray[np.float64]) -> NDArray[np.float64]:
    """`parts` / `wholes`; NaN where a whole is 0."""
    return np.asarray(np.divide(parts, wholes, out=np.full(parts.shape, np.nan), where=wholes > 0))


def _means(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """`_mean` of each column of `rows` (classes, draws), NaN where there is no figure."""
    there = ~np.isnan(rows)
    sums = np.where(there, rows, 0).sum(axis=0)
    return np.asarray(sums / np.maximum(there.sum(axis=0), 1))


def leaked_several(
    probabilities: NDArray[np.float32], truth: Truth, known: NDArray[np.bool_]
) -> LeakedSeveral:
    """`probabilities` (n, classes) against `truth`; `known` (n,) says which pictures were trained on."""
    found = [average_precision(probabilities[~known, i], truth[~known, i] > 0) for i in range(truth.shape[1])]
    return LeakedSeveral(
        int(known.sum()), len(known), None if found.count(None) == len(found) else _mean(found)
    )


def binary_log_loss(probabilities: NDArray[np.float32], truth: Truth) -> float:
    """Binary cross-entropy, the mean over pictures and classes."""
    right = np.where(truth > 0, probabilities, 1 - probabilities.astype(np.float64))
    return float(-np.log(np.maximum(right, 1e-12)).mean())


def _class_score(
    scores: NDArray[np.float32], shown: NDArray[np.bool_], said: NDArray[np.bool_]
) -> AnswerScore:
    hits, n, named = int((shown & said).sum()), int(shown.sum()), int(said.sum())
    precision, recall = (hits / named if named else 0.0), (hits / n if n else 0.0)
    return AnswerScore(
        average_precision(scores, shown),
        precision,
        recall,
        _f1(hits, n, named),
        n,
        named,
        auroc(scores, shown),
    )


def _f1(hits: float, shown: float, said: float) -> float:
    return float(2 * hits / (shown + said)) if shown + said else 0.0


def _mean(figures: Sequence[float | None]) -> float:
    """Of those that there are; 0 without any."""
    there = [figure for figure in figures if figure is not None]
    return float(np.mean(there)) if there else 0.0


def _demand_answers(probabilities: NDArray[np.float32], truth: Truth) -> None:
    if not len(truth):
        raise UserError("there must be a picture to score, got none")
    if probabilities.shape != truth.shape:
        raise UserError(
            f"probabilities and truth must have a cell for each picture and class, "
            f"got {probabilities.shape} and {truth.shape}"
        )
    if not np.isfinite(probabilities).all():
        raise UserError("probabilities must be finite numbers, got NaN or infinity: the model is damaged")
