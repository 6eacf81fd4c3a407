"""The pictures that are looked among, with the features of one layer; and the features of queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neocog.api.embedding.classical import is_classical
from neocog.api.embedding.features import Embedded, EmbedOptions, embedded
from neocog.api.embedding.origin import WORDS, Origin
from neocog.api.embedding.sources import reference_of
from neocog.data.checks.labels import label_names
from neocog.data.dataset import UNLABELLED, Dataset
from neocog.data.quarantine import Entry
from neocog.data.samples import as_samples
from neocog.data.source import list_pictures
from neocog.errors import UserError
from neocog.inference.feature_files import is_features_file
from neocog.inference.network import Floats
from neocog.progress import Progress
from neocog.retrieval.contents import numbered
from neocog.retrieval.space import Indices

OF_MACHINE = ("weights", "model", "download", "engine", "device", "cache", "strict")
"""options that hold for queries, too; others say how DATA are read, or are known from the features"""


@dataclass(frozen=True, eq=False)
class Index:
    """Readable pictures, each with a row of features."""

    embedded: Embedded
    layer: str
    contents: Indices
    """(n,), a number for each content, in the order of the hashes: copies have the same"""

    @property
    def dataset(self) -> Dataset:
        return self.embedded.dataset

    @property
    def features(self) -> Floats:
        return self.embedded.features[self.layer]

    @property
    def labels(self) -> Indices:
        """(n,), the class of each picture; -1 where it has none, or several."""
        if self.dataset.targets is not None:
            return np.full(len(self.dataset), UNLABELLED, np.int64)
        return self.dataset.labels

    def label(self, row: int) -> str:
        """The class, or the classes joined, as a person reads them; nothing where there is none."""
        return "".join(label_names(self.dataset, np.array([row])))

    def path(self, row: int) -> str:
        return self.dataset.short_name(row)

    def entry(self, row: int, reason: str) -> Entry:
        """The line of a quarantine list that leaves this picture out."""
        return Entry(self.path(row), self.embedded.hashes[row].tobytes().hex(), reason)


def index_of(source: str | Path, data: object, told: Progress, options: EmbedOptions) -> Index:
    """The features of `data` by `source`. Raises UserError in words."""
    found = embedded(source, data, told, **options)
    if len(found.features) != 1:
        there = ", ".join(found.features)
        raise UserError(f"retrieve looks at one layer, got {there}; choose one of them with --layer")
    return Index(found, next(iter(found.features)), numbered(found.hashes))


def queries_of(
    pictures: object,
    source: str | Path,
    index: Index,
    told: Progress,
    options: EmbedOptions,
    by: str | Path | None = None,
) -> Embedded:
    """The features of further pictures, by the network that made those of the index.

    Where `source` is a file of features, `by` says which network that was; the model of that name if not given.
    """
    given = _places(pictures)
    samples = as_samples(pictures) if given is None else list_pictures(given)
    n = len(samples)
    asked = Dataset("queries", samples, np.full(n, UNLABELLED, np.int64), (), np.full(n, ""), listed=True)
    from_file = is_features_file(Path(source).expanduser())
    if by is not None and not from_file:
        raise UserError(f"by is for features from a file, {source} embeds the queries itself; leave it out")
    network = (by or index.embedded.origin.model) if from_file else source
    found = embedded(network, asked, told, **_alike(network, index.embedded, options))
    _demand_alike(index.embedded.origin, found.origin)
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
        raise UserError(
            f"queries must be seen as the pictures of the index were, by {origin.model} ({origin.source}), got other "
            f"{', '.join(differing)} of {given.model} ({given.source}); name the network with --by, or embed anew"
        )


def _places(pictures: object) -> Sequence[str | Path] | None:
    """The paths of files or folders; None where the pictures themselves were given."""
    if isinstance(pictures, str | Path):
        return [pictures]
    if isinstance(pictures, list | tuple) and all(isinstance(one, str | Path) for one in pictures):
        return list(pictures)
    return None
