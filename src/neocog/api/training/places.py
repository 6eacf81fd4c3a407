"""Where a training run writes: a new folder, or that of a run which goes on."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neocog import files
from neocog.bundle import is_bundle
from neocog.errors import UserError

CHECKPOINTS = "checkpoints"
FIGURES = "run.json"
MACHINE = "machine.json"  # written before the first step
RUNS = Path("runs")


@dataclass(frozen=True)
class Place:
    """The folder of a run."""

    folder: Path
    is_default: bool
    """whether the user named none"""
    done: bool = False
    """whether the run in it has come to its end"""

    def __str__(self) -> str:
        return json.dumps([str(self.folder), self.is_default, self.done])

    @classmethod
    def from_text(cls, text: str) -> Place:
        """What another process has as `str`."""
        folder, is_default, done = json.loads(text)
        return cls(Path(folder), is_default, done)


def run_place(output: str | Path | None, resume: str | Path | None, name: str, data: Path | None) -> Place:
    """The folder of the run on the data set `name` in the folder `data`, made if it is not there."""
    place = Path(RUNS if output is None else os.path.expanduser(output)).resolve()  # noqa: PTH111
    if data is not None and place.is_relative_to(data.resolve()):
        raise UserError(
            f"a run may not lie among the pictures of {data.resolve()}; give --output elsewhere, or cd .."
        )
    if resume is not None:
        going = _going(output, str(resume), name)
        if going:
            return going
    return _named(Path(output).expanduser()) if output is not None else _numbered(name)


def _going(output: str | Path | None, resume: str, name: str) -> Place | None:
    """The run that is to go on; None where `auto` finds none."""
    if resume != "auto":
        folder = Path(resume).expanduser()
        if output is not None and Path(output).expanduser().resolve() != folder.resolve():
            raise UserError(
                f"a run goes on in its own folder: --output {output} is not {folder}; leave one out"
            )
        if not (folder / CHECKPOINTS).is_dir() and not is_done(folder):
            raise UserError(f"{folder} has no checkpoints to go on from; give the folder of a run, or auto")
        return Place(folder, False, is_done(folder))
    if output is not None:
        folder = Path(output).expanduser()
        going = is_done(folder) or _begun(folder)
        return Place(folder, False, is_done(folder)) if going else None
    return next((Place(folder, True) for folder in _newest(name) if not is_done(folder)), None)


def is_done(folder: Path) -> bool:
    """Whether a run in `folder` has come to its end, not been interrupted."""
    figures = figures_of(folder)
    return bool(figures) and not figures.get("interrupted")


def figures_of(folder: Path) -> dict[str, Any]:
    """What `run.json` in `folder` says; empty where there is none that can be read."""
    try:
        figures = json.loads((folder / FIGURES).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return figures if isinstance(figures, dict) else {}


def _begun(folder: Path) -> bool:
    """Whether a run was at work there, perhaps killed before its first checkpoint."""
    return (folder / CHECKPOINTS).is_dir() or (folder / MACHINE).is_file()


def _newest(name: str) -> Iterator[Path]:
    """Folders of runs on the data set that train all weights, the last one first."""
    pattern = re.compile(re.escape(_stem(name)) + r"-(\d+)")
    there = RUNS.iterdir() if RUNS.is_dir() else ()
    numbers = {int(found[1]): folder for folder in there if (found := pattern.fullmatch(folder.name))}
    return (numbers[i] for i in sorted(numbers, reverse=True) if _begun(numbers[i]))


def _named(folder: Path) -> Place:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        going = _begun(folder) and not is_done(folder)
        what = "an unfinished run" if going else "a run" if is_bundle(folder) else "something"
        way = "name another, or go on with it by --resume auto" if going else "name another"
        raise UserError(f"--output must name a new or empty folder, {folder} holds {what}; {way}")
    return Place(files.make_folder(folder), False)


def _numbered(name: str) -> Place:
    top = files.make_folder(RUNS)
    number = 1
    while True:
        folder = top / f"{_stem(name)}-{number}"
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
            continue
        except OSError as error:
            raise UserError(
                f"cannot make {folder}: {error.strerror}; choose a place with --output"
            ) from error
        return Place(folder, True)


def _stem(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "run"
