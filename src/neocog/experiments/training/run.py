"""Runs an experiment: every arm with every seed, unless that trial is finished already."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

from neocog import runtime
from neocog.experiments.training.outcome import Machine, Outcome
from neocog.experiments.training.record import Notebook
from neocog.experiments.training.study import Record, Study
from neocog.files import make_folder
from neocog.progress import Progress


def run(study: Study, scale_name: str, folder: Path, progress: Progress) -> Outcome:
    """The outcome of `study`; finished trials are kept in `folder` as `NAME-SCALE.jsonl` and not run again."""
    scale = study.scales[scale_name]
    notebook = Notebook(make_folder(folder) / f"{study.name}-{scale_name}.jsonl", scale)
    done, arms = notebook.read(), study.arms(scale)
    wanted = [(arm, seed) for seed in range(scale.seeds) for arm in arms]  # seed by seed: pairs early
    finished = sum(key in done for key in wanted)
    if finished:
        progress.say(f"{study.name}: {finished} of {len(wanted)} trials are finished already")
    with progress.step(study.name, len(wanted)) as advance:
        advance(finished)
        for arm, seed in wanted:
            if (arm, seed) not in done:
                start = perf_counter()
                record = arms[arm](study.pictures(scale, seed), seed)
                done[arm, seed] = record, perf_counter() - start
                notebook.write(arm, seed, *done[arm, seed])
                progress.say(
                    f"{study.name}: {arm}, seed {seed}: {_shown(record)} ({done[arm, seed][1]:.0f} s)"
                )
                advance(1)
    records = {key: done[key][0] for key in wanted}
    seconds = sum(done[key][1] for key in wanted)
    return Outcome(study, scale_name, records, seconds, machine(), study.pictures(scale, 0).name)


def machine() -> Machine:
    return Machine(
        runtime.processor(),
        runtime.threads(),
        platform.python_version(),
        {name: version(name) for name in ("neocog", "torch", "numpy")},
    )


def _shown(record: Record) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in record.figures.items())
