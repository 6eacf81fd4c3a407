"""From what a user says to a plan: the data, what was asked for, what was chosen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any

from neocog import runtime
from neocog.api import names
from neocog.api.keywords import demand_known
from neocog.api.training.choosing import chosen
from neocog.api.training.config import with_config
from neocog.api.training.knobs import RecipeOptions
from neocog.api.training.plan import DEFAULT_MODEL, Plan
from neocog.api.training.running import RunOptions, run_options
from neocog.api.training.teacher import Teacher, TeacherOptions, make_teacher
from neocog.api.training.unread import demand_loop
from neocog.api.training.within_time import within_time
from neocog.data.builtin import fetched
from neocog.data.dataset import Dataset, labelled
from neocog.data.reading import Reading, ReadingOptions, make_reading
from neocog.data.source import open_dataset
from neocog.errors import UserError
from neocog.progress import Advance, Progress

if TYPE_CHECKING:
    from neocog.training.recipes.recipe import Recipe

READING = tuple(ReadingOptions.__annotations__)


class PlanOptions(ReadingOptions, RecipeOptions, RunOptions, TeacherOptions, total=False):
    """What a training run takes by keyword beside its data and model."""

    recipe: str | Recipe | None
    """a name of `RECIPES`, `probe`, or a recipe of one's own; chosen if None"""
    weights: str | Path | None
    """a file to start from"""
    download: bool
    """fetch published weights and built-in data over the network; nothing else does"""
    img_size: int | None
    resize_mode: str | None
    """crop, pad or squash pictures that are not square"""
    decoding: str | None
    """exact or fast; by the size of the pictures where None"""
    val_fraction: float | None
    """share held out where the data have no part that judges; 0.2"""
    seed: int | None
    """of the split, the first weights and the order; 0"""
    config: str | Path | Mapping[str, Any] | None
    """a configuration's file or fields, or a run whose card has one: decides what is not given"""
    time: str | float | None
    """seconds, or 90s, 10m, 1h30m: recipe, size and epochs are chosen so that the run ends within it"""


TEACHING = tuple(TeacherOptions.__annotations__)
KNOWN = tuple(PlanOptions.__annotations__)


def planned(data: object, model: str | None, options: PlanOptions, told: Timed) -> Plan:
    """The plan of a run, every choice of which is made."""
    began = monotonic()
    demand_known("train", options, KNOWN)
    base = with_config({"model": model, **options})
    given = base.asked
    val_fraction, weights = given.get("val_fraction", 0.2), given.get("weights")
    if not 0 < val_fraction < 1:
        raise UserError(f"val_fraction must lie between 0 and 1, got {val_fraction}")
    run, download, reading = run_options(given), given.get("download", False), _reading(given)
    with told.timing("looking"):
        dataset = _learnable(data, replace(reading, download=download, progress=told))
        if download:
            _fetch(given.get("model") or DEFAULT_MODEL, weights, told, needed=not fetched(data))
        deadline = None
        if "time" in given:
            base, deadline = within_time(dataset, base, began, told)
        plan = chosen(dataset, base)
    if not hasattr(plan.recipe, "epochs"):
        demand_loop(plan.recipe_name, options)
    if runtime.launched() and not hasattr(plan.recipe, "epochs"):
        raise UserError(
            f"the recipe {plan.recipe_name} runs in one process; leave torchrun out, or give --recipe scratch"
        )
    return replace(
        plan,
        val_fraction=val_fraction,
        seed=given.get("seed", 0),
        reading=reading,
        deadline=deadline,
        teacher=_teacher(given, plan),
        compare_pixels=plan.compare_pixels or base.compare_pixels,
        **run,
    )


def _reading(given: Mapping[str, Any]) -> Reading:
    return make_reading(**{k: v for k, v in given.items() if k in READING})


def _teacher(given: Mapping[str, Any], plan: Plan) -> Teacher | None:
    options: TeacherOptions = {k: v for k, v in given.items() if k in TEACHING}  # type: ignore[assignment]
    teacher = make_teacher(options, plan.recipe_name, hasattr(plan.recipe, "epochs"))
    if teacher and plan.dataset.targets is not None:
        raise UserError(
            f"a teacher names one class per picture, got several for some of {plan.dataset.name}; leave it out"
        )
    return teacher


def _learnable(data: object, reading: Reading) -> Dataset:
    """The data set, with a label on every picture and two classes at least."""
    dataset = labelled(open_dataset(data, reading))
    if len(dataset.classes) < 2:
        raise UserError(
            f"a classifier needs two classes or more, got {dataset.classes[0]!r} in {dataset.name}"
        )
    return dataset


def _fetch(model: str, weights: str | Path | None, told: Progress, needed: bool) -> None:
    """Bring the model's published weights, if it has any; it need not where the data were what to download."""
    if weights is not None:
        if needed:
            raise UserError("give --weights or --download, not both")
        return
    if names.fetch(names.parse(model), told) is None and needed:
        raise UserError(f"{model} has no published weights to download; leave --download out")


class Timed:
    """A progress that also adds up the seconds of each step."""

    def __init__(self, inner: Progress):
        self._inner = inner
        self.seconds: dict[str, float] = {}

    def say(self, text: str) -> None:
        self._inner.say(text)

    @contextmanager
    def step(self, name: str, total: int) -> Iterator[Advance]:
        with self.timing(name), self._inner.step(name, total) as advance:
            yield advance

    @contextmanager
    def timing(self, name: str) -> Iterator[None]:
        start = perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + perf_counter() - start
