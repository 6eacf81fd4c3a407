"""Part-based one-vs-one features (POOF, Berg and Belhumeur 2013): what tells two classes apart at one part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import label
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.svm import LinearSVC
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from neocog.classical.parts.aligned import (
    FIRST,
    HEIGHT,
    Landmarked,
    aligned,
    both_seen,
    cells,
    gradients,
    nearest_colour,
    palette,
)
from neocog.classical.parts.cells import demand_cells
from neocog.errors import UserError

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Feature:
    """One feature: which classes, which parts, which cells it reads, and the machine on them."""

    classes: tuple[int, int]
    """places in `classes_`; the value is positive for the second"""
    parts: tuple[int, int]
    """the part it is about, and the one that aligns"""
    read: NDArray[np.bool_]
    """(rows, columns) of cells"""
    weights: Floats
    """of what is read"""
    offset: float


class PartOneVsOne(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """For two classes and two parts a linear machine on aligned cells, whose decision value is a feature.

    X is a sequence of `Landmarked`. The picture is turned and scaled until the two parts lie at fixed places, and
    described in cells. A machine on all cells tells where the classes differ: the half of the cells with the larger
    weights, of these the ones connected with the first part's own. A machine on these alone is the feature. Features
    (n, class pairs x part pairs) float32; 0 where a part is not seen, and a pair of which one class never shows both
    parts in training has none.

    part_pairs: (part, part that aligns) pairs; None is every ordered pair
    base: what a cell is described by, `gradients` (8 directions) or `colours` (32 learned ones)
    cell: pixels of a cell on the aligned 64 x 128 picture, one of `parts.cells.SIZES`
    class_pairs: how many pairs of classes, drawn at random; None is all
    strength: C of the machines
    """

    def __init__(
        self,
        part_pairs: Any = None,
        base: str = "gradients",
        cell: int = 8,
        class_pairs: int | None = None,
        strength: float = 1.0,
        random_state: Any = 0,
    ) -> None:
        self.part_pairs = part_pairs
        self.base = base
        self.cell = cell
        self.class_pairs = class_pairs
        self.strength = strength
        self.random_state = random_state

    def fit(self, X: Sequence[Landmarked], y: ArrayLike) -> PartOneVsOne:
        self._check(X)
        self.parts_ = len(X[0].points)
        draw = check_random_state(self.random_state)
        self.seed_ = int(draw.randint(2**31 - 1))
        self.classes_, labels = np.unique(y, return_inverse=True)
        pairs = list(combinations(range(len(self.classes_)), 2))
        if self.class_pairs is not None and self.class_pairs < len(pairs):
            pairs = [pairs[i] for i in np.sort(draw.permutation(len(pairs))[: self.class_pairs])]
        self.features_: list[Feature] = []
        self.palettes_: dict[tuple[int, int], Floats] = {}
        for parts in self._pairs(X):
            seen = np.array([both_seen(x.points, *parts) for x in X])
            self._learn_colours([x for x, s in zip(X, seen, strict=True) if s], parts)
            described = {i: self._describe(X[i], parts) for i in range(len(X)) if seen[i]}
            for pair in pairs:
                rows = [i for i in described if labels[i] in pair]
                if len({labels[i] for i in rows}) == 2:
                    values = np.stack([described[i] for i in rows])
                    second = labels[rows] == pair[1]
                    self.features_.append(learned(values, second, pair, parts, self.strength))
        if not self.features_:
            raise UserError("no two classes show the same two parts: more pictures, or other pairs of parts")
        return self

    def transform(self, X: Sequence[Landmarked]) -> NDArray[np.float32]:
        check_is_fitted(self)
        for i, x in enumerate(X):
            if len(x.points) != self.parts_:
                raise UserError(
                    f"each picture must have {self.parts_} parts, picture {i} has {len(x.points)}"
                )
        out = np.zeros((len(X), len(self.features_)), np.float32)
        wanted = dict.fromkeys(feature.parts for feature in self.features_)
        for i, x in enumerate(X):
            described = {p: self._describe(x, p) for p in wanted if both_seen(x.points, *p)}
            for j, feature in enumerate(self.features_):
                if feature.parts in described:
                    read = described[feature.parts][feature.read].ravel()
                    out[i, j] = read @ feature.weights + feature.offset
        return out

    def _learn_colours(self, seen: list[Landmarked], parts: tuple[int, int]) -> None:
        if self.base == "colours" and seen:
            patches = (aligned(x.picture, x.points, *parts) for x in seen)
            self.palettes_[parts] = palette(patches, self.seed_)

    def _describe(self, x: Landmarked, parts: tuple[int, int]) -> Floats:
        patch = aligned(x.picture, x.points, *parts)
        if self.base == "colours":
            return cells(nearest_colour(patch, self.palettes_[parts]), self.cell)
        return cells(gradients(patch), self.cell)

    def _pairs(self, X: Sequence[Landmarked]) -> list[tuple[int, int]]:
        count = len(X[0].points)
        if self.part_pairs is None:
            return list(permutations(range(count), 2))
        pairs = [(int(a), int(b)) for a, b in self.part_pairs]
        if wrong := [p for p in pairs if p[0] == p[1] or not all(0 <= part < count for part in p)]:
            raise UserError(f"part pairs must name two different parts of 0 to {count - 1}, got {wrong[0]}")
        return pairs

    def _check(self, X: Sequence[Landmarked]) -> None:
        if not len(X):
            raise UserError("part features need a picture to learn from, got none")
        demand_cells(self.base, self.cell)
        counts = {len(x.points) for x in X}
        if len(counts) > 1:
            raise UserError(f"all pictures must have as many parts, got {sorted(counts)}")


def learned(
    values: Floats,
    second: NDArray[np.bool_],
    classes: tuple[int, int],
    parts: tuple[int, int],
    strength: float,
) -> Feature:
    """The feature of two `classes` at `parts`, from cells (n, rows, columns, numbers) of pictures of these classes and
    whether each (n,) is of the second."""
    whole = _machine(values.reshape(len(values), -1), second, strength)
    strong = np.linalg.norm(whole.coef_.reshape(values.shape[1:]), axis=2)
    cell = HEIGHT // values.shape[1]
    read = connected(strong >= np.median(strong), (int(FIRST[0]) // cell, int(FIRST[1]) // cell))
    machine = _machine(values[:, read].reshape(len(values), -1), second, strength)
    return Feature(classes, parts, read, machine.coef_[0], float(machine.intercept_[0]))


def _machine(rows: Floats, second: NDArray[np.bool_], strength: float) -> Any:
    # squared hinge in the primal: one solution, whatever order the rows come in
    return LinearSVC(C=strength, dual=False, max_iter=10_000).fit(rows, second)


def connected(strong: NDArray[np.bool_], home: tuple[int, int]) -> NDArray[np.bool_]:
    """The strong cells that hang together with `home` by their sides, which itself counts as strong."""
    strong = strong.copy()
    strong[home] = True
    groups, _ = label(strong)
    return np.asarray(groups == groups[home])
