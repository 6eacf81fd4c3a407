"""The verb `retrieve`: the nearest pictures by features, and which pictures and labels look odd among them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Unpack

from neocog import files
from neocog.api.alone import demand_alone
from neocog.api.keywords import demand_known
from neocog.api.retrieval.found import Retrieval
from neocog.api.retrieval.index import index_of
from neocog.api.retrieval.labels import demand_judgeable
from neocog.api.retrieval.options import Asked, RetrieveOptions, asked_for
from neocog.api.retrieval.outputs import FIGURES
from neocog.api.retrieval.queries import demand_by_fits, embedded_queries, query_pictures, told_apart
from neocog.api.retrieval.searched import searched
from neocog.api.retrieval.trained_on import trained_on
from neocog.data.dataset import Dataset
from neocog.progress import Progress, Silent


def retrieve(
    source: str | Path,
    data: object = None,
    queries: object = (),
    *,
    by: str | Path | None = None,
    output: str | Path | None = None,
    progress: Progress | None = None,
    **options: Unpack[RetrieveOptions],
) -> Retrieval:
    """The pictures of `data` nearest to each of `queries`, or to each other, by the features of `source`.

    `source` is a model's name, a run, or a features file written by `embed`, which brings its own pictures where `data`
    is None, and whose network is that called `by` where it is not the model named there. `queries` are paths, folders,
    arrays or PIL pictures; without any, every picture is looked for among the others, and figures say how often the
    nearest are of its class. Lists of outliers and of doubtful labels come alone unless `figures` are asked for, too.
    `RetrieveOptions` has all that may be asked, those of `embed` among them. With `output` a page, the figures and
    lists for `train --quarantine` are written into that folder. Raises `UserError` in words.
    """
    demand_known("retrieve", options, RetrieveOptions.__annotations__)
    demand_alone("retrieve")
    told = progress or Silent()
    demand_by_fits(by, source)
    data, queries = told_apart(source, data, queries)
    pictures = query_pictures(queries)
    asked, of_features = asked_for(options, pictures is not None)
    if output is not None:
        files.make_result_folder(Path(output).expanduser(), FIGURES)
    index = index_of(source, data, told, of_features, _check(asked, pictures is not None))
    asked = asked.of(len(index.dataset), index.dataset.name, pictures is not None)
    looked_for = None
    if pictures is not None:
        looked_for = embedded_queries(pictures, source, index.embedded, told, of_features, by)
    found = searched(index, asked, looked_for, told)
    judged = (found.neighbours, index.labels) if found.figures and found.neighbours else None
    found = replace(found, trained=trained_on(source, by, index.embedded, judged))
    if found.trained:
        told.say(f"warning: {found.trained}")
    if output is not None:
        found.save(output)
    return found


def _check(asked: Asked, queries: bool) -> Callable[[Dataset], None]:
    """Whether what is asked can be had of some pictures, by their number and labels alone."""

    def check(dataset: Dataset) -> None:
        asked.of(len(dataset), dataset.name, queries)
        if asked.mislabels:
            demand_judgeable(dataset)

    return check
