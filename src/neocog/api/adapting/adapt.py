"""A table of adaptation methods from one domain to another, as the lecture has it for Amazon and Webcam."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

from neocog import files
from neocog.api.adapting.draws import splits
from neocog.api.adapting.judged import outcomes, without_slow
from neocog.api.adapting.norms import with_adapted_norms
from neocog.api.adapting.options import AdaptOptions, Asked, asked, names
from neocog.api.adapting.pair import Pair, paired, with_column
from neocog.api.adapting.places import Place, beside, places_of
from neocog.api.adapting.result import FIGURES, Adaptation
from neocog.api.alone import demand_alone
from neocog.api.embedding.classical import is_classical
from neocog.api.embedding.features import Embedded, embedded, opened
from neocog.api.keywords import demand_known
from neocog.progress import Progress, Silent

OWN = ("domains", "beside", "labels_per_class", "source_per_class", "splits", "seed", "methods", "behind")
"""options that are not about features"""


def adapt(
    network: str | Path | None = None,
    *,
    source: object,
    target: object,
    output: str | Path | None = None,
    progress: Progress | None = None,
    **options: Unpack[AdaptOptions],
) -> Adaptation:
    """How well what is learned from `source` does in `target`, with and without adaptation, on frozen features.

    `network` is a model's name, a run, or a file of features that has both domains' pictures; it may be left out where
    `source` and `target` are files of features themselves. Classes are matched by name. With `output` a page and the
    figures are written into that folder.
    """
    demand_known("adapt", options, AdaptOptions.__annotations__)
    demand_alone("adapt")
    told, what = progress or Silent(), asked(options)
    folder = None if output is None else files.make_result_folder(Path(output).expanduser(), FIGURES)
    report = _adapted(network, source, target, what, options, told)
    if folder is not None:
        report.write(folder)
    return report


def _adapted(
    network: str | Path | None,
    source: object,
    target: object,
    what: Asked,
    options: AdaptOptions,
    told: Progress,
) -> Adaptation:
    places = places_of(network, source, target, options.get("domains"), _of_features(options))
    found, places = _both(places, told)
    skipped = tuple(gone for each in found for gone in each.skipped)
    for path, reason in skipped:
        told.say(f"skipped {path}: {reason}")
    pair = _with_columns(paired(*found), places, names(options.get("beside")), told)
    drawn = splits(pair, what)
    what, slow = without_slow(pair, what)
    what, adapted, why = with_adapted_norms(pair, places, what, told)
    rows = tuple(outcomes(pair, adapted, drawn, what, told))
    return Adaptation(pair, drawn, what, rows, skipped, (*slow, *why))


def _with_columns(pair: Pair, places: tuple[Place, Place], methods: tuple[str, ...], told: Progress) -> Pair:
    """The pair with a column for each classical method; what was left out of it is said."""
    for name in methods:
        further, _ = _both(beside(places, name), told)
        pair = with_column(pair, name, *further)
    for note in pair.notes:
        told.say(note)
    return pair


def _both(
    places: tuple[Place, Place], told: Progress
) -> tuple[tuple[Embedded, Embedded], tuple[Place, Place]]:
    """The features of both, alike: decoded as the source is, a classical method's words learned from the source."""
    first, second = places
    if is_classical(first.features) and first.data is not None and "learn_from" not in second.options:
        reading: Any = first.options
        second = replace(second, options=second.options | {"learn_from": opened(first.data, told, reading)})
    source = embedded(first.features, first.data, told, **first.options)
    target = embedded(second.features, second.data, told, **second.options)
    decoding = source.origin.preprocess.get("decoding")
    if target.origin.preprocess.get("decoding") != decoding and second.data is not None:
        second = replace(second, options=second.options | {"decoding": decoding})
        target = embedded(second.features, second.data, told, **second.options)
    return (source, target), (first, second)


def _of_features(options: AdaptOptions) -> dict[str, Any]:
    """What `embedded` takes of them, under its names."""
    given = {name: value for name, value in options.items() if name not in OWN}
    given["layers"] = names(options.get("layers"))
    return given
