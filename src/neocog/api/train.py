"""The verb `train`: a folder of pictures becomes a bundle with its report."""

from __future__ import annotations

import html
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Unpack

from neocog import runtime
from neocog.api import names
from neocog.api.classifier import Classifier, load
from neocog.api.jobs import Learned, learn_probe
from neocog.api.jobs_neocognitron import learn_neocognitron
from neocog.api.knobs import KNOBS, RecipeOptions
from neocog.api.outputs import write_run
from neocog.api.places import CHECKPOINTS, FIGURES, Place, run_place
from neocog.api.plan import DEFAULT_MODEL, Plan, make_plan
from neocog.api.running import RUNNING, RunOptions, run_options
from neocog.api.training import learn_weights
from neocog.data.builtin import fetched
from neocog.data.dataset import Dataset, labelled
from neocog.data.decoding import chosen_decoding
from neocog.data.preprocess import Preprocess
from neocog.data.reading import Reading, ReadingOptions, make_reading
from neocog.data.source import open_dataset
from neocog.errors import UserError
from neocog.progress import Advance, Progress, Silent

if TYPE_CHECKING:
    from neocog.training.distributed import World
    from neocog.training.recipe import Recipe

READING = tuple(ReadingOptions.__annotations__)


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


class TrainOptions(ReadingOptions, RecipeOptions, RunOptions, total=False):
    """What `train` takes by keyword beside its own arguments."""


def train(
    data: object,
    model: str | None = None,
    *,
    recipe: str | Recipe | None = None,
    weights: str | Path | None = None,
    download: bool = False,
    output: str | Path | None = None,
    resume: str | Path | None = None,
    img_size: int | None = None,
    resize_mode: str | None = None,
    decoding: str | None = None,
    val_fraction: float = 0.2,
    seed: int = 0,
    progress: Progress | None = None,
    **options: Unpack[TrainOptions],
) -> Run:
    """Train a classifier on `data` and write its run folder: bundle, metrics, predictions and report.

    Without a `model` a frozen pretrained EfficientNet-Lite0 gives features and a logistic regression is fitted on
    them (recipe `probe`); `builtin/digits` means LeNet-5 trained from scratch. Only with `download` are published
    weights of the model, and a built-in data set that is not here, fetched over the network. `data` is a path of the
    DATA grammar, a pair (pictures, labels), a data frame or a `Dataset`, read as `ReadingOptions` say. `decoding` is
    `exact` or `fast`, and chosen by the size of the pictures where it is not given. Raises `UserError` in words.

    Further options say how the data are read (`ReadingOptions`), how the run is carried out (`RunOptions`), and, for
    recipes that train all weights, what is different from the recipe (`RecipeOptions`). Such a run keeps checkpoints
    until it is done. `resume` goes on from them: `auto` in `output` or in the newest run of these data that is not
    done, a folder in that one; where there is none, it starts anew.
    """
    told = Timed(progress or Silent())
    if not 0 < val_fraction < 1:
        raise UserError(f"val_fraction must lie between 0 and 1, got {val_fraction}")
    run = run_options(options, resume is not None)
    with told.timing("looking"):
        dataset = _learnable(data, replace(_reading(options), download=download, progress=told))
        if download:
            _fetch(model or DEFAULT_MODEL, weights, told, needed=not fetched(data))
        plan = make_plan(dataset, model, recipe, weights, _knobs(options))
        preprocess, why = _decoded(names.resized(plan.preprocess, img_size, resize_mode), decoding, dataset)
        plan = replace(
            plan,
            preprocess=preprocess,
            decisions=(*plan.decisions, *why),
            val_fraction=val_fraction,
            seed=seed,
            **run,
        )
    if plan.recipe is None and runtime.launched():
        raise UserError("the recipe probe runs in one process; leave torchrun out, or give --recipe scratch")
    where = partial(run_place, output, resume, dataset.name, None if dataset.listed else dataset.root)
    return _together(plan, where, told) if runtime.launched() else _run(plan, where(), told)


def _reading(options: TrainOptions) -> Reading:
    return make_reading(**{k: v for k, v in options.items() if k in READING})  # type: ignore[arg-type]


def _knobs(options: TrainOptions) -> RecipeOptions:
    wrong = next((name for name in options if name not in (*READING, *KNOBS, *RUNNING)), None)
    if wrong is not None:
        raise TypeError(f"train() has no argument {wrong!r}")
    return {k: v for k, v in options.items() if k in KNOBS and v is not None}  # type: ignore[return-value]


def _together(plan: Plan, where: Callable[[], Place], told: Timed) -> Run:
    """One of several processes: the first finds the folder, speaks and writes."""
    from neocog.training.distributed import joined
    from neocog.training.exchange import word_of_first

    with joined(runtime.device(plan.device)) as world:
        place = Place.from_text(word_of_first(world, str(where()) if world.first else ""))
        return _run(plan, place, told if world.first else Timed(Silent()), world)


def _run(plan: Plan, place: Place, told: Timed, world: World | None = None) -> Run:
    """Say what was decided, learn, and write it all down; a folder that nothing came into is removed again."""
    if place.done:
        told.say(f"{place.folder} is done: there is nothing left to train")
        return finished(place.folder)
    for line in plan.decisions:
        told.say(line)
    try:
        learned = _learned(plan, place.folder, told, world)
        if learned is None:
            return Run(place.folder, {})
        figures = write_run(place.folder, plan, learned, told.seconds, place.is_default)
    except BaseException:
        if place.folder.is_dir() and not any(place.folder.iterdir()):
            place.folder.rmdir()
        raise
    if not learned.interrupted:
        forget_checkpoints(place.folder)
    return Run(place.folder, figures, tuple(map(str, learned.comparison)), learned.interrupted)


def _learned(plan: Plan, folder: Path, told: Timed, world: World | None) -> Learned | None:
    """By the way that the recipe goes."""
    if plan.recipe is None:
        return learn_probe(plan, told)
    from neocog.training.exchange import ALONE
    from neocog.training.organised import NeocognitronRecipe

    if isinstance(plan.recipe, NeocognitronRecipe):
        return learn_neocognitron(plan, told)
    return learn_weights(plan, told, folder, world or ALONE)


def _learnable(data: object, reading: Reading) -> Dataset:
    """The data set, with a label on every picture and two classes at least."""
    dataset = labelled(open_dataset(data, reading))
    if len(dataset.classes) < 2:
        raise UserError(
            f"a classifier needs two classes or more, got {dataset.classes[0]!r} in {dataset.name}"
        )
    return dataset


def finished(folder: Path) -> Run:
    """A run that is there already."""
    return Run(folder, json.loads((folder / FIGURES).read_text("utf-8")))


def forget_checkpoints(folder: Path) -> None:
    """The bundle has the weights; what a run that goes on would need is no longer wanted."""
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)


def _decoded(preprocess: Preprocess, decoding: str | None, dataset: Dataset) -> tuple[Preprocess, list[str]]:
    """With the decoding asked for, or the one that suits the pictures; and a sentence where that is `fast`."""
    if decoding is not None:
        return replace(preprocess, decoding=decoding), []  # type: ignore[arg-type]  # checked there
    preprocess, why = chosen_decoding(preprocess, dataset.samples)
    return preprocess, [why] if why else []


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
