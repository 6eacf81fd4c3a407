"""The verb `retrieve`: the nearest pictures by features, and which pictures and labels look odd among them."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

import numpy as np

from neocog import files
from neocog.api.alone import demand_alone
from neocog.api.embedding.features import Embedded, EmbedOptions
from neocog.api.retrieval.found import Retrieval
from neocog.api.retrieval.index import Index, index_of, queries_of
from neocog.api.retrieval.labels import mislabels_of
from neocog.api.retrieval.options import Asked
from neocog.api.retrieval.outliers import outliers_of
from neocog.api.retrieval.outputs import FIGURES
from neocog.data.dataset import UNLABELLED
from neocog.errors import UserError
from neocog.progress import Progress, Silent
from neocog.retrieval.contents import numbered_together
from neocog.retrieval.nearest import Contents, Neighbours, nearest
from neocog.retrieval.ranked import Found, average_precisions, judged
from neocog.retrieval.space import Indices


def retrieve(
    source: str | Path,
    data: object = None,
    queries: object = (),
    *,
    k: int = 9,
    metric: str = "cosine",
    outliers: int = 0,
    mislabels: bool = False,
    rank: str = "self-confidence",
    prune: str = "joint",
    keep_copies: bool = False,
    by: str | Path | None = None,
    seed: int = 0,
    output: str | Path | None = None,
    progress: Progress | None = None,
    **options: Unpack[EmbedOptions],
) -> Retrieval:
    """The `k` pictures of `data` nearest to each of `queries`, or to each other, by the features of `source`.

    `source` is a model's name, a run, or a features file written by `embed`, which brings its own pictures where `data`
    is None, and whose network is that called `by` where it is not the model named there. `queries` are paths, folders,
    arrays or PIL pictures; without any, every picture is looked for among the others, and figures say how often the
    nearest are of its class. Copies of a query, by content, are left out unless `keep_copies`.

    `outliers` is the length of two lists of pictures far from the others; `mislabels` asks for labels in doubt, chosen
    by `prune` (`joint`, `class`) and ordered by `rank` (`self-confidence`, `margin`); `seed` deals their folds. With
    `output` a page, the figures and lists for `train --quarantine` are written into that folder. `options` are those of
    `embed`. Raises `UserError` in words.
    """
    demand_alone("retrieve")
    told = progress or Silent()
    asked = Asked(
        k=k,
        metric=metric,
        keep_copies=keep_copies,
        outliers=outliers,
        mislabels=mislabels,
        rank=rank,
        prune=prune,
        seed=seed,
    )
    if output is not None:
        files.make_result_folder(Path(output).expanduser(), FIGURES)
    index = index_of(source, data, told, options)
    _demand_enough(asked, index, alone=_none(queries))
    looked_for = None if _none(queries) else queries_of(queries, source, index, told, options, by)
    found = _found(index, asked, looked_for, told)
    if output is not None:
        found.save(output)
    return found


def _none(queries: object) -> bool:
    return queries is None or (isinstance(queries, list | tuple) and not queries)


def _demand_enough(asked: Asked, index: Index, alone: bool) -> None:
    most = len(index.dataset) - alone
    if asked.k > most:
        others = "other pictures" if alone else "pictures"
        raise UserError(
            f"k must be at most the number of {others}, {most:,} in {index.dataset.name}, got {asked.k}; give fewer"
        )


def _found(index: Index, asked: Asked, queries: Embedded | None, told: Progress) -> Retrieval:
    every = among_themselves(index, asked, told) if queries is None or asked.outliers else None
    if queries is None:
        assert every is not None
        near, labels = every, index.labels
    else:
        near, labels = _of_queries(index, asked, queries, told)
    figures = _figures(index, asked, near, told) if queries is None else None
    return Retrieval(
        index,
        asked,
        queries,
        labels,
        near,
        figures,
        outliers_of(index, every, asked.outliers) if every is not None and asked.outliers else None,
        mislabels_of(index, asked, told) if asked.mislabels else None,
        tuple(_notes(index, queries, figures)),
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
    labels = np.full(len(own), UNLABELLED, np.int64)
    for query in range(len(own)):
        copies = index.labels[numbers == own[query]]
        if len(copies) and (copies == copies[0]).all():
            labels[query] = copies[0]
    apart: Contents = (np.full(len(own), -1) if asked.keep_copies else own, numbers)
    features = next(iter(queries.features.values()))
    with told.step("neighbours", len(own)) as advance:
        return nearest(features, index.features, asked.k, asked.metric, apart, advance), labels


def _figures(index: Index, asked: Asked, near: Neighbours, told: Progress) -> Found | None:
    labels = index.labels
    if not (labels >= 0).any():
        return None
    numbers = own_numbers(index, asked.keep_copies)
    with told.step("average precision", len(labels)) as advance:
        precisions = average_precisions(index.features, labels, numbers, asked.metric, advance)
    return judged(near, precisions, labels, index.dataset.classes)


def _notes(index: Index, queries: Embedded | None, figures: Found | None) -> list[str]:
    """What a reader should know, in sentences."""
    dataset, labels = index.dataset, index.labels
    said = list(dataset.notes)
    if dataset.targets is not None:
        said.append("Pictures may show several classes: no figures of classes, and no frames by class.")
    elif not (labels >= 0).any():
        said.append("No picture has a label: no figures of classes.")
    elif queries is None and figures is None:
        said.append("No class has two pictures that are no copies of each other: no figures of classes.")
    elif figures and figures.alone:
        said.append(f"{figures.alone:,} pictures are the only one of their class: they count in no figure.")
    if len(dataset.classes) == 1 and figures:
        said.append("There is one class: every figure is 100 % whatever the features are.")
    return said
