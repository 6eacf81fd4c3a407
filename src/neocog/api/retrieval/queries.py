"""The pictures that are looked for, and their features by the network that made those of the index."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from neocog.api.embedding.classical import is_classical
from neocog.api.embedding.features import Embedded, EmbedOptions, embedded
from neocog.api.embedding.origin import WORDS, Origin
from neocog.api.embedding.sources import reference_of
from neocog.data.dataset import UNLABELLED, Dataset
from neocog.data.samples import as_samples
from neocog.data.source import list_pictures
from neocog.data.sources.rows import is_picture
from neocog.errors import UserError
from neocog.inference.feature_files import is_features_file
from neocog.progress import Progress

OF_MACHINE = ("weights", "model", "download", "engine", "device", "cache", "strict")
"""options that hold for queries, too; others say how DATA are read, or are known from the features"""
ELSEWHERE = ("builtin/", "hfds/")
"""how data begin that are no path"""


def told_apart(source: str | Path, data: object, queries: object) -> tuple[object, object]:
    """DATA and queries: beside a features file, which brings its own pictures, a picture in DATA's place is a query."""
    if not (is_features_file(Path(source).expanduser()) and _is_one_picture(data)):
        return data, queries
    further = _places(queries) if queries is not None else []
    return None, [str(data), *(further or [])]


def _is_one_picture(data: object) -> bool:
    return (
        isinstance(data, str | Path) and is_picture(Path(data).name) and not Path(data).expanduser().is_dir()
    )


def query_pictures(pictures: object) -> Dataset | None:
    """The pictures that are looked for; None where every one of DATA is. UserError where one of them is not there."""
    if pictures is None or (isinstance(pictures, list | tuple) and not pictures):
        return None
    places = _places(pictures)
    for place in places or ():
        if not str(place).startswith(ELSEWHERE) and not any(mark in str(place) for mark in "*{"):
            _demand_there(place)
    samples = as_samples(pictures) if places is None else list_pictures(places)
    n = len(samples)
    return Dataset("queries", samples, np.full(n, UNLABELLED, np.int64), (), np.full(n, ""), listed=True)


def _demand_there(place: str | Path) -> None:
    if not Path(place).expanduser().exists():
        raise UserError(
            f"a query is a picture or a folder of pictures, {place} does not exist; give one that does"
        )


def demand_by_fits(by: str | Path | None, source: str | Path) -> None:
    """UserError where a network is named for the queries though `source` is one itself."""
    if by is not None and not is_features_file(Path(source).expanduser()):
        raise UserError(f"by is for features from a file, {source} embeds the queries itself; leave it out")


def embedded_queries(
    pictures: Dataset,
    source: str | Path,
    index: Embedded,
    told: Progress,
    options: EmbedOptions,
    by: str | Path | None = None,
) -> Embedded:
    """The features of further pictures, by the network that made those of the index.

    Where `source` is a file of features, `by` says which network that was; the model of that name if not given.
    """
    from_file = is_features_file(Path(source).expanduser())
    network = (by or index.origin.model) if from_file else source
    found = embedded(network, pictures, told, **_alike(network, index, options))
    _demand_alike(index.origin, found.origin)
    return found


def _alike(network: str | Path, index: Embedded, options: EmbedOptions) -> EmbedOptions:
    """Under these options `network` sees pictures as those of the index were seen."""
    origin = index.origin
    alike: EmbedOptions = {"layers": origin.layers, "pooling": origin.pooling, "views": origin.views}
    for key in OF_MACHINE:
        if key in options:
            alike[key] = options[key]  # type: ignore[literal-required]
    if is_classical(network):
        return {**alike, "learn_from": options.get("learn_from") or index.dataset}
    height, width = origin.preprocess.get("size", (0, 1))  # that of a classical method says none
    if height == width:
        alike |= {"img_size": height, "resize_mode": origin.preprocess["resize_mode"]}
    if reference_of(str(network)) is not None and "size" in origin.preprocess:  # a run has its own
        alike["decoding"] = origin.preprocess["decoding"]
    return alike


def _demand_alike(origin: Origin, given: Origin) -> None:
    if differing := [WORDS[field] for field in origin.unlike(given)]:
        run = run_of(origin)
        raise UserError(
            f"queries must be seen as the pictures of the index were, by {origin.model} ({origin.source}), got other "
            f"{', '.join(differing)} of {given.model} ({given.source}); name the network with --by {run or 'RUN'}, or "
            "embed anew"
        )


def run_of(origin: Origin) -> str | None:
    """The folder of the run that made the features, as they tell; None where it was a model by its name."""
    return origin.source.removeprefix(OF_RUN) if origin.source.startswith(OF_RUN) else None


OF_RUN = "the run "
"""how `embed` says that a network is a run's"""


def _places(pictures: object) -> Sequence[str | Path] | None:
    """The paths of files or folders; None where the pictures themselves were given."""
    if isinstance(pictures, str | Path):
        return [pictures]
    if isinstance(pictures, list | tuple) and all(isinstance(one, str | Path) for one in pictures):
        return list(pictures)
    return None
