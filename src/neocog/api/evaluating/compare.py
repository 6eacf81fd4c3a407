"""The verb `compare`: several classifiers on the same pictures, and whether their differences are real."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from time import perf_counter
from typing import Unpack

import numpy as np

from neocog import files
from neocog.api.alone import demand_alone
from neocog.api.classifier import Classifier
from neocog.api.evaluating.comparison import Compared, Comparison
from neocog.api.evaluating.comparison_page import page_of_comparison
from neocog.api.evaluating.cost import cost_of
from neocog.api.evaluating.evaluate import (
    asked_for,
    judged_data,
    loaded_for,
)
from neocog.api.evaluating.judge import Asked, answering_of, judge
from neocog.api.evaluating.options import EvalOptions
from neocog.api.evaluating.scored import Scored
from neocog.api.networks import run_and_epoch
from neocog.data.dataset import Dataset
from neocog.data.preprocess import Preprocess
from neocog.data.samples import Subset
from neocog.draw.comparison import comparison_page
from neocog.errors import UserError
from neocog.inference.stream import stream
from neocog.progress import Progress, Silent

WARM = 64  # pictures answered before the clock runs
REPORT, FIGURES = "compare.html", "compare.json"


def compare(
    runs: Sequence[str | Path],
    data: object,
    *,
    output: str | Path | None = None,
    progress: Progress | None = None,
    **options: Unpack[EvalOptions],
) -> Comparison:
    """Set `runs`, folders or published models, beside each other on labelled `data`.

    Each answers all pictures by itself; those that trained one of the runs, known by their content, or that one cannot
    read are left out for all. A difference counts as real where McNemar's exact test (1947) on the pictures
    that one of two alone gets right has p < 0.05, adjusted by Holm (1979) over all pairs. With `output` a page and the
    figures are written into that folder. `options` are those of `evaluate`. Raises `UserError` in words.
    """
    demand_alone("compare")
    told = progress or Silent()
    names = (str(runs),) if isinstance(runs, str | Path) else tuple(str(run) for run in runs)
    _demand_different(names)
    if extra := [name for name in ("ensemble", "soup", "exact") if options.get(name)]:
        raise UserError(f"compare sets single runs beside each other; leave {' and '.join(extra)} out")
    folder = None if output is None else files.make_result_folder(Path(output), FIGURES)
    dataset = judged_data(data, told, options, options.get("part"), labels=not options.get("label_sets"))
    loaded = [_loaded(run, dataset, told, options) for run in names]
    asked = asked_for(options, dataset)
    timed = [_timed(one, dataset, asked, told) for one in loaded]
    for name, (scored, _) in zip(names, timed, strict=True):
        _warn(name, scored, told)
    kept, left_out = _fair([scored for scored, _ in timed], told)
    found = Comparison(
        dataset.name,
        tuple(
            Compared(name, one.loaded.network.name, scored, cost_of(one.loaded, scored.how, rate))
            for name, one, scored, (_, rate) in zip(names, loaded, kept, timed, strict=True)
        ),
        left_out,
    )
    if folder is not None:
        _write(folder, found, dataset, loaded[0].preprocess)
    return found


def _write(folder: Path, found: Comparison, dataset: Dataset, preprocess: Preprocess) -> None:
    files.write_text(folder / REPORT, comparison_page(page_of_comparison(found, dataset, preprocess)))
    files.write_text(folder / FIGURES, json.dumps(found.to_json(), indent=2, ensure_ascii=False) + "\n")


def _demand_different(names: Sequence[str]) -> None:
    """However they are spelled."""
    found = {name: run_and_epoch(name) for name in names}
    places = {(str(folder.resolve()) if folder else name, epoch) for name, (folder, epoch) in found.items()}
    if len(places) < len(names) or len(names) < 2:
        raise UserError(f"compare at least two different runs, got {', '.join(names) or 'none'}")


def _loaded(run: str, dataset: Dataset, told: Progress, options: EvalOptions) -> Classifier:
    one = loaded_for(run, dataset, told, options)
    if one.several:
        raise UserError(f"runs that name one class per picture are compared, {run} names several")
    return one


def _timed(one: Classifier, dataset: Dataset, asked: Asked, told: Progress) -> tuple[Scored, float]:
    """The scores and pictures a second, once the engine and the first pictures are warm."""
    member = one.member()
    way, first = answering_of(member, asked), Subset(dataset.samples, np.arange(min(WARM, len(dataset))))
    for _ in stream(first, way.prepare, way.answer, batch=way.batch):
        pass
    start = perf_counter()
    scored = judge([member], dataset, asked, told)
    assert isinstance(scored, Scored)
    return scored, len(dataset) / (perf_counter() - start)


def _warn(name: str, scored: Scored, told: Progress) -> None:
    if scored.unknown_classes:
        told.say(f"warning: {name} does not know {', '.join(scored.unknown_classes)}; {scored.without}")
    for path, reason in scored.skipped:
        told.say(f"skipped by {name}: {path}: {reason}")


def _fair(scores: Sequence[Scored], told: Progress) -> tuple[list[Scored], int]:
    """Of each only the pictures that all have an answer to and that trained none of them; how many trained one."""
    shared = reduce(np.intersect1d, [scored.indices for scored in scores])
    trained = reduce(np.union1d, [scored.indices[scored.trained] for scored in scores])
    new = np.setdiff1d(shared, trained)
    if not len(new):
        raise UserError(
            f"runs are compared on pictures that trained none of them, but each of the {len(shared):,} trained one; "
            "give other pictures"
        )
    if len(new) < len(shared):
        told.say(f"left out {len(shared) - len(new):,} pictures that trained one of the runs")
    return [scored.only(np.isin(scored.indices, new)) for scored in scores], len(shared) - len(new)
