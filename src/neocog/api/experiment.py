"""Experiments on training: run at a scale, and written down as a page with its plots."""

from __future__ import annotations

import json
from pathlib import Path

from neocog.experiments.training.catalogue import study
from neocog.experiments.training.outcome import Outcome
from neocog.experiments.training.run import run
from neocog.files import make_folder, write_text
from neocog.progress import Progress
from neocog.runtime import cache_folder


def experiment(name: str, scale: str, output: str | Path | None, progress: Progress) -> Outcome:
    """The outcome of the experiment `name`; finished trials are kept below `output`, else in the cache."""
    folder = Path(output).expanduser() if output is not None else None
    outcome = run(study(name), scale, (folder or cache_folder() / "experiments") / "trials", progress)
    if folder is not None:
        write_outcome(outcome, folder)
        progress.say(f"written to {folder / name}.md")
    return outcome


def write_outcome(outcome: Outcome, folder: Path) -> None:
    """`NAME.md` with its plots `NAME.svg`, `NAME-2.svg`, and all figures in `NAME.json`."""
    make_folder(folder)
    for name, svg in outcome.svgs().items():
        write_text(folder / f"{name}.svg", svg)
    name = outcome.study.name
    figures = json.dumps(outcome.to_json(), indent=2, ensure_ascii=False, allow_nan=False)
    write_text(folder / f"{name}.json", f"{figures}\n")
    write_text(folder / f"{name}.md", outcome.to_markdown())
