"""A classifier of one kind on one layer's features, over all divisions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice, product

import numpy as np
from numpy.typing import NDArray

from neocog import runtime
from neocog.api.probing.candidates import Candidate
from neocog.api.probing.divisions import Divided
from neocog.api.probing.options import Asked
from neocog.evaluation.intervals import Interval, wilson
from neocog.evaluation.metrics import by_class, confusion_matrix
from neocog.evaluation.paired import Right
from neocog.inference.layer_features import LAST
from neocog.probing.choose import Chosen, fit_best
from neocog.probing.combined import OnKernels, demand_room
from neocog.probing.splits import first_of_each
from neocog.progress import Progress

Labels = NDArray[np.int64]
TOGETHER = 4 << 30
"""bytes that classifiers which are fitted at once may take; one is always fitted"""


@dataclass(frozen=True, eq=False)
class Measured:
    """How well a kind of classifier does on a layer's features: a figure for each split."""

    kind: str
    layer: str
    shots: int | None
    """pictures of each class that trained, where a curve was asked for"""
    parameter: str
    """what was chosen about it: C, alpha or k; empty where nothing is to choose"""
    balanced: tuple[float, ...]
    """mean per-class accuracy"""
    top1: tuple[float, ...]
    strengths: tuple[float, ...]
    trained: tuple[int, ...]
    """pictures"""
    right: tuple[Right, ...]
    """of each split, whether each judging picture is named rightly"""
    first: Chosen
    """the classifier of the first split"""

    @property
    def name(self) -> str:
        where = "" if self.layer == LAST else f" on {self.layer}"
        return self.kind + where + (f", {self.shots:,} per class" if self.shots else "")

    @property
    def counts(self) -> dict[str, float]:
        """Of a sum of kernels what each counts in the first split; else nothing."""
        behind = self.first.fitted.behind
        return behind.counts() if isinstance(behind, OnKernels) else {}

    def figures(self, name: str) -> tuple[float, ...]:
        return self.balanced if name == "balanced" else self.top1

    def mean(self, name: str) -> float:
        return float(np.mean(self.figures(name)))

    def deviation(self, name: str) -> float | None:
        """Sample standard deviation over the splits; None for a single one."""
        figures = self.figures(name)
        return float(np.std(figures, ddof=1)) if len(figures) > 1 else None

    @property
    def top1_interval(self) -> Interval | None:
        """95 %, Wilson's; None where there are several splits, which share pictures."""
        return wilson(int(self.right[0].sum()), len(self.right[0])) if len(self.right) == 1 else None


def measure(
    candidates: Sequence[Candidate],
    labels: Labels,
    classes: int,
    divided: Divided,
    asked: Asked,
    told: Progress,
) -> Iterator[Measured]:
    """Every candidate with every number of pictures per class, in order.

    Each processor core fits classifiers of its own, so that none waits for another's; fewer do where the features of
    all would not fit into memory. UserError before any is fitted where the kernels of a sum would be too large.
    """
    most = max(len(division.train) for division in divided.divisions)
    for candidate in candidates:
        demand_room(most, candidate.kernels)
    todo = list(product(candidates, asked.shots or (None,)))
    splits = range(len(divided.divisions))

    def run(job: tuple[Candidate, int | None], split: int) -> _Run:
        candidate, shots = job
        return _run(candidate, labels, classes, (divided, shots, split), asked)

    pool = ThreadPoolExecutor(at_once(candidates, divided, runtime.threads()))
    with runtime.single_thread(), told.step("classifiers", len(todo) * len(splits)) as advance:
        try:
            runs = pool.map(lambda pair: run(*pair), product(todo, splits))
            for candidate, shots in todo:
                those = []
                for one in islice(runs, len(splits)):
                    those.append(one)
                    advance(1)
                yield _measured(candidate, shots, those)
        finally:
            pool.shutdown(cancel_futures=True)


def at_once(candidates: Sequence[Candidate], divided: Divided, threads: int) -> int:
    """How many classifiers are fitted at a time: one for each thread, as long as there is room for all."""
    rows = max(len(division.train) for division in divided.divisions)
    largest = max(candidate.room(rows) for candidate in candidates)
    return max(1, min(threads, TOGETHER // max(1, largest)))


def _measured(candidate: Candidate, shots: int | None, runs: Sequence[_Run]) -> Measured:
    return Measured(
        candidate.kind.name,
        candidate.layer,
        shots,
        candidate.kind.parameter,
        balanced=tuple(run.balanced for run in runs),
        top1=tuple(float(run.right.mean()) for run in runs),
        strengths=tuple(run.chosen.strength for run in runs),
        trained=tuple(run.trained for run in runs),
        right=tuple(run.right for run in runs),
        first=runs[0].chosen,
    )


@dataclass(frozen=True, eq=False)
class _Run:
    chosen: Chosen
    balanced: float
    right: Right
    trained: int


def _run(
    candidate: Candidate,
    labels: Labels,
    classes: int,
    where: tuple[Divided, int | None, int],
    asked: Asked,
) -> _Run:
    divided, shots, split = where
    division, features = divided.divisions[split], candidate.features
    train = division.train if shots is None else first_of_each(division.train, labels, shots)
    chosen = fit_best(
        candidate.kind,
        features[train],
        labels[train],
        classes,
        asked.seed + split,
        folds=divided.folds_of(train, labels, asked.seed + split),
        scale=asked.scale,
    )
    truth = labels[division.judge]
    said = chosen.fitted.predict(features[division.judge])
    return _Run(chosen, by_class(confusion_matrix(said, truth, classes))[0], said == truth, len(train))
