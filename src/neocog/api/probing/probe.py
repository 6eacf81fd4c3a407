"""The verb `probe`: how well classifiers do on the features of a frozen network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Unpack

import numpy as np
from numpy.typing import NDArray

from neocog import files
from neocog.api.alone import demand_alone
from neocog.api.embedding.features import Embedded, EmbedOptions, embedded
from neocog.api.embedding.options import FeatureOptions
from neocog.api.keywords import demand_known
from neocog.api.probing.boxes import Cut
from neocog.api.probing.candidates import Candidate, candidates
from neocog.api.probing.divisions import Divided, divided, with_published_splits
from neocog.api.probing.layers import ALL, stages_of
from neocog.api.probing.measured import measure
from neocog.api.probing.options import Asked, ProbeOptions, asked_for, listed
from neocog.api.probing.page import page_of
from neocog.api.probing.parted import cells_of, parted
from neocog.api.probing.result import Probe
from neocog.api.probing.saving import demand_savable, save_run
from neocog.api.probing.taught import taught
from neocog.data.dataset import Dataset, labelled
from neocog.data.reading import ReadingOptions, make_reading
from neocog.data.source import open_dataset
from neocog.draw.probing import probe_page
from neocog.errors import UserError
from neocog.progress import Progress, Silent

REPORT, FIGURES = "probe.html", "probe.json"


def probe(
    source: str | Path,
    data: object = None,
    *,
    output: str | Path | None = None,
    progress: Progress | None = None,
    **options: Unpack[ProbeOptions],
) -> Probe:
    """Fit classifiers to the features that `source` has for labelled `data`, and judge them on pictures held out.

    `source` is a model's name, a run, or a file of features as `embed` writes it, which needs no `data`. `ProbeOptions`
    says what may be asked: kinds of classifier, layers, how often and of how many pictures per class is learned, or the
    protocol of a paper. With `output` a page and the figures are written into that folder. Raises `UserError` in words.
    """
    demand_known("probe", options, ProbeOptions.__annotations__)
    demand_alone("probe")
    told = progress or Silent()
    asked = asked_for(options)
    demand_savable(source, asked, options)
    folder = None if output is None else files.make_result_folder(Path(output).expanduser(), FIGURES)
    start = perf_counter()
    found, todo = _features(source, data, asked, told, options)
    result = _probed(found, todo, asked, told, round(perf_counter() - start, 3), taught(source))
    if asked.save is not None:
        saved = save_run(asked.save, source, found, result, options)
        told.say(f"saved {saved.name} in {asked.save}")
    if folder is not None:
        figures = json.dumps(result.to_json(), indent=2, ensure_ascii=False)
        files.write_text(folder / REPORT, probe_page(page_of(result)))
        files.write_text(folder / FIGURES, f"{figures}\n")
    return result


def _probed(
    found: Embedded,
    todo: Sequence[Candidate],
    asked: Asked,
    told: Progress,
    took: float,
    known: frozenset[str],
) -> Probe:
    """All classifiers on all layers; `took` seconds brought the features of a network that saw the `known` contents."""
    labels, classes = found.dataset.labels, found.dataset.classes
    parts = divided(found.dataset, found.hashes, asked)
    leaked = _leaked(parts, found.hashes)
    if leaked:
        told.say(
            f"warning: {leaked:,} pictures judge that train, too: figures count what was learned by heart"
        )
    start = perf_counter()
    measured = tuple(measure(todo, labels, len(classes), parts, asked, told))
    result = Probe(
        model=found.origin.model,
        source=found.origin.source,
        data=found.dataset.name,
        classes=classes,
        layers=tuple(found.features),
        views=found.origin.views,
        asked=asked,
        labels=labels,
        divided=parts,
        measured=measured,
        skipped=found.skipped,
        parts=todo[0].parts,
        leaked=leaked,
        trained_on=_trained_on(parts, found.hashes, known),
        seconds={"features": took, "classifiers": round(perf_counter() - start, 3)},
    )
    if result.warning:
        told.say(f"warning: {result.warning}")
    return result


def _features(
    source: str | Path, data: object, asked: Asked, told: Progress, options: ProbeOptions
) -> tuple[Embedded, tuple[Candidate, ...]]:
    """The features of the labelled pictures, and what is to be fitted to them."""
    wanted: EmbedOptions = {key: options[key] for key in FeatureOptions.__annotations__ if key in options}  # type: ignore[literal-required, assignment]
    wanted["layers"] = listed(options.get("layers", ()))
    if tuple(wanted["layers"]) == (ALL,):
        wanted["layers"] = stages_of(source)
        told.say(f"layers: {', '.join(wanted['layers'])}")
    prepared = _prepared(data, asked, told, options)
    if prepared is not None:
        for key in ReadingOptions.__annotations__:
            wanted.pop(key, None)  # type: ignore[misc]
    pictures = data if prepared is None else prepared
    if not asked.boxes:
        found = _labelled(embedded(source, pictures, told, **wanted))
        return found, candidates(found.features, asked)
    whole, regions = parted(source, pictures, asked.boxes, told, wanted)
    found = _labelled(whole)
    return found, candidates(found.features, asked, regions.parts, cells_of(source, regions))


def _prepared(data: object, asked: Asked, told: Progress, options: ProbeOptions) -> Dataset | None:
    """The data as the protocol wants them read; None where they are read as everywhere."""
    protocol = asked.protocol
    if protocol is None or not (protocol.published or protocol.box):
        return None
    if data is None:
        if protocol.box:
            raise UserError(
                f"{protocol.name} cuts pictures to their boxes, so it needs DATA, got features alone"
            )
        return None
    given = {key: options[key] for key in ReadingOptions.__annotations__ if key in options}  # type: ignore[literal-required]
    reading = replace(make_reading(**given), download=options.get("download", False), progress=told)
    dataset = open_dataset(data, reading)
    if protocol.box:
        if "box" not in dataset.columns:
            raise UserError(f"{protocol.name} needs a box for each picture, got none in {dataset.name}")
        return replace(dataset, samples=Cut(dataset.samples, dataset.columns["box"], protocol.box))
    if dataset.name != protocol.data:
        return dataset
    return with_published_splits(data, reading, protocol.published) or dataset


def _labelled(found: Embedded) -> Embedded:
    """The pictures of which it is known what they show."""
    if found.dataset.targets is not None:
        raise UserError("a probe needs one class for each picture, got pictures of several")
    dataset = labelled(found.dataset)
    if len(dataset) == len(found.dataset):
        return found
    rows = np.flatnonzero(found.dataset.labels >= 0)
    features = {name: matrix[rows] for name, matrix in found.features.items()}
    return replace(found, dataset=dataset, features=features, hashes=found.hashes[rows])


def _leaked(parts: Divided, hashes: NDArray[np.uint8]) -> int:
    """Pictures that judge and train, over all divisions."""
    contents = [row.tobytes() for row in hashes]
    return sum(
        len([i for i in one.judge if contents[i] in trained])
        for one in parts.divisions
        for trained in [{contents[i] for i in one.train}]
    )


def _trained_on(parts: Divided, hashes: NDArray[np.uint8], known: frozenset[str]) -> int:
    """Pictures that judge in any division and that the network has seen."""
    judges = np.unique(np.concatenate([one.judge for one in parts.divisions]))
    return sum(hashes[i].tobytes().hex() in known for i in judges)
