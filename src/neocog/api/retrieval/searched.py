"""The search itself: from features in memory to neighbours, figures and lists."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from neocog.api.embedding.features import Embedded
from neocog.api.retrieval.found import Retrieval
from neocog.api.retrieval.index import Index
from neocog.api.retrieval.labels import mislabels_of
from neocog.api.retrieval.options import Asked
from neocog.api.retrieval.outliers import outliers_of
from neocog.progress import Progress
from neocog.retrieval.contents import labels_of_copies, numbered_together
from neocog.retrieval.nearest import Contents, Neighbours, nearest
from neocog.retrieval.ranked import Found, average_precisions, judged
from neocog.retrieval.space import Indices


def searched(index: Index, asked: Asked, queries: Embedded | None, told: Progress) -> Retrieval:
    """All that is `asked` of the index, doubtful labels first: whatever else is computed, they do not need it."""
    doubtful = mislabels_of(index, asked, told) if asked.mislabels else None
    every = among_themselves(index, asked, told) if asked.among_themselves else None
    near, labels = every, index.labels
    if queries is not None:
        near, labels = _of_queries(index, asked, queries, told)
    figures = _figures(index, asked, every, told) if asked.figures and every else None
    return Retrieval(
        index,
        asked,
        queries,
        labels,
        near,
        figures,
        outliers_of(index, every, asked.outliers) if every and asked.outliers else None,
        doubtful,
        tuple(_notes(index, asked, figures)),
    )


def own_numbers(index: Index, keep_copies: bool) -> Indices:
    """(n,), equal where two pictures are not each other's neighbours: copies, or only the picture itself."""
    if not keep_copies:
        return index.contents
    numbers = np.empty(len(index.contents), np.int64)
    numbers[np.argsort(index.contents, kind="stable")] = np.arange(len(numbers))
    return numbers


def among_themselves(index: Index, asked: Asked, told: Progress) -> Neighbours:
    """The neighbours of every picture among the others."""
    numbers = own_numbers(index, asked.keep_copies)
    with told.step("neighbours", len(numbers)) as advance:
        return nearest(index.features, index.features, asked.k, asked.metric, (numbers, numbers), advance)


def _of_queries(index: Index, asked: Asked, queries: Embedded, told: Progress) -> tuple[Neighbours, Indices]:
    """The neighbours of the queries, and the classes of those that the index has a copy of."""
    own, numbers = numbered_together(queries.hashes, index.embedded.hashes)
    apart: Contents = (np.full(len(own), -1) if asked.keep_copies else own, numbers)
    features = next(iter(queries.features.values()))
    with told.step("neighbours", len(own)) as advance:
        near = nearest(features, index.features, asked.k, asked.metric, apart, advance)
    return near, labels_of_copies(own, numbers, index.labels)


def _figures(index: Index, asked: Asked, near: Neighbours, told: Progress) -> Found | None:
    labels = index.labels
    if not (labels >= 0).any():
        return None
    numbers = own_numbers(index, asked.keep_copies)
    with told.step("average precision", len(labels)) as advance:
        precisions = average_precisions(index.features, labels, numbers, asked.metric, advance)
    return judged(near, precisions, labels, index.dataset.classes)


def _notes(index: Index, asked: Asked, figures: Found | None) -> Iterator[str]:
    """What a reader should know, in sentences."""
    dataset, labels = index.dataset, index.labels
    yield from dataset.notes
    if dataset.targets is not None:
        yield "Pictures may show several classes: no figures of classes, and no frames by class."
    elif not (labels >= 0).any():
        yield "No picture has a label: no figures of classes."
    elif asked.figures and figures is None:
        yield "No class has two pictures that are no copies of each other: no figures of classes."
    elif figures and figures.alone:
        yield f"{figures.alone:,} pictures are the only one of their class: they count in no figure."
    if len(dataset.classes) == 1 and figures:
        yield "There is one class: every figure is 100 % whatever the features are."
