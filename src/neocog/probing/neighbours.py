"""The nearest training pictures vote, each with the inverse of its distance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neocog.inference.network import Floats
from neocog.probing.fitted import Labels, highest


@dataclass(frozen=True)
class Neighbours:
    """The `k` nearest of `rows` (n, d); scikit-learn's `KNeighborsClassifier` with weights by distance.

    Scores are shares of the vote. Where rows lie on the very spot, they alone vote.
    """

    rows: Floats
    labels: Labels
    classes: int
    k: int
    metric: str
    """euclidean or cosine, which is 1 - the cosine"""

    def scores(self, features: Floats) -> Floats:
        from sklearn.neighbors import NearestNeighbors

        near = NearestNeighbors(
            n_neighbors=min(self.k, len(self.rows)), algorithm="brute", metric=self.metric
        )
        distances, places = near.fit(self.rows).kneighbors(features)
        with np.errstate(divide="ignore"):
            weights = 1 / distances
        there = np.isinf(weights)
        weights = np.where(there.any(axis=1, keepdims=True), there, weights)
        votes = np.zeros((len(features), self.classes))
        np.add.at(votes, (np.arange(len(features))[:, None], self.labels[places]), weights)
        return np.asarray(votes / votes.sum(axis=1, keepdims=True), np.float32)

    def predict(self, features: Floats) -> Labels:
        return highest(self.scores(features))
