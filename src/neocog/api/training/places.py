"""Where a training run writes: a new folder, or that of a run which goes on."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neocog import files
from neocog.api.training.plan import Plan
from neocog.api.training.same import demand_finished, demand_unfinished, difference
from neocog.bundle import is_bundle
from neocog.errors import UserError
from neocog.progress import Progress
from neocog.training.resume.saving import CHECKPOINTS

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


def run_place(output: str | Path | None, resume: str | Path | None, plan: Plan, told: Progress) -> Place:
    """The folder of the planned run, made if it is not there."""
    data = None if plan.dataset.listed else plan.dataset.root
    place = Path(RUNS if output is None else os.path.expanduser(output)).resolve()  # noqa: PTH111
    if data is not None and place.is_relative_to(data.resolve()):
        raise UserError(
            f"a run may not lie among the pictures of {data.resolve()}; give --output elsewhere, or cd .."
        )
    if resume is not None:
        going = _going(output, str(resume), plan, told)
        if going:
            return going
        told.say(f"--resume auto: no run to go on with in {output or RUNS}, so a new one begins")
    return _named(Path(output).expanduser()) if output is not None else _numbered(plan.dataset.name)


def _going(output: str | Path | None, resume: str, plan: Plan, told: Progress) -> Place | None:
    """The run that is to go on; None where `auto` finds none. UserError where a folder that was named has another."""
    if resume != "auto":
        folder = Path(resume).expanduser()
        if output is not None and Path(output).expanduser().resolve() != folder.resolve():
            raise UserError(
                f"a run goes on in its own folder: --output {output} is not {folder}; leave one out"
            )
        if not folder.exists():
            raise UserError(f"there is no run to go on with at {folder}; give the folder of a run, or auto")
        if not (folder / CHECKPOINTS).is_dir() and not is_done(folder):
            raise UserError(f"{folder} has no checkpoints to go on from; give the folder of a run, or auto")
        return _demanded(folder, plan)
    if output is not None:
        folder = Path(output).expanduser()
        return _demanded(folder, plan) if is_done(folder) or _begun(folder) else None
    return _newest_same(plan, told)


def _demanded(folder: Path, plan: Plan) -> Place:
    done = is_done(folder)
    (demand_finished if done else demand_unfinished)(plan, folder)
    return Place(folder, False, done)


def _newest_same(plan: Plan, told: Progress) -> Place | None:
    """The newest unfinished run that the plan can go on with; another one is named and left alone."""
    for folder in _unfinished(plan.dataset.name):
        why = difference(plan, folder)
        if not why:
            return Place(folder, True)
        told.say(f"{folder} is another run and stays as it is: {why}")
    return None


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Holds the folder of a run; UserError where another process holds it.

    The hold ends with the process, however that ends. Systems and disks without such locks hold nothing.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(
                f"one process at a time trains in a folder, another one is at work in {folder}; "
                "wait for it, or give another --output"
            ) from error
        except OSError:  # some network disks
            pass
        yield
    finally:
        os.close(opened)


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


def _unfinished(name: str) -> Iterator[Path]:
    """Folders of runs on the data set that have checkpoints and are not done, the last one first."""
    pattern = re.compile(re.escape(_stem(name)) + r"-(\d+)")
    there = RUNS.iterdir() if RUNS.is_dir() else ()
    numbers = {int(found[1]): folder for folder in there if (found := pattern.fullmatch(folder.name))}
    for _, folder in sorted(numbers.items(), reverse=True):
        if (folder / CHECKPOINTS).is_dir() and not is_done(folder):
            yield folder


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
