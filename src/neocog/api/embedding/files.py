"""Features in files: written with what they are of, and taken again for the pictures of any data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neocog.api.embedding.embedded import Embedded
from neocog.api.embedding.options import OF_NETWORKS, EmbedOptions
from neocog.api.embedding.origin import Origin
from neocog.data.dataset import Dataset, judged_part
from neocog.data.samples import Files
from neocog.errors import UserError, unknown
from neocog.inference.feature_files import Contents, read_contents
from neocog.inference.layer_features import Gathered
from neocog.inference.stream import stream
from neocog.progress import Progress

DEFAULTS = {"pooling": "mean", "views": "center"}
"""which nobody need have said"""
NAMED = 3  # pictures that an error names


def contents_of(dataset: Dataset, found: Gathered, origin: Origin) -> Contents:
    """What is written into a file."""
    indices = found.indices
    root = None if dataset.root is None else str(dataset.root)
    return Contents(
        found.features,
        found.hashes,
        dataset.labels[indices],
        dataset.classes,
        dataset.parts[indices],
        lambda row: dataset.short_name(int(indices[row])),
        None if dataset.targets is None else dataset.targets[indices],
        {"origin": origin.to_json(), "data": {"name": dataset.name, "root": root}},
    )


def read_features(path: str | Path) -> Embedded:
    """What `neocog embed -o` wrote: features, labels, classes, paths, parts, hashes, and what they are of.

    Pictures can be read where they still lie in their folder. UserError where the file is damaged or another one.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise UserError(f"{path} does not exist; give a file that neocog embed wrote")
    kept = read_contents(path)
    try:
        origin, data = Origin.from_json(kept.about["origin"]), kept.about["data"]
        dataset = _dataset(kept, str(data["name"]), data["root"])
    except (KeyError, TypeError) as error:
        raise UserError(
            f"{path} does not say what its features are of; make it again with neocog embed"
        ) from error
    features = {layer: np.asarray(rows, np.float32) for layer, rows in kept.features.items()}
    return Embedded(dataset, features, np.asarray(kept.hashes), (), origin, len(kept))


def from_file(path: Path, data: Dataset | None, told: Progress, options: EmbedOptions) -> Embedded:
    """The features of `data`, or of the file's own pictures, from a file; UserError where it lacks a picture."""
    kept = _layers(read_features(path), path, options)
    if data is None:
        part = options.get("part")
        if not part:
            return kept
        marked = replace(kept.dataset, columns={"row": np.arange(len(kept.dataset))})
        chosen = judged_part(marked, part)
        return _rows(kept, replace(chosen, columns={}), chosen.columns["row"], kept.skipped)
    indices, hashes, skipped = hashed(data, told)
    places = {content.tobytes(): row for row, content in enumerate(kept.hashes)}
    rows = [places.get(content.tobytes(), -1) for content in hashes]
    lacking = [data.short_name(int(i)) for i, row in zip(indices, rows, strict=True) if row < 0]
    if lacking:
        named = ", ".join(lacking[:NAMED])
        raise UserError(
            f"{path} lacks {len(lacking):,} of {len(rows):,} pictures of {data.name} ({named}), which are known by "
            "their content; run neocog embed on these data"
        )
    names = tuple((data.samples.name(i), reason) for i, reason in skipped)
    return _rows(kept, data.select(indices), np.array(rows, np.int64), names)


def _rows(
    kept: Embedded, dataset: Dataset, rows: NDArray[np.int64], skipped: tuple[tuple[str, str], ...]
) -> Embedded:
    features = {layer: table[rows] for layer, table in kept.features.items()}
    return Embedded(dataset, features, kept.hashes[rows], skipped, kept.origin, len(rows))


def _layers(kept: Embedded, path: Path, options: EmbedOptions) -> Embedded:
    """Those layers that were asked for; UserError where something else was that the file does not have."""
    given: dict[str, Any] = {name: options.get(name) for name in OF_NETWORKS if options.get(name)}
    wanted = given.pop("layers", ())
    for name, value in given.items():
        own = getattr(kept.origin, name, None)
        if value not in (own, DEFAULTS.get(name)):
            says = f"of {name} {own}" if own else "computed already"
            raise UserError(
                f"the features of {path} are {says}, got {name} {value}; leave it out, or run neocog embed with it"
            )
    layers = [wanted] if isinstance(wanted, str) else list(wanted)
    odd = next((layer for layer in layers if layer not in kept.features), None)
    if odd is not None:
        raise unknown(f"layer of {path}", odd, kept.features)
    chosen = layers or list(kept.features)
    features = {layer: kept.features[layer] for layer in chosen}
    return replace(kept, features=features, origin=kept.origin.of(chosen))


def hashed(
    data: Dataset, told: Progress
) -> tuple[NDArray[np.int64], NDArray[np.uint8], list[tuple[int, str]]]:
    """Places and hashes of the pictures that can be opened, and which cannot; none is decoded."""
    nothing = np.zeros(1, np.float32)
    indices: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
    hashes: list[NDArray[np.uint8]] = [np.empty((0, 32), np.uint8)]
    skipped: list[tuple[int, str]] = []
    with told.step("hashes", len(data)) as advance:
        for part in stream(data.samples, lambda picture: nothing, lambda rows: rows):
            indices.append(part.indices)
            hashes.append(part.hashes)
            skipped += part.skipped
            advance(len(part.indices) + len(part.skipped))
    return np.concatenate(indices), np.concatenate(hashes), skipped


def _dataset(kept: Contents, name: str, root: str | None) -> Dataset:
    place = None if root is None else Path(root)
    paths = [path for some in kept.paths() for path in some]
    return Dataset(
        name,
        Files(path if place is None else place / path for path in paths),
        np.asarray(kept.labels, np.int64),
        kept.classes,
        kept.parts,
        place,
        None if kept.targets is None else np.asarray(kept.targets, bool),
        listed=True,
    )
