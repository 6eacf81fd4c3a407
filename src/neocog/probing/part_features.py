"""Part-based one-vs-one features (POOF, Berg and Belhumeur 2013) under linear support vector machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from neocog.errors import UserError
from neocog.inference.network import Floats
from neocog.probing import squared_hinge
from neocog.probing.fitted import Fitted, Labels, Linear, highest
from neocog.probing.kinds import SVM_GRID, Kind
from neocog.probing.scale import Scale, learned_scale

if TYPE_CHECKING:
    from neocog.classical.parts.one_vs_one import Feature

PART_FEATURES = "one-vs-one"
STRENGTH = 1.0  # C of the machines that are features
PAIRS = 500  # of classes, drawn at random where there are more


@dataclass(frozen=True)
class Cells:
    """What an aligned patch is described in: so many rows and columns of cells, each with numbers of its own."""

    rows: int
    columns: int


@dataclass(frozen=True)
class OnPartFeatures:
    """A linear classifier behind features that each tell two classes apart at one part."""

    features: tuple[Feature, ...] = field(repr=False)
    shape: tuple[int, ...]
    """of a picture: pairs of parts, rows, columns, numbers of a cell"""
    scale: Scale = field(repr=False)
    linear: Linear

    def values(self, x: Floats) -> Floats:
        """(n, features), 0 where a part is not seen."""
        return self.scale(_values(self.features, _described(x, self.shape)))

    def scores(self, x: Floats) -> Floats:
        return self.linear.scores(self.values(x))

    def predict(self, x: Floats) -> Labels:
        return highest(self.scores(x))


def part_features(pairs: int, cells: Cells) -> Kind:
    """The kind of classifier on pictures of `pairs` aligned pairs of parts side by side, each described in `cells`.

    For two classes and a pair of parts a linear machine tells where they differ, and its value at the cells about the
    first part is a feature: those of `classical.parts.one_vs_one.PartOneVsOne`, of all pairs of classes, 500 at most.
    They are learned from the pictures that train, in each fold anew.
    """

    def path(x: Floats, labels: Labels, classes: int, strengths: Sequence[float], seed: int) -> list[Fitted]:
        shape = _shape(x.shape[1], pairs, cells)
        described = _described(x, shape)
        features = _learned(described, labels, seed)
        values = _values(features, described)
        scale = learned_scale("standard", values)
        found = squared_hinge.solve_path(scale(values), labels, classes, strengths)
        return [OnPartFeatures(features, shape, scale, Linear(*both)) for both in found]

    words = "one-vs-one features of parts under a linear SVM, squared hinge"
    return Kind(PART_FEATURES, words, "C", SVM_GRID, 1e-2, path, _answers)


def _shape(width: int, pairs: int, cells: Cells) -> tuple[int, ...]:
    numbers, rest = divmod(width, pairs * cells.rows * cells.columns)
    assert not rest, f"{width} numbers are no {pairs} patches of {cells}"
    return pairs, cells.rows, cells.columns, numbers


def _described(x: Floats, shape: tuple[int, ...]) -> Floats:
    """(n, pairs, rows, columns, numbers), each cell of length 1, whatever factor they were scaled by; 0 stays 0."""
    cells = x.reshape(len(x), *shape)
    lengths = np.linalg.norm(cells, axis=-1, keepdims=True)
    return np.asarray(cells / np.where(lengths > 0, lengths, 1), np.float32)


def _learned(described: Floats, labels: Labels, seed: int) -> tuple[Feature, ...]:
    from neocog.classical.parts.one_vs_one import learned

    seen = _seen(described)
    found = []
    for first, second in _pairs_of_classes(np.unique(labels), seed):
        for part in range(described.shape[1]):
            rows = np.flatnonzero(np.isin(labels, (first, second)) & seen[:, part])
            if len(np.unique(labels[rows])) == 2:
                values = described[rows, part].astype(np.float64)
                found.append(learned(values, labels[rows] == second, (first, second), (part, part), STRENGTH))
    if not found:
        raise UserError(
            "no two classes show the same two parts in the pictures that train; give more pictures, or places of more "
            "parts"
        )
    return tuple(found)


def _pairs_of_classes(classes: Labels, seed: int) -> list[tuple[int, int]]:
    pairs = [(int(a), int(b)) for a, b in combinations(classes, 2)]
    if len(pairs) <= PAIRS:
        return pairs
    drawn = np.random.default_rng(seed).permutation(len(pairs))[:PAIRS]
    return [pairs[i] for i in np.sort(drawn)]


def _values(features: Sequence[Feature], described: Floats) -> Floats:
    out = np.zeros((len(described), len(features)), np.float32)
    seen = _seen(described)
    for j, feature in enumerate(features):
        rows = seen[:, feature.parts[0]]
        read = described[rows, feature.parts[0]][:, feature.read].reshape(int(rows.sum()), -1)
        out[rows, j] = read @ feature.weights + feature.offset
    return out


def _seen(described: Floats) -> NDArray[np.bool_]:
    """(n, pairs), whether a patch has any number."""
    return np.asarray(described.any(axis=(2, 3, 4)))


def _answers(found: Sequence[OnPartFeatures], x: Floats) -> list[Labels]:
    """What each says, where they differ in the linear classifier alone: with features computed once."""
    values = found[0].values(x)
    return [highest(one.linear.scores(values)) for one in found]
