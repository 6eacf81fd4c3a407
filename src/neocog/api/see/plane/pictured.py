"""Pictures of some data, or of several, with the features that a view shows: chosen first, so that few are computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from neocog.api.embedding.features import EmbedOptions, demand_some, embedded, opened, part_of
from neocog.api.embedding.origin import Origin
from neocog.api.embedding.sources import ready
from neocog.data.balanced import balanced
from neocog.data.dataset import Dataset
from neocog.data.manifest import label_text
from neocog.data.samples import Joined, Samples
from neocog.errors import UserError
from neocog.inference.feature_files import SUFFIXES, is_features_file
from neocog.inference.layer_features import gather, tells_nothing
from neocog.inference.network import Floats
from neocog.progress import Progress

Color = Literal["label", "part", "domain", "group"]
"""what is known of a picture besides its content"""
Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Pictured:
    """Readable pictures with their features; every array has a row for each."""

    samples: Samples
    names: tuple[str, ...]
    features: dict[str, Floats]
    """layer -> (n, d)"""
    said: dict[str, NDArray[np.str_]]
    """of each `Color` that is known what it is for each picture; nothing where a picture has none"""
    order: dict[str, tuple[str, ...]]
    """of each of these the names that occur, in the order of the data"""
    of: int
    """how many pictures there are to choose from"""
    skipped: tuple[tuple[str, str], ...]
    """(name, reason) of each chosen picture that cannot be read"""
    origin: Origin
    data: tuple[str, ...]

    def groups(self, colour: str) -> Indices:
        """(n,), the place of each picture's group in `order[colour]`; -1 where it has none."""
        places = {name: i for i, name in enumerate(self.order[colour])}
        return np.array([places.get(name, -1) for name in self.said[colour].tolist()], np.int64)


def pictured(
    source: str | Path, data: Sequence[object], most: int, told: Progress, options: EmbedOptions
) -> Pictured:
    """At most `most` pictures of all `data`, as many of each domain and class, with the features of `source`.

    `source` is a model, a run, or a file of features, of which `data` may be left out. UserError where a layer gives
    the same for all pictures.
    """
    if is_features_file(Path(source).expanduser()):
        found = _of_file(source, data, most, told, options)
    else:
        found = _computed(source, data, most, told, options)
    for layer, rows in found.features.items():
        if tells_nothing(rows):
            raise UserError(
                f"{layer} is the same for all {len(rows):,} pictures, so there is nothing to draw; look at the "
                "weights, the layer and --img-size"
            )
    return found


def _computed(
    source: str | Path, data: Sequence[object], most: int, told: Progress, options: EmbedOptions
) -> Pictured:
    if Path(source).suffix.lower() in SUFFIXES:
        raise UserError(f"{source} does not exist; give a file that neocog embed wrote, or a model or run")
    if not data:
        raise UserError(f"pictures are needed, {source} is no file of features; give DATA")
    wholes = [opened(one, told, options) for one in data]
    made = ready(source, wholes[0], told, options)
    sets = [part_of(one, told, options) for one in wholes]
    chosen = [one.select(rows) for one, rows in zip(sets, _chosen(sets, most), strict=True)]
    samples = Joined([one.samples for one in chosen])
    found = gather(samples, made.way, told, cached=options.get("cache", True))
    named = replace(chosen[0], name=", ".join(one.name for one in chosen), samples=samples)
    demand_some(named, found, options.get("strict", False))
    short = [one.short_name(i) for one in chosen for i in range(len(one))]
    skipped = tuple((short[i], reason) for i, reason in found.skipped)
    ends = np.cumsum([0, *map(len, chosen)])
    kept = [
        one.select(found.indices[(found.indices >= low) & (found.indices < high)] - low)
        for one, low, high in zip(chosen, ends[:-1], ends[1:], strict=True)
    ]
    features = {layer: rows.astype(np.float32, copy=False) for layer, rows in found.features.items()}
    return _pictured(kept, features, skipped, made.origin, sum(map(len, sets)))


def _of_file(
    source: str | Path, data: Sequence[object], most: int, told: Progress, options: EmbedOptions
) -> Pictured:
    found = [embedded(source, one, told, **options) for one in (data or (None,))]
    sets = [one.dataset for one in found]
    rows = _chosen(sets, most)
    features = {
        layer: np.concatenate([one.features[layer][some] for one, some in zip(found, rows, strict=True)])
        for layer in found[0].features
    }
    kept = [one.select(some) for one, some in zip(sets, rows, strict=True)]
    skipped = tuple((_below(one.dataset.root, name), why) for one in found for name, why in one.skipped)
    return _pictured(kept, features, skipped, found[0].origin, sum(map(len, sets)))


def _chosen(sets: Sequence[Dataset], most: int) -> list[Indices]:
    """The rows of each data set that are taken."""
    kinds = [f"{domain} {kind}" for domain, one in enumerate(sets) for kind in _kinds(one)]
    taken = balanced(np.array(kinds), most)
    ends = np.cumsum([0, *map(len, sets)])
    return [
        taken[(taken >= low) & (taken < high)] - low for low, high in zip(ends[:-1], ends[1:], strict=True)
    ]


def _kinds(dataset: Dataset) -> list[str]:
    if dataset.targets is None:
        return [str(label) for label in dataset.labels.tolist()]
    return [row.tobytes().hex() for row in dataset.targets]


def _below(root: Path | None, name: str) -> str:
    path = Path(name)
    return path.relative_to(root).as_posix() if root and path.is_relative_to(root) else name


def _pictured(
    sets: Sequence[Dataset],
    features: dict[str, Floats],
    skipped: tuple[tuple[str, str], ...],
    origin: Origin,
    of: int,
) -> Pictured:
    said = _said(sets)
    classes = [name for one in sets for name in one.classes]
    order = {}
    for colour, values in said.items():
        there = set(values.tolist()) - {""}
        first = [name for name in dict.fromkeys(classes) if name in there] if colour == "label" else []
        order[colour] = (
            *first,
            *(name for name in dict.fromkeys(values.tolist()) if name in there - {*first}),
        )
    return Pictured(
        samples=Joined([one.samples for one in sets]),
        names=tuple(one.short_name(i) for one in sets for i in range(len(one))),
        features=features,
        said=said,
        order=order,
        of=of,
        skipped=skipped,
        origin=origin,
        data=tuple(_domains(sets)),
    )


def _said(sets: Sequence[Dataset]) -> dict[str, NDArray[np.str_]]:
    said = {
        "label": np.array([label_text(one, i) for one in sets for i in range(len(one))]),
        "part": np.concatenate([one.parts for one in sets]).astype(str),
        "domain": np.repeat(_domains(sets), list(map(len, sets))) if len(sets) > 1 else np.array([]),
        "group": np.concatenate(
            [np.asarray(one.columns.get("group", np.full(len(one), ""))).astype(str) for one in sets]
        ),
    }
    return {colour: values for colour, values in said.items() if (values != "").any()}


def _domains(sets: Sequence[Dataset]) -> list[str]:
    """Names of the data, each its own."""
    names = [one.name for one in sets]
    return [name if names.count(name) == 1 else f"{name} ({i + 1})" for i, name in enumerate(names)]
