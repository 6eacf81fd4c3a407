"""The nearest training pictures vote, each with the inverse of its distance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from neocog.inference.network import Floats
from neocog.probing.fitted import Labels, highest

Distances = NDArray[np.floating]


@dataclass(frozen=True)
class Neighbours:
    """The `k` nearest of `rows` (n, d); scikit-learn's `KNeighborsClassifier` with weights by distance.

    Scores are shares of the vote. Where rows lie on the very spot, they alone vote.
    """

    rows: Floats = field(repr=False)
    labels: Labels = field(repr=False)
    classes: int
    k: int
    metric: str
    """euclidean or cosine, which is 1 - the cosine"""

    def scores(self, features: Floats) -> Floats:
        return self._votes(*self._nearest(features))

    def predict(self, features: Floats) -> Labels:
        return highest(self.scores(features))

    def _nearest(self, features: Floats) -> tuple[Distances, Labels]:
        """Distances to the nearest rows (n, k), and their places; the nearest first."""
        from sklearn.neighbors import NearestNeighbors

        near = NearestNeighbors(
            n_neighbors=min(self.k, len(self.rows)), algorithm="brute", metric=self.metric
        )
        distances, places = near.fit(self.rows).kneighbors(features)
        return distances, places

    def _votes(self, distances: Distances, places: Labels) -> Floats:
        distances, places = distances[:, : self.k], places[:, : self.k]
        with np.errstate(divide="ignore"):
            weights = 1 / distances
        there = np.isinf(weights)
        weights = np.where(there.any(axis=1, keepdims=True), there, weights)
        votes = np.zeros((len(places), self.classes))
        np.add.at(votes, (np.arange(len(places))[:, None], self.labels[places]), weights)
        return np.asarray(votes / votes.sum(axis=1, keepdims=True), np.float32)


def answers_of_all(found: Sequence[Neighbours], features: Floats) -> list[Labels]:
    """What each says of `features` (n, d), where they differ in k alone: by one search for the largest."""
    distances, places = max(found, key=lambda one: one.k)._nearest(features)
    return [highest(one._votes(distances, places)) for one in found]
