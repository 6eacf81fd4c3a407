"""How strongly a classifier is regularised, chosen by cross-validation inside the pictures that train."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from neocog.errors import UserError
from neocog.evaluation.metrics import by_class, confusion_matrix
from neocog.inference.network import Floats
from neocog.probing.fitted import Labels
from neocog.probing.kinds import Kind
from neocog.probing.scale import Scaled, learned_scale

FOLDS = 5


class ChoosingOptions(TypedDict, total=False):
    """How a strength is chosen."""

    folds: int | NDArray[np.int64]
    """how many folds, 5 if not given; or the fold (n,) of each row, -1 for one that always trains"""
    scale: str
    """of `scale.SCALES`: standard if not given, l2, none"""


@dataclass(frozen=True)
class Chosen:
    """A classifier with the strength that was best on rows held out."""

    fitted: Scaled
    """takes raw features: what they are scaled by is inside"""
    kind: str
    strength: float
    figures: dict[float, float]
    """mean per-class accuracy on the held-out rows by strength; empty where there was nothing to choose, or by"""


def fit_best(
    kind: Kind,
    features: Floats,
    labels: Labels,
    classes: int,
    seed: int,
    **how: Unpack[ChoosingOptions],
) -> Chosen:
    """The classifier of `kind` on `features` (n, d), its strength chosen by mean per-class accuracy on held-out rows.

    Of equally good strengths the smoothest is taken. Scale and noise are learned anew in each fold. Where no class has
    two rows nothing can be held out, and the usual strength is taken. Folds are dealt class by class, in an order drawn
    by `seed`, so they are the same whenever the rows are in the same order.
    """
    _demand_usable(features, labels, classes)
    scale, given = how.get("scale", "standard"), how.get("folds", FOLDS)
    figures = {}
    if len(kind.strengths) > 1:
        folds = dealt(labels, given, seed) if isinstance(given, int) else given
        figures = _held_out_figures(kind, (features, labels), classes, folds, seed, scale)
    strength = max(kind.strengths, key=lambda s: figures[s]) if figures else kind.usual
    fitted_scale = learned_scale(scale, features)
    fitted = kind.fit(fitted_scale(features), labels, classes, strength, seed)
    return Chosen(Scaled(fitted_scale, fitted), kind.name, strength, figures)


def dealt(
    labels: Labels, folds: int, seed: int, units: NDArray[np.int64] | None = None, least: int = 2
) -> NDArray[np.int64]:
    """The fold of each row (n,), dealt class by class in an order that `seed` draws; -1 for one that always trains.

    Rows with the same number in `units` (n,) stay together, such as copies of one picture; a unit of several classes is
    dealt with the first of them. Classes of fewer than `least` units always train. The deal follows from the numbers of
    the units, not from the order of the rows; without `units` each row is one.
    """
    if folds < 2:
        raise UserError(f"there must be two folds or more, got {folds}")
    units = np.arange(len(labels)) if units is None else units
    order = np.lexsort((labels, units))
    first = order[np.append(True, np.diff(units[order]) > 0)] if len(order) else order
    rng = np.random.default_rng(seed)
    fold = np.full(int(units.max(initial=-1)) + 1, -1)
    count = 0
    for label in np.unique(labels):
        members = rng.permutation(units[first[labels[first] == label]])
        if len(members) >= least:
            fold[members] = (count + np.arange(len(members))) % folds
            count += len(members)
    return np.asarray(fold[units], np.int64)


def last_of_each_class(labels: Labels, held: int) -> NDArray[np.int64]:
    """One fold of the last `held` rows of each class, as DeCAF's 25/5 has it; a class's first row always trains."""
    fold = np.full(len(labels), -1)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        fold[members[max(1, len(members) - held) :]] = 0
    return fold


def whole_units(fold: NDArray[np.int64], units: NDArray[np.int64]) -> NDArray[np.int64]:
    """`fold` (n,), but that a row always trains where another of its unit does: a copy is no picture held out."""
    return np.where(np.isin(units, units[fold < 0]), -1, fold)


def held_out(labels: Labels, folds: NDArray[np.int64]) -> Iterator[NDArray[np.bool_]]:
    """The rows of each fold in turn (n,); folds that leave fewer than two classes to learn are left out."""
    for fold in np.unique(folds[folds >= 0]):
        held = folds == fold
        if len(np.unique(labels[~held])) > 1:
            yield held


def _held_out_figures(
    kind: Kind, rows: tuple[Floats, Labels], classes: int, folds: NDArray[np.int64], seed: int, scale: str
) -> dict[float, float]:
    features, labels = rows
    confusion = {strength: np.zeros((classes, classes), np.int64) for strength in kind.strengths}
    for held in held_out(labels, folds):
        fitted_scale = learned_scale(scale, features[~held])
        train, judge = fitted_scale(features[~held]), fitted_scale(features[held])
        found = kind.fit_all(train, labels[~held], classes, kind.strengths, seed)
        for strength, said in zip(kind.strengths, kind.answers(found, judge), strict=True):
            confusion[strength] += confusion_matrix(said, labels[held], classes)
    if not any(counts.any() for counts in confusion.values()):
        return {}
    return {strength: by_class(counts)[0] for strength, counts in confusion.items()}


def _demand_usable(features: Floats, labels: Labels, classes: int) -> None:
    if features.ndim != 2 or len(features) != len(labels):
        raise UserError(
            f"features must be (n, d) with a label each, got {features.shape} and {len(labels)} labels"
        )
    if len(seen := np.unique(labels)) < 2:
        raise UserError(f"a classifier needs two classes to tell apart, got {len(seen)}")
    if seen[0] < 0 or seen[-1] >= classes:
        raise UserError(f"labels must be from 0 to {classes - 1}, got {seen[0]} to {seen[-1]}")
    if not np.isfinite(features).all():
        row = int(np.flatnonzero(~np.isfinite(features).all(axis=1))[0])
        odd = features[row][~np.isfinite(features[row])][0]
        raise UserError(f"features must be finite numbers, got {odd} in row {row}")
