"""The pictures that are looked among, with the features of one layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from neocog.api.embedding.features import Embedded, EmbedOptions, embedded, opened
from neocog.data.checks.labels import label_names
from neocog.data.dataset import UNLABELLED, Dataset, judged_part
from neocog.data.quarantine import Entry
from neocog.data.reading import ReadingOptions
from neocog.errors import UserError
from neocog.inference.feature_files import is_features_file
from neocog.inference.network import Floats
from neocog.progress import Progress
from neocog.retrieval.contents import numbered
from neocog.retrieval.space import Indices


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
        return one_label(self.dataset)

    def label(self, row: int) -> str:
        """The class, or the classes joined, as a person reads them; nothing where there is none."""
        return "".join(label_names(self.dataset, np.array([row])))

    def path(self, row: int) -> str:
        return self.dataset.short_name(row)

    def entry(self, row: int, reason: str) -> Entry:
        """The line of a quarantine list that leaves this picture out."""
        return Entry(self.path(row), self.embedded.hashes[row].tobytes().hex(), reason)


def one_label(dataset: Dataset) -> Indices:
    """(n,), the class of each picture; -1 where it has none, or several."""
    if dataset.targets is not None:
        return np.full(len(dataset), UNLABELLED, np.int64)
    return dataset.labels


def index_of(
    source: str | Path,
    data: object,
    told: Progress,
    options: EmbedOptions,
    check: Callable[[Dataset], object],
) -> Index:
    """The features of `data` by `source`. Raises UserError in words; `check` may do so before anything is computed."""
    if data is not None and not is_features_file(Path(source).expanduser()):
        data = opened(data, told, options)
        options = _without_reading(options)
        part = options.get("part")
        check(judged_part(data, part) if part else data)
    found = embedded(source, data, told, **options)
    if len(found.features) != 1:
        there = ", ".join(found.features)
        raise UserError(f"retrieve looks at one layer, got {there}; choose one of them with --layer")
    check(found.dataset)
    return Index(found, next(iter(found.features)), numbered(found.hashes))


def _without_reading(options: EmbedOptions) -> EmbedOptions:
    """Once data are read nothing more can be said about how."""
    rest = {name: value for name, value in options.items() if name not in ReadingOptions.__annotations__}
    return cast("EmbedOptions", rest)
