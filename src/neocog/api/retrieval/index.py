"""The pictures that are looked among, with the features of one layer; and the features of queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neocog.api.embedding.features import Embedded, EmbedOptions, embedded
from neocog.data.checks.labels import label_names
from neocog.data.dataset import UNLABELLED, Dataset
from neocog.data.quarantine import Entry
from neocog.data.reading import ReadingOptions
from neocog.data.samples import as_samples
from neocog.data.source import list_pictures
from neocog.errors import UserError
from neocog.inference.network import Floats
from neocog.progress import Progress
from neocog.retrieval.contents import numbered
from neocog.retrieval.space import Indices

OF_DATA = (*ReadingOptions.__annotations__, "part")
"""options that say something about DATA and nothing about queries"""


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
    pictures: object, source: str | Path, index: Index, told: Progress, options: EmbedOptions
) -> Embedded:
    """The features of pictures that are no part of the index, by the network that made those of the index."""
    given = _places(pictures)
    samples = as_samples(pictures) if given is None else list_pictures(given)
    n = len(samples)
    asked = Dataset("queries", samples, np.full(n, UNLABELLED, np.int64), (), np.full(n, ""), listed=True)
    own: EmbedOptions = {key: value for key, value in options.items() if key not in OF_DATA}  # type: ignore[assignment]
    origin = index.embedded.origin
    found = embedded(origin.model if Path(source).is_file() else source, asked, told, **own)
    if found.origin.key() != origin.key():
        raise UserError(
            f"queries must be seen as the pictures of the index were, by {origin.model} ({origin.source}), got "
            f"{found.origin.model} ({found.origin.source}); embed the pictures anew with the network of today"
        )
    return found


def _places(pictures: object) -> Sequence[str | Path] | None:
    """The paths of files or folders; None where the pictures themselves were given."""
    if isinstance(pictures, str | Path):
        return [pictures]
    if isinstance(pictures, list | tuple) and all(isinstance(one, str | Path) for one in pictures):
        return list(pictures)
    return None
