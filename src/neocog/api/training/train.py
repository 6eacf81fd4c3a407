"""The verb `train`: a folder of pictures becomes a bundle with its report."""

from __future__ import annotations

import html
import json
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from neocog import runtime
from neocog.api.classifier import Classifier, load
from neocog.api.training.by_gradient import learn_weights
from neocog.api.training.config import config_of
from neocog.api.training.find_lr import find_lr_for
from neocog.api.training.learned import Learned, Stopped, learn_probe
from neocog.api.training.outputs import write_run
from neocog.api.training.places import FIGURES, MACHINE, Place, alone_in, run_place
from neocog.api.training.plan import Plan
from neocog.api.training.planning import PlanOptions, Timed, planned
from neocog.bundle import GOLDEN, MODEL, is_bundle
from neocog.errors import UserError
from neocog.progress import Progress, Silent
from neocog.training.resume.saving import CHECKPOINTS

if TYPE_CHECKING:
    from neocog.training.find_lr import LrCurve
    from neocog.training.processes.distributed import World
EVENTS = "events.jsonl"


@dataclass(frozen=True)
class Run:
    """A finished training run: its folder and its figures."""

    folder: Path
    figures: dict[str, Any]
    comparison: tuple[str, ...] = ()
    """lines that set the network beside other classifiers on the same split"""
    interrupted: str = ""
    """why it ended before its time"""

    def to_json(self) -> dict[str, Any]:
        return self.figures

    def load(self) -> Classifier:
        return load(self.folder)

    def _repr_html_(self) -> str:
        page = html.escape((self.folder / "report.html").read_text("utf-8"))
        return f'<iframe srcdoc="{page}" width="100%" height="800" style="border: 0"></iframe>'


def train(
    data: object,
    model: str | None = None,
    *,
    output: str | Path | None = None,
    resume: str | Path | None = None,
    progress: Progress | None = None,
    **options: Unpack[PlanOptions],
) -> Run:
    """Train a classifier on `data` and write its run folder: bundle, metrics, predictions and report.

    Without a `model` a frozen pretrained EfficientNet-Lite0 gives features and a logistic regression is fitted on
    them (recipe `probe`); `builtin/digits` means LeNet-5 trained from scratch. `data` is a path of the DATA grammar,
    a pair (pictures, labels), a data frame or a `Dataset`. `PlanOptions` says what else may be given: how the data are
    read, which recipe, what is different from it, how the run is carried out. Raises `UserError` in words.

    A run that trains all weights keeps checkpoints until it is done. `resume` goes on from them: `auto` in `output` or
    in the newest unfinished one of the same arguments, a folder in that one; where `auto` finds none, it starts anew.
    """
    told = Timed(progress or Silent())
    if resume is not None and options.get("time") is not None:
        raise UserError("--time plans anew, and a run that goes on has its plan; give --time-limit to end it")
    if runtime.launched():
        return _together(
            lambda told: _placed(planned(data, model, options, told), output, resume, told),
            options.get("device") or "auto",
            told,
        )
    return carried_out(planned(data, model, options, told), output, resume, told)


def carried_out(plan: Plan, output: str | Path | None, resume: str | Path | None, told: Timed) -> Run:
    """The run that is planned, in its folder."""
    plan, where = _placed(plan, output, resume, told)
    return _run(plan, where(), told)


def _placed(
    plan: Plan, output: str | Path | None, resume: str | Path | None, told: Progress
) -> tuple[Plan, Callable[[], Place]]:
    """The plan, and what finds its folder."""
    plan = replace(plan, saving=replace(plan.saving, resume=resume is not None))
    return plan, partial(run_place, output, resume, plan, told)


def train_config(
    data: object,
    model: str | None = None,
    *,
    progress: Progress | None = None,
    **options: Unpack[PlanOptions],
) -> dict[str, Any]:
    """Everything that `train` would do with the same arguments, as plain values; it takes them as `config`.

    Nothing is trained; the pictures are looked for, not decoded. Raises `UserError` in words, as `train` does.
    """
    return config_of(planned(data, model, options, Timed(progress or Silent())))


def find_lr(
    data: object,
    model: str | None = None,
    *,
    progress: Progress | None = None,
    **options: Unpack[PlanOptions],
) -> LrCurve:
    """The learning-rate range test of the run that `train` would make of the same arguments; nothing is written."""
    told = Timed(progress or Silent())
    return find_lr_for(planned(data, model, options, told), told)


def _together(begin: Callable[[Timed], tuple[Plan, Callable[[], Place]]], device: str, told: Timed) -> Run:
    """One of several processes: the first finds the folder, speaks and writes."""
    from neocog.training.processes.distributed import joined
    from neocog.training.processes.exchange import word_of_first

    with joined(runtime.device(device)) as world:
        heard = told if world.first else Timed(Silent())
        plan, where = begin(heard)  # in here, so that what is wrong in several processes is told once
        world.barrier()  # no folder is made where one of them has no plan
        place = Place.from_text(word_of_first(world, str(where()) if world.first else ""))
        return _run(plan, place, heard, world)


def _run(plan: Plan, place: Place, told: Timed, world: World | None = None) -> Run:
    """The run in its place, which no other run uses meanwhile."""
    first = world is None or world.first
    if place.done:
        told.say(f"{place.folder} is done: there is nothing left to train")
        return finished(place.folder) if first else Run(place.folder, {})
    with alone_in(place.folder) if first else nullcontext():
        return _worked(plan, place, told, world)


def _worked(plan: Plan, place: Place, told: Timed, world: World | None) -> Run:
    """Say what was decided, learn, and write it all down; a folder that nothing came into is removed again."""
    for line in plan.decisions:
        told.say(line)
    try:
        learned = _learned(plan, place.folder, told, world)
        if not isinstance(learned, Learned):
            return Run(place.folder, {}, interrupted=learned.reason if learned else "")
        figures = write_run(place.folder, plan, learned, told.seconds, place.is_default)
    except BaseException as error:
        if world is None or world.first:
            forget_beginning(place.folder)
        reason = explained(error, plan, place.folder)
        if reason is None:
            raise
        raise reason from error
    if not learned.interrupted:
        forget_checkpoints(place.folder)
    return Run(place.folder, figures, tuple(map(str, learned.comparison)), learned.interrupted)


def _learned(plan: Plan, folder: Path, told: Timed, world: World | None) -> Learned | Stopped | None:
    """By the way that the recipe goes."""
    if plan.recipe is None:
        return learn_probe(plan, told)
    from neocog.training.organised import NeocognitronRecipe
    from neocog.training.processes.exchange import ALONE

    if isinstance(plan.recipe, NeocognitronRecipe):
        from neocog.api.training.by_reinforcement import learn_neocognitron

        return learn_neocognitron(plan, told)
    return learn_weights(plan, told, folder, world or ALONE)


def finished(folder: Path) -> Run:
    """A run that is there already."""
    return Run(folder, json.loads((folder / FIGURES).read_text("utf-8")))


def explained(error: BaseException, plan: Plan, folder: Path) -> UserError | None:
    """In words what no memory, no space or a killed loading process did; None where it was something else."""
    recipe = plan.by_gradient
    if recipe is None or isinstance(error, KeyboardInterrupt):
        return None
    from neocog.training import faults
    from neocog.training.resume.checkpoint import steps

    kept = steps(folder / CHECKPOINTS)
    return faults.explained(error, "training", recipe, kept[-1] if kept else None)


def forget_beginning(folder: Path) -> None:
    """Remove what a run without any checkpoint has left, so that its folder is free again; parts of a bundle, too."""
    if is_bundle(folder) or not folder.is_dir():
        return
    for name in (MODEL, GOLDEN):
        (folder / name).unlink(missing_ok=True)
    if (folder / CHECKPOINTS).is_dir():
        return
    for name in (MACHINE, EVENTS):
        (folder / name).unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()


def forget_checkpoints(folder: Path) -> None:
    """The bundle has the weights; what a run that goes on would need is no longer wanted."""
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
