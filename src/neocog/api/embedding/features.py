"""The features of labelled pictures, in memory: from a model's name, a run, or a file that `neocog embed` wrote."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Unpack

import numpy as np

from neocog.api.embedding.embedded import Embedded as Embedded
from neocog.api.embedding.files import from_file
from neocog.api.embedding.options import EmbedOptions as EmbedOptions
from neocog.api.embedding.options import is_half
from neocog.api.embedding.origin import Origin as Origin
from neocog.api.embedding.ready import Ready
from neocog.api.embedding.sources import ready
from neocog.data.dataset import Dataset, judged_part
from neocog.data.quarantine import demand_readable
from neocog.data.reading import ReadingOptions, make_reading
from neocog.data.source import open_dataset
from neocog.errors import UserError
from neocog.inference.feature_files import SUFFIXES, is_features_file
from neocog.inference.layer_features import Gathered, gather, tells_nothing
from neocog.progress import Progress


def embedded(source: str | Path, data: object, told: Progress, **options: Unpack[EmbedOptions]) -> Embedded:
    """The features of `data` by the model or run `source`, or from a file that `neocog embed` wrote.

    From a file `data` may be None: its own pictures. Else they are found by their content, under any name.
    `EmbedOptions` says what may be given.
    """
    path = Path(source).expanduser()
    if is_features_file(path):
        there = None if data is None else part_of(opened(data, told, options), told, options)
        return from_file(path, there, told, options)
    if path.suffix.lower() in SUFFIXES:
        raise UserError(f"{source} does not exist; give a file that neocog embed wrote, or a model or run")
    if data is None:
        raise UserError(f"pictures are needed, {source} is no file of features; give DATA")
    dataset, found, made = gathered(source, data, told, options)
    skipped = demand_some(dataset, found, options.get("strict", False))
    features = {layer: rows.astype(np.float32, copy=False) for layer, rows in found.features.items()}
    readable = dataset.select(found.indices) if skipped else dataset
    return Embedded(readable, features, found.hashes, skipped, made.origin, found.cached, made.engine)


def gathered(
    source: str | Path, data: object, told: Progress, options: EmbedOptions, spool: Path | None = None
) -> tuple[Dataset, Gathered, Ready]:
    """The pictures, their features, in memory or in files of the folder `spool`, and what computed them."""
    half, cached = is_half(options), options.get("cache", True)
    whole = opened(data, told, options)
    made = ready(source, whole, told, options)  # by all of the data, so that it is the same for each part
    dataset = part_of(whole, told, options)
    found = gather(dataset.samples, made.way, told, cached=cached, half=half, spool=spool)
    _warn(found, told)
    return dataset, found, made


def _warn(found: Gathered, told: Progress) -> None:
    """Say which layers give the same for pictures that are not the same."""
    if not len(found.hashes) or (found.hashes == found.hashes[0]).all():
        return
    for layer, rows in found.features.items():
        if tells_nothing(rows):
            told.say(
                f"warning: {layer} is the same for all {len(rows):,} pictures, so it tells nothing apart; look at "
                "the weights, the layer and --img-size"
            )


def opened(data: object, told: Progress, options: EmbedOptions) -> Dataset:
    """The pictures, labelled or not."""
    reading = {key: options[key] for key in ReadingOptions.__annotations__ if key in options}  # type: ignore[literal-required]
    return open_dataset(
        data, replace(make_reading(**reading), download=options.get("download", False), progress=told)
    )


def part_of(dataset: Dataset, told: Progress, options: EmbedOptions) -> Dataset:
    """One part of the pictures where that was asked for."""
    part = options.get("part")
    chosen = judged_part(dataset, part) if part else dataset
    for note in chosen.notes:
        told.say(note)
    return chosen


def demand_some(dataset: Dataset, found: Gathered, strict: bool) -> tuple[tuple[str, str], ...]:
    """(name, reason) of what cannot be read; UserError where nothing can, or with `strict` where anything cannot."""
    if strict:
        demand_readable(dataset, list(found.skipped))
    skipped = tuple((dataset.samples.name(i), reason) for i, reason in found.skipped)
    if not len(found.indices):
        raise UserError(f"no picture of {dataset.name} can be read ({': '.join(skipped[0])})")
    return skipped
