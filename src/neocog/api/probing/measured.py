"""A classifier of one kind on one layer's features, over all divisions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from neocog.api.probing.divisions import Divided
from neocog.api.probing.options import Asked
from neocog.evaluation.intervals import Interval, wilson
from neocog.evaluation.metrics import by_class, confusion_matrix
from neocog.evaluation.paired import Right
from neocog.inference.network import Floats
from neocog.probe.choose import Chosen, fit_best
from neocog.probe.kinds import KINDS
from neocog.probe.splits import Division, first_of_each
from neocog.progress import Progress

Labels = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Measured:
    """How well a kind of classifier does on a layer's features: a figure for each split."""

    kind: str
    layer: str
    shots: int | None
    """pictures of each class that trained, where a curve was asked for"""
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
        return f"{self.kind} on {self.layer}" + (f", {self.shots:,} per class" if self.shots else "")

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
    features: dict[str, Floats], labels: Labels, classes: int, divided: Divided, asked: Asked, told: Progress
) -> Iterator[Measured]:
    """Every kind on every layer with every number of pictures per class, in the order of layers, kinds, numbers."""
    todo = list(product(features, asked.kinds, asked.shots or (None,)))
    with told.step("classifiers", len(todo) * len(divided.divisions)) as advance:
        for layer, kind, shots in todo:
            runs = []
            for split, division in enumerate(divided.divisions):
                runs.append(
                    _run(kind, features[layer], labels, classes, (divided, division, shots, split), asked)
                )
                advance(1)
            yield Measured(
                kind,
                layer,
                shots,
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
    kind: str,
    features: Floats,
    labels: Labels,
    classes: int,
    where: tuple[Divided, Division, int | None, int],
    asked: Asked,
) -> _Run:
    divided, division, shots, split = where
    train = division.train if shots is None else first_of_each(division.train, labels, shots)
    chosen = fit_best(
        KINDS[kind],
        features[train],
        labels[train],
        classes,
        asked.seed + split,
        folds=divided.folds_of(train, labels),
        scale=asked.scale,
    )
    truth = labels[division.judge]
    said = chosen.fitted.predict(features[division.judge])
    return _Run(chosen, by_class(confusion_matrix(said, truth, classes))[0], said == truth, len(train))
