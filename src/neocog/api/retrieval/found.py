"""What was found by features: neighbours, outliers, doubtful labels; as text, table, JSON and page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neocog.api.embedding.features import Embedded
from neocog.api.retrieval.index import Index
from neocog.api.retrieval.labels import Mislabels
from neocog.api.retrieval.options import Asked
from neocog.api.retrieval.outliers import Outliers
from neocog.api.retrieval.trained_on import TrainedOn
from neocog.draw.page import framed
from neocog.draw.table import Table
from neocog.draw.text import count, percent
from neocog.retrieval.nearest import NONE, Neighbours
from neocog.retrieval.ranked import Found
from neocog.retrieval.space import Indices


@dataclass(frozen=True, eq=False, repr=False)
class Retrieval:
    """Neighbours of the queries, or of every picture among the others; what follows from them; lists."""

    index: Index
    asked: Asked
    queries: Embedded | None
    """None where none were given"""
    query_labels: Indices
    """(q,), classes of the queries as far as the index holds a copy; -1 otherwise"""
    neighbours: Neighbours | None
    """None where only doubtful labels were looked for"""
    figures: Found | None
    """None where they were not asked for, or no picture shares its class with another"""
    outliers: Outliers | None
    mislabels: Mislabels | None
    remarks: tuple[str, ...]
    """what a reader should know about the pictures, in sentences"""
    trained: TrainedOn | None = None
    """pictures that trained the network; None where none is known to"""

    def __len__(self) -> int:
        return 0 if self.neighbours is None else len(self.neighbours.indices)

    def __repr__(self) -> str:
        return f"Retrieval({len(self):,} queries among {count(len(self.index.dataset), 'picture')})"

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know, in sentences."""
        doubt = self.mislabels.warning() if self.mislabels is not None else ""
        return (*([str(self.trained)] if self.trained else []), *([doubt] if doubt else []), *self.remarks)

    def query_path(self, query: int) -> str:
        dataset = self.index.dataset if self.queries is None else self.queries.dataset
        return dataset.short_name(query)

    def near(self, query: int) -> Iterator[tuple[int, float, bool | None]]:
        """Row, distance and whether it is of the query's class (None where nobody knows), the nearest first."""
        if self.neighbours is None:
            return
        own, labels = int(self.query_labels[query]), self.index.labels
        for row, distance in zip(
            self.neighbours.indices[query].tolist(), self.neighbours.distances[query].tolist(), strict=True
        ):
            if row != NONE:
                known = own >= 0 and labels[row] >= 0
                yield row, distance, bool(labels[row] == own) if known else None

    def table(self) -> Table:
        """A row for each neighbour of each query."""
        rows = (
            (self.query_path(i), rank, self.index.path(row), self.index.label(row), distance, same)
            for i in range(len(self))
            for rank, (row, distance, same) in enumerate(self.near(i), 1)
        )
        return Table(("query", "rank", "picture", "label", "distance", "same class"), tuple(rows))

    def classes(self) -> Table:
        """A row for each class, where there are figures."""
        found = self.figures.per_class if self.figures else {}
        last = [f"recall@{self.asked.k}"] if self.asked.k > 1 else []
        rows = (
            (name, row.n, row.recall_at_1, *[row.recall_at_k for _ in last], row.map, row.confused)
            for name, row in found.items()
        )
        return Table(("class", "pictures", "recall@1", *last, "mAP", "nearest other"), tuple(rows))

    def __str__(self) -> str:
        parts = [self.headline()]
        if self.queries is not None:
            parts.append(str(self.table()))
        elif self.figures:
            parts.append(str(self.classes()))
        parts += [str(part) for part in (self.outliers, self.mislabels) if part is not None]
        return "\n".join([*parts, *self.notes])

    def headline(self) -> str:
        """What was done, and the first figures, in one line."""
        pictures = f"{count(len(self.index.dataset), 'picture')} of {self.index.dataset.name}"
        among = f"among {pictures}"
        if self.queries is not None:
            return (
                f"{self.asked.k} nearest of {len(self):,} {'query' if len(self) == 1 else 'queries'} {among}"
            )
        if self.neighbours is None:
            return pictures
        if not self.figures:
            return f"{self.asked.k} nearest of each {among}"
        recalls = ", ".join(f"recall@{k} {percent(value)} %" for k, value in self.figures.recall.items())
        return f"{recalls}, mAP {percent(self.figures.map)} % {among}"

    def to_json(self) -> dict[str, Any]:
        """Every figure and list; the neighbours of every picture only where queries were given."""
        origin, dataset = self.index.embedded.origin, self.index.dataset
        return {
            "model": origin.model,
            "source": origin.source,
            "layer": self.index.layer,
            "features": int(self.index.features.shape[1]),
            "metric": self.asked.metric,
            "k": self.asked.k,
            "keep_copies": self.asked.keep_copies,
            "seed": self.asked.seed,
            "data": dataset.name,
            "pictures": len(dataset),
            "classes": list(dataset.classes),
            "skipped": _reasons(self.index.embedded),
            "quarantined": [gone.to_json() for gone in dataset.quarantined],
            "notes": list(self.notes),
            "leakage": self.trained.to_json() if self.trained else None,
            "queries": None if self.queries is None else [self._query(i) for i in range(len(self))],
            "skipped_queries": [] if self.queries is None else _reasons(self.queries),
            "figures": self.figures.to_json() if self.figures else None,
            "outliers": None if self.outliers is None else self.outliers.to_json(),
            "mislabels": None if self.mislabels is None else self.mislabels.to_json(),
        }

    def _query(self, query: int) -> dict[str, Any]:
        label = int(self.query_labels[query])
        return {
            "path": self.query_path(query),
            "label": self.index.dataset.classes[label] if label >= 0 else None,
            "neighbours": [
                {
                    "path": self.index.path(row),
                    "label": self.index.label(row),
                    "distance": distance,
                    "same": same,
                }
                for row, distance, same in self.near(query)
            ],
        }

    def skipped(self) -> tuple[tuple[str, str], ...]:
        """(path, reason) of the pictures and queries that could not be read."""
        return (*self.index.embedded.skipped, *(self.queries.skipped if self.queries else ()))

    def to_html(self) -> str:
        """A page of its own, with thumbnails."""
        from neocog.api.retrieval.page import page_of
        from neocog.draw.retrieval import retrieval_page

        return retrieval_page(page_of(self))

    def _repr_html_(self) -> str:
        return framed(self.to_html())

    def save(self, folder: str | Path) -> tuple[Path, ...]:
        """Write page, figures and lists into `folder`, which is made; the paths of what was written."""
        from neocog.api.retrieval.outputs import write_retrieval

        return write_retrieval(Path(folder).expanduser(), self)


def _reasons(found: Embedded) -> list[Mapping[str, str]]:
    return [{"path": path, "reason": reason} for path, reason in found.skipped]
