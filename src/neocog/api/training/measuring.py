"""How fast this machine reads pictures, runs a network and trains it: on a few of the user's own pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from math import inf
from time import perf_counter, thread_time
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from neocog.api.networks import backbone_of
from neocog.api.training.beginning import fresh
from neocog.api.training.budget import Kind, Speed
from neocog.api.training.pixels import for_crops, read_pixels
from neocog.api.training.plan import Plan
from neocog.data.decode import Pixels, decode
from neocog.data.loading.pictures import Labelled
from neocog.data.loading.workers import Workers
from neocog.data.samples import Samples, Subset
from neocog.errors import Unreadable
from neocog.inference.engines import choose
from neocog.inference.stream import stream
from neocog.probing.logistic import fit_logistic
from neocog.progress import Silent

if TYPE_CHECKING:
    from torch import nn

    from neocog.data.augment.policy import Augment
    from neocog.training.loop import Learner, Task
    from neocog.training.recipes.recipe import Recipe

READ = 64  # pictures that are decoded, and shown to the frozen network
LEARNED = 16  # pictures of 224 pixels in a step that is measured, and as many more as are smaller
STEPS = 3  # of which the first is not counted
FITTED = 256  # random rows that the linear classifier is fitted on
CLOSING = 8.0  # seconds for a new engine, the self-test and the report of a small network
CLOSING_PROBE = 3.0  # the same where the engine is there already
HASHES = 200
PARAMETERS = 1e7  # that are written and hashed in a second, with room for a slow disk


def probe_speed(plan: Plan) -> Speed:
    """Of the frozen network through its engine, and of the classifier on its features."""
    dataset = plan.dataset
    samples = Subset(dataset.samples, spread(len(dataset), READ))
    backbone = backbone_of(plan.reference, plan.preprocess, plan.weights)
    engine = choose(backbone.network, None, plan.engine, plan.device).engine
    read = read_seconds(samples, plan)
    features = [part.outputs for part in stream(samples, plan.preprocess, engine) if len(part.indices)]
    with clocked() as took:
        for _ in stream(samples, plan.preprocess, engine):
            pass
    n = len(samples)
    fit = whole_fit_seconds(plan, features[0].shape[1]) if features else 0.0
    parameters = sum(tensor.size for tensor in backbone.tensors.values())
    alone = max(took[0] - read, took[0] / 10)  # reading and computing share the threads
    return Speed(
        "probe", plan.preprocess.size[0], n / read, n / alone, None, fit, closing(CLOSING_PROBE, parameters)
    )


def step_speed(kind: Kind, plan: Plan, fit: float | None = None) -> Speed:
    """Of real training steps, augmentation included, in float32: what a run chooses instead is no slower.

    `fit` is the seconds that the linear classifier takes, where they are known.
    """
    import torch

    from neocog.models.head import width
    from neocog.training.loop import Setting, augmentation, learner_of, order_of
    from neocog.training.machine import Machine
    from neocog.training.processes.exchange import ALONE, own_device
    from neocog.training.randomness import as_before

    recipe = plan.loop_recipe
    recipe = replace(recipe, batch_size=_at_once(plan, recipe), accumulate=1, sizes=())
    net, head, _ = fresh(plan, recipe)
    device = own_device(ALONE, plan.device)
    net.to(device)
    task, read = _task(plan, recipe, head)
    order = order_of(task, recipe, plan.seed, ALONE)
    setting = Setting(machine=Machine(channels_last=True, keep_pages=True))
    with as_before(device), setting.machine.settled():
        learner = learner_of(net, task, recipe, order, setting)
        learn = _pictures_learned(net, head, learner, task, augmentation(recipe, 0, plan.preprocess.size))
        sample = learner.normalise(torch.from_numpy(_first(task, plan)))
        net.eval()
        with clocked() as took, torch.inference_mode():
            net(sample).float().sum().item()  # waits for a device that computes on its own
    parameters = sum(parameter.numel() for parameter in net.parameters())
    judge, n = len(sample) / took[0], len(plan.dataset)
    start = 0.0
    if recipe.head_start:
        fit = whole_fit_seconds(plan, width(net.get_submodule(head))) if fit is None else fit
        start = n / read + n / judge + fit
    return Speed(kind, plan.preprocess.size[0], read, judge, learn, start, closing(CLOSING, parameters))


def closing(least: float, parameters: int) -> float:
    """Seconds to allow for what comes after training: `least` and what writing takes, more on a busy machine."""
    return (least + parameters / PARAMETERS) * busyness()


def busyness() -> float:
    """Seconds by the clock for a second of work on one thread: 1 where no other program runs."""
    start, used, block = perf_counter(), thread_time(), bytes(1 << 20)
    for _ in range(HASHES):
        hashlib.sha256(block)
    return max(1.0, (perf_counter() - start) / max(thread_time() - used, 1e-6))


def whole_fit_seconds(plan: Plan, features: int) -> float:
    """Of the linear classifier on as many rows as there are pictures, by a fit on fewer."""
    n = len(plan.dataset)
    rows = min(n, FITTED)
    return fit_seconds(rows, features, len(plan.dataset.classes)) * n / rows


def fit_seconds(rows: int, features: int, classes: int) -> float:
    """Of the linear classifier on noise, which is harder to separate than pictures are."""
    rng = np.random.default_rng(0)
    with clocked() as took:
        fit_logistic(rng.standard_normal((rows, features), np.float32), np.arange(rows) % classes, classes, 0)
    return took[0]


def read_seconds(samples: Subset, plan: Plan) -> float:
    with clocked() as took:
        read_pixels(samples, plan.preprocess, Silent())
    return took[0]


def own_side(samples: Samples) -> float:
    """The shorter side in pixels of the pictures as they are: the median of some; infinity where none is readable."""
    sides = []
    for index in spread(len(samples), READ):
        with suppress(Unreadable):  # reading them all says so
            sides.append(min(decode(samples.read(int(index)), 3, wanted=(1, 1)).full))
    return float(np.median(sides)) if sides else inf


def spread(n: int, count: int) -> NDArray[np.int64]:
    """Up to `count` places of `n`, evenly apart."""
    return np.unique(np.linspace(0, n - 1, min(n, count)).astype(np.int64))


@contextmanager
def clocked() -> Iterator[list[float]]:
    """A list that holds the seconds spent inside, once it is left."""
    took: list[float] = []
    start = perf_counter()
    yield took
    took.append(max(perf_counter() - start, 1e-6))


def _task(plan: Plan, recipe: Recipe, head: str) -> tuple[Task, float]:
    """Some of the pictures to learn from, and how many of them are read in a second."""
    from neocog.training.loop import Task

    places = spread(len(plan.dataset), recipe.batch_size * STEPS)
    with clocked() as took:
        read = read_pixels(
            Subset(plan.dataset.samples, places), for_crops(plan.preprocess, recipe.augment), Silent()
        )
    pictures = Labelled(read.pixels, plan.dataset.answers[places])
    task = Task(pictures, pictures, plan.preprocess, Workers(0), classes=len(plan.dataset.classes), head=head)
    return task, len(places) / took[0]


def _pictures_learned(net: nn.Module, head: str, learner: Learner, task: Task, augment: Augment) -> float:
    """A second, in the quickest of some steps after the first."""
    from neocog.data.loading.loader import Loader
    from neocog.training.loop import order_of
    from neocog.training.network.freezing import held_still
    from neocog.training.processes.exchange import ALONE
    from neocog.training.state import begun

    state, rates = begun(net, head, learner.recipe, 0), []
    learner.model.train()
    held_still(net, learner.recipe)
    with Loader(task.train, order_of(task, learner.recipe, 0, ALONE), task.workers) as loader:
        for batch in loader:
            with clocked() as took:
                learner.gradients([batch], augment, len(batch))
                state.take(learner.recipe.clip, STEPS)
            rates.append(len(batch) / took[0])
    return max(rates[1:] or rates)


def _at_once(plan: Plan, recipe: Recipe) -> int:
    """Pictures of a measured step: those of the recipe, where these are not too many to be quick."""
    height, width = plan.preprocess.size
    return min(recipe.batch_size, max(LEARNED, LEARNED * 224 * 224 // (height * width)))


def _first(task: Task, plan: Plan) -> Pixels:
    """Pixels of the network's size, whatever they show: the time to judge them is the same."""
    count = min(LEARNED, len(task.train))
    return np.zeros((count, *plan.preprocess.size, plan.preprocess.channels), np.uint8)
