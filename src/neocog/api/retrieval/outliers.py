"""Lists of pictures far from all others and far from their own class, as a person reads them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from neocog.api.retrieval.index import Index
from neocog.data.quarantine import Entry
from neocog.draw.table import Table
from neocog.retrieval.nearest import Neighbours
from neocog.retrieval.outliers import class_distances, kth_distances
from neocog.retrieval.space import Doubles, Indices


@dataclass(frozen=True, eq=False, repr=False)
class Outliers:
    """The farthest pictures by two measures."""

    index: Index
    most: int
    """pictures on a list"""
    k: int
    of_all: Doubles
    """(n,), the distance to the k-th nearest; NaN where there is none"""
    of_class: Doubles
    """(n,), the relative Mahalanobis distance to the own class; NaN where there is none"""

    def far(self) -> Indices:
        """Rows of those far from all others, the farthest first; of equally far ones by content."""
        return self._first(self.of_all)

    def odd(self) -> Indices:
        """Rows of those far from their own class, the farthest first; none where not two classes have two pictures."""
        return self._first(self.of_class)

    def _first(self, distances: Doubles) -> Indices:
        there = np.flatnonzero(~np.isnan(distances))
        order = np.lexsort((self.index.contents[there], -distances[there]))
        return there[order[: self.most]]

    def table(self, rows: Indices, distances: Doubles) -> Table:
        cells = ((self.index.path(i), self.index.label(i), float(distances[i])) for i in rows.tolist())
        return Table(("picture", "label", "distance"), tuple(cells))

    def __str__(self) -> str:
        measure = f"distance to the {ordinal(self.k)} nearest"
        parts = [f"far from all others ({measure})", self.table(self.far(), self.of_all)]
        if len(self.odd()):
            parts += [
                "far from their own class (relative Mahalanobis distance)",
                self.table(self.odd(), self.of_class),
            ]
        return "\n".join(map(str, parts))

    def to_json(self) -> dict[str, Any]:
        return {
            "far_from_all": self._listed(self.far(), self.of_all),
            "far_from_class": self._listed(self.odd(), self.of_class),
            "per_class": dict(self._classes()),
        }

    def _listed(self, rows: Indices, distances: Doubles) -> list[dict[str, Any]]:
        return [
            {"path": self.index.path(i), "label": self.index.label(i), "distance": float(distances[i])}
            for i in rows.tolist()
        ]

    def _classes(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """How far the pictures of each class are from it, and how many of them are on the lists."""
        labels, far, odd = self.index.labels, self.index.labels[self.far()], self.index.labels[self.odd()]
        for label, name in enumerate(self.index.dataset.classes):
            own = np.flatnonzero((labels == label) & ~np.isnan(self.of_class))
            if len(own):
                last = int(own[np.argmax(self.of_class[own])])
                yield (
                    name,
                    {
                        "median": float(np.median(self.of_class[own])),
                        "largest": float(self.of_class[last]),
                        "farthest": self.index.path(last),
                        "far_from_all": int((far == label).sum()),
                        "far_from_class": int((odd == label).sum()),
                    },
                )

    def entries(self) -> Iterator[Entry]:
        """Both lists as lines of a quarantine list, each picture once."""
        told: set[int] = set()
        lists = (
            (self.far(), self.of_all, f"to the {ordinal(self.k)} nearest picture"),
            (self.odd(), self.of_class, "to its own class (relative Mahalanobis)"),
        )
        for rows, distances, whither in lists:
            for i in rows.tolist():
                if i not in told:
                    told.add(i)
                    yield self.index.entry(i, f"outlier: distance {distances[i]:.4g} {whither}")


def outliers_of(index: Index, neighbours: Neighbours, most: int) -> Outliers:
    """The `most` farthest pictures by each measure; `neighbours` are those of every picture."""
    k = neighbours.indices.shape[1]
    of_class = class_distances(index.features, index.labels)
    return Outliers(index, most, k, kth_distances(neighbours), of_class)


def ordinal(n: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th .."""
    ending = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n:,}{ending}"
