"""Recipes of the Neocognitron, which no gradient teaches, and the classes that its last cells come to stand for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neocog.errors import UserError
from neocog.models.neocognitron import Neocognitron
from neocog.progress import Advance
from neocog.training.neocognitron import Lesson, joins, lessons_1988, self_organise, teach

SHARPEST = 1e3  # of a softmax over answers that lie between 0 and 1

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class NeocognitronRecipe:
    """What the Neocognitrons of 1980 and 1988 have in common: some training pictures are shown, the others are not."""

    model: ClassVar[str]
    """the network that learns in this way"""

    per_class: int
    """pictures of each class that are shown, drawn from those that train"""
    ink: float | None
    """pixels of a shown picture above this are ink, the others are not; None shows its shades, 0 to 1, as they are"""

    def __post_init__(self) -> None:
        if self.per_class < 1:
            raise UserError(f"per_class must be at least 1, got {self.per_class}")
        if self.ink is not None and not 0 <= self.ink < 1:
            raise UserError(f"ink must lie in 0..1, below 1, or be None, got {self.ink}")

    def changed(self, changes: Mapping[str, Any]) -> NeocognitronRecipe:
        """With other values in some fields."""
        known = [field.name for field in fields(self)]
        for name in changes:
            if name not in known:
                raise UserError(f"the rule of {self.model} has no {name}; it has {', '.join(known)}")
        return replace(self, **changes)


@dataclass(frozen=True, kw_only=True)
class SelfOrganisation(NeocognitronRecipe):
    """Learning without a teacher (Fukushima 1980, section 4): the labels are not looked at."""

    model = "neocognitron"

    per_class: int = 5
    ink: float | None = 0.5
    presentations: int = 20
    """how often each picture is shown"""
    shift: int = 1
    """pixels by which a picture is moved at most, either way, each time it is shown"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.presentations < 1:
            raise UserError(f"presentations must be at least 1, got {self.presentations}")
        if self.shift < 0:
            raise UserError(f"shift must be at least 0, got {self.shift}")


@dataclass(frozen=True, kw_only=True)
class Teaching(NeocognitronRecipe):
    """Learning with a teacher (Fukushima 1988), by the rule of `lessons_1988`."""

    model = "neocognitron_1988"

    per_class: int = 30
    ink: float | None = None


def to_show(labels: Labels, per_class: int, seed: int) -> Labels:
    """Indices of up to `per_class` pictures of each class, drawn without replacement; the classes take turns."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(labels))
    turn = np.zeros(len(labels), np.int64)  # of each picture among those of its class
    for label in np.unique(labels):
        members = labels[order] == label
        turn[members] = np.arange(members.sum())
    ranked = np.lexsort((labels[order], turn))
    return order[ranked[turn[ranked] < per_class]]


def lesson_count(net: Neocognitron, recipe: NeocognitronRecipe, pictures: int) -> int:
    """How often `learn` reports, at most: once a presentation or a lesson."""
    if isinstance(recipe, SelfOrganisation):
        return recipe.presentations * pictures
    *before, _ = joins(net)
    return pictures + sum(len(planes) for _, planes in before)


def learn(
    net: Neocognitron,
    recipe: NeocognitronRecipe,
    pictures: Tensor,
    labels: Labels,
    seed: int,
    advance: Advance,
) -> None:
    """Show `pictures` (n, channels, rows, columns), 0 without ink to 1, to a fresh net. Changes `net`."""
    shown = pictures if recipe.ink is None else (pictures > recipe.ink).to(pictures)
    if isinstance(recipe, SelfOrganisation):
        generator = torch.Generator().manual_seed(seed)
        for _ in range(recipe.presentations):
            self_organise(net, shown, generator, presentations=1, shift=recipe.shift)
            advance(len(shown))
    else:
        teach(net, _counted(lessons_1988(net, shown, labels.tolist()), advance))


def _counted(lessons: Iterable[Lesson], advance: Advance) -> Iterator[Lesson]:
    for lesson in lessons:
        yield lesson
        advance(1)


def shares(answers: Floats, labels: Labels, classes: int) -> Floats:
    """What each cell stands for, (classes, cells): how its mean answers to the pictures of each class divide up.

    `answers` (n, cells) are at least 0. A cell that never answers stands for nothing. The paper has each cell stand
    for one pattern; on handwriting, where cells answer to several classes, their shares tell more than the largest.
    """
    means = np.stack([answers[labels == c].mean(axis=0, dtype=np.float64) for c in range(classes)])
    totals = means.sum(axis=0)
    return np.asarray(means / np.where(totals > 0, totals, 1), np.float32)


def sharpness(logits: Floats, labels: Labels) -> float:
    """The factor of `logits` (n, classes) whose softmax makes `labels` most likely; it changes no decision.

    Answers of cells lie between 0 and 1, so their softmax would call every picture doubtful. This is the reciprocal
    of the temperature of Guo et al., "On calibration of modern neural networks" (2017), between 1/1000 and 1000.
    """
    from scipy.optimize import minimize_scalar

    wide = logits.astype(np.float64)
    truth = wide[np.arange(len(labels)), labels]

    def loss(log_factor: float) -> float:
        scaled = np.exp(log_factor) * (wide - truth[:, None])
        return float(np.logaddexp.reduce(scaled, axis=1).mean())

    limit = float(np.log(SHARPEST))
    return float(np.exp(minimize_scalar(loss, bounds=(-limit, limit), method="bounded").x))
