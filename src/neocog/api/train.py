"""The verb `train`: a folder of pictures becomes a bundle with its report."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any, Unpack

from neocog.api import names
from neocog.api.classifier import Classifier, load
from neocog.api.jobs import Learned, learn_probe, learn_scratch
from neocog.api.jobs_neocognitron import learn_neocognitron
from neocog.api.outputs import new_run_folder, write_run
from neocog.api.plan import DEFAULT_MODEL, Plan, make_plan
from neocog.data.builtin import fetched
from neocog.data.dataset import Dataset, labelled
from neocog.data.decoding import chosen_decoding
from neocog.data.loading.workers import parse_workers
from neocog.data.preprocess import Preprocess
from neocog.data.reading import Reading, ReadingOptions, make_reading
from neocog.data.source import open_dataset
from neocog.errors import UserError
from neocog.progress import Advance, Progress, Silent
from neocog.training.organised import NeocognitronRecipe


@dataclass(frozen=True)
class Run:
    """A finished training run: its folder and its figures."""

    folder: Path
    figures: dict[str, Any]
    comparison: tuple[str, ...] = ()
    """lines that set the network beside other classifiers on the same split"""
    interrupted: bool = False

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
    recipe: str | None = None,
    weights: str | Path | None = None,
    download: bool = False,
    output: str | Path | None = None,
    img_size: int | None = None,
    resize_mode: str | None = None,
    decoding: str | None = None,
    val_fraction: float = 0.2,
    epochs: int | None = None,
    lr: float | None = None,
    batch_size: int | None = None,
    seed: int = 0,
    strict: bool = False,
    engine: str = "auto",
    device: str = "auto",
    workers: int | str = "auto",
    progress: Progress | None = None,
    **reading: Unpack[ReadingOptions],
) -> Run:
    """Train a classifier on `data` and write its run folder: bundle, metrics, predictions and report.

    Without a `model` a frozen pretrained EfficientNet-Lite0 gives features and a logistic regression is fitted on
    them (recipe `probe`); `builtin/digits` means LeNet-5 trained from scratch. Only with `download` are published
    weights of the model, and a built-in data set that is not here, fetched over the network. `data` is a path of the
    DATA grammar, a pair (pictures, labels), a data frame or a `Dataset`, read as `ReadingOptions` say. `decoding` is
    `exact` or `fast`, and chosen by the size of the pictures where it is not given. With `strict` a picture that
    cannot be read is an error instead of being skipped and counted. `workers`, a number, `threads:N` or
    `processes:N`, load the pictures for recipes that train all weights; `auto` measures. Raises `UserError` in words.
    """
    told = Timed(progress or Silent())
    if not 0 < val_fraction < 1:
        raise UserError(f"val_fraction must lie between 0 and 1, got {val_fraction}")
    with told.timing("looking"):
        dataset = _learnable(data, replace(make_reading(**reading), download=download, progress=told))
        if download:
            _fetch(model or DEFAULT_MODEL, weights, told, needed=not fetched(data))
        given = {"epochs": epochs, "lr": lr, "batch_size": batch_size}
        plan = make_plan(dataset, model, recipe, weights, {k: v for k, v in given.items() if v is not None})
        preprocess, why = _decoded(names.resized(plan.preprocess, img_size, resize_mode), decoding, dataset)
        plan = replace(
            plan,
            preprocess=preprocess,
            decisions=(*plan.decisions, *why),
            workers=parse_workers(workers),
            val_fraction=val_fraction,
            seed=seed,
            engine=engine,
            device=device,
            strict=strict,
        )
        folder, is_default = new_run_folder(output, dataset.name, None if dataset.listed else dataset.root)
    for line in plan.decisions:
        told.say(line)
    return _learn(plan, folder, is_default, told)


def _learnable(data: object, reading: Reading) -> Dataset:
    """The data set, with a label on every picture and two classes at least."""
    dataset = labelled(open_dataset(data, reading))
    if len(dataset.classes) < 2:
        raise UserError(
            f"a classifier needs two classes or more, got {dataset.classes[0]!r} in {dataset.name}"
        )
    return dataset


def _learn(plan: Plan, folder: Path, is_default: bool, told: Timed) -> Run:
    """Carry the plan out; a folder that nothing came into is removed again."""
    try:
        learned = _job(plan)(plan, told)
        figures = write_run(folder, plan, learned, told.seconds, is_default)
    except BaseException:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
        raise
    lines = tuple(
        f"{row.name}: {row.top1:.4f} ({row.low:.4f} to {row.high:.4f}), {row.note}"
        for row in learned.comparison
    )
    return Run(folder, figures, lines, learned.interrupted)


def _job(plan: Plan) -> Callable[[Plan, Progress], Learned]:
    if isinstance(plan.recipe, NeocognitronRecipe):
        return learn_neocognitron
    return learn_scratch if plan.recipe else learn_probe


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
