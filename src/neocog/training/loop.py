"""The training loop: one function to read from top to bottom, and those it calls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from itertools import islice
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from neocog.data.augment.draws import Draws
from neocog.data.augment.geometry import resized
from neocog.data.augment.mix import soft_targets
from neocog.data.augment.policy import Augment
from neocog.data.loading.arrival import Waiting, prefetch_to
from neocog.data.loading.loader import Batch, Loader
from neocog.data.loading.order import Order, balanced
from neocog.data.loading.pictures import Labelled
from neocog.data.loading.workers import Workers
from neocog.data.preprocess import Preprocess
from neocog.errors import UserError
from neocog.progress import Progress
from neocog.training.judging import Normalise, judge
from neocog.training.machine import PLAIN, Machine, prepared
from neocog.training.network.averages import Average
from neocog.training.network.ending import end_of_run
from neocog.training.network.freezing import freeze
from neocog.training.network.unfreezing import let_learn
from neocog.training.network.whitening import whiten_first
from neocog.training.objective.losses import Criterion, forward_and_loss, make_criterion, with_auxiliary
from neocog.training.optimizers.make import Measures
from neocog.training.processes.distributed import World, distributed, left_out
from neocog.training.processes.exchange import ALONE
from neocog.training.randomness import as_before, seed_step
from neocog.training.recipes.recipe import Recipe
from neocog.training.resume.keeping import Keeping
from neocog.training.resume.saving import Saving
from neocog.training.sampling import first_pictures
from neocog.training.schedule import rate
from neocog.training.state import Epoch, State, begun


@dataclass(frozen=True)
class Task:
    """What is learned from, what it is judged by, and how pixels are normalised."""

    train: Labelled
    held_out: Labelled
    preprocess: Preprocess
    workers: Workers | None = None
    """that load the pictures; None measures what is best"""
    classes: int = 0
    """how many there are; 0 takes as many as the labels of `train` name"""
    head: str = ""
    """name of the network's last layer, for a rate of its own"""


@dataclass(frozen=True)
class Setting:
    """Where a run happens: what it keeps on disk, how this machine computes, which process of how many it is."""

    saving: Saving = field(default_factory=Saving)
    machine: Machine = PLAIN
    world: World = ALONE


ALONE_HERE = Setting()
WHITENED_BY = 100, 2000  # least and most pictures that a whitening first layer is measured on
VALUES = 2**23  # in these pictures, where that leaves the least: 32 MiB


@dataclass(frozen=True)
class Trained:
    """What became of a run; the weights are in the network."""

    epochs: list[Epoch]
    interrupted: str = ""
    """why it ended early, where a signal or a time limit ended it"""
    chosen: int | None = None
    """the epoch whose weights were taken, where `best_by` chose one"""


def train_loop(
    net: nn.Module, task: Task, recipe: Recipe, seed: int, progress: Progress, setting: Setting = ALONE_HERE
) -> Trained:
    """Train `net` in place, from where its newest checkpoint left it if `setting` says so."""
    world, device = setting.world, next(net.parameters()).device
    order = order_of(task, recipe, seed, world)
    per_epoch = -(-order.batch_count // recipe.accumulate)
    steps = recipe.epochs * per_epoch
    with ExitStack() as stack:
        # 1. all that changes: weights, the optimizer, averages, the place in the data; fresh, or as it was kept
        stack.enter_context(as_before(device))
        stack.enter_context(setting.machine.settled())
        keeping = stack.enter_context(Keeping(setting.saving, progress.say, world))
        learner = learner_of(net, task, recipe, order, setting)
        state = begun(net, task.head, recipe, seed)
        keeping.restore(state)
        loader = stack.enter_context(Loader(task.train, order, task.workers, say=progress.say))
        advance = stack.enter_context(progress.step("training", recipe.epochs * order.places))
        advance(state.position.epoch * order.places + state.position.done)
        for epoch in range(state.position.epoch, recipe.epochs):
            if state.patience_over(recipe):
                progress.say(f"no better {recipe.best_by} for {recipe.patience} epochs: the training ends")
                break
            loader.seek(state.position)
            measure_curvature(state, task, order, learner)
            learner.model.train()
            let_learn(state, recipe, task.head, epoch, progress.say)
            augment = augmentation(recipe, epoch, task.preprocess.size)
            clock = Waiting(state.waited, state.seconds)
            for batches in in_steps(clock.over(prefetch_to(loader, device)), recipe.accumulate):
                # 2. the step's rates and random numbers
                state.set_rate(rate(recipe, state.step, steps, per_epoch, state.plateau.cuts), recipe)
                seed_step(seed, state.step, world.rank, device)
                # 3. how many pictures it has over all processes; it is left out where one of these has none
                n, idle = world.sum([sum(map(len, batches)), int(not all(map(len, batches)))])
                # 4. forward, and the gradient of the mean loss
                loss = 0.0 if idle else learner.gradients(batches, augment, n)
                # 5. a loss that is no number ends the run before it reaches the weights
                mean = world.sum([loss])[0] / world.size
                keeping.demand_finite(mean, state, batches, task.train)
                # 6. the step, and the average of the weights
                if not idle:
                    state.take(recipe.clip, steps)
                # 7. what is known by now, and what is kept of it
                places = state.after_step(batches[-1].position, mean * n, 0 if idle else n, clock)
                advance(places, f"loss {mean:.3f}, waiting {clock.share:.0%}")
                if reason := keeping.after_step(state, mean):
                    return Trained(
                        state.rows, reason, end_of_run(state, task.train, recipe, learner.whole, reason)
                    )
            # 8. judged on the held-out pictures, the average in place of the weights where there is one
            with averaged(state.average, net):
                state.after_epoch(
                    judge(net, task.held_out, learner.normalise, loader.workers, recipe.flip_test, world),
                    recipe,
                )
                keeping.snapshot(state)
            progress.say(str(state.rows[-1]))
            keeping.after_epoch(state)
        # 9. the weights that stay
        return Trained(state.rows, chosen=end_of_run(state, task.train, recipe, learner.whole))


@dataclass(frozen=True, eq=False)
class Learner:
    """What turns batches into gradients; it stays the same through a run."""

    model: nn.Module
    """the network as a step calls it: with its auxiliary heads, compiled, shared among processes"""
    normalise: Normalise
    whole: Normalise
    """pictures as they lie to what the network is judged on: not cropped, at its full size"""
    criterion: Criterion
    recipe: Recipe
    classes: int
    setting: Setting

    def gradients(self, batches: Sequence[Batch], augment: Augment, pictures: int) -> float:
        """Add the gradient of the mean loss over `pictures`, those of all processes, to the parameters.

        Returns the mean loss of this process's batches, as if all processes had the same.
        """
        total = torch.zeros((), device=batches[0].pixels.device)
        for batch in batches:
            pixels, targets = changed(batch, augment, self.classes)
            with together(self.model, batch is batches[-1]):
                with self.setting.machine.autocast(total.device.type):
                    _, losses = forward_and_loss(
                        self.model, self.normalise(pixels), targets, self.criterion, self.recipe.aux_weight
                    )
                # processes' gradients are averaged, not summed
                part = losses.sum() * (self.setting.world.size / pictures)
                part.backward()  # type: ignore[no-untyped-call]
            total += part.detach()
        return total.item()


def learner_of(net: nn.Module, task: Task, recipe: Recipe, order: Order, setting: Setting) -> Learner:
    """Built before the optimizer, since a layer that whitens learns nothing."""
    device, classes = next(net.parameters()).device, class_count(task)
    normalise = normaliser(task.preprocess, device, setting.machine.channels_last)
    whole = wholly(normalise, task.preprocess.size)
    if recipe.whiten:
        count = max(WHITENED_BY[0], min(WHITENED_BY[1], VALUES // prod(task.train.source.shape)))
        whiten_first(net, whole(first_pictures(task.train, order, 0, count)[0]))
    # before the processes agree on whose gradients they share: those frozen later would be waited for in vain
    freeze(net, recipe)
    learning, world = with_auxiliary(net), setting.world
    unused = world.size > 1 and (
        recipe.gradual or bool(left_out(learning, whole(first_pictures(task.train, order, 0, 2)[0])))
    )
    model = distributed(prepared(learning, setting.machine), world, device, unused)
    criterion = make_criterion(recipe, classes, class_counts(task.train, classes))
    return Learner(model, normalise, whole, criterion, recipe, classes, setting)


def order_of(task: Task, recipe: Recipe, seed: int, world: World) -> Order:
    """Which picture comes when, for this process."""
    if recipe.balanced and task.train.labels.ndim != 1:
        raise UserError("balanced needs one class per picture, got a share for each class; leave it out")
    return Order(
        size=len(task.train),
        batch_size=recipe.batch_size,
        seed=seed,
        rank=world.rank,
        world=world.size,
        repeats=recipe.repeats,
        weights=balanced(task.train.labels) if recipe.balanced else None,
    )


def measure_curvature(state: State, task: Task, order: Order, learner: Learner) -> None:
    """Let an optimizer that looks at pictures before each epoch do so; in the middle of one it has done it."""
    if isinstance(state.optimizer, Measures) and not state.position.done:
        pixels, targets = first_pictures(task.train, order, state.position.epoch, state.optimizer.pictures)
        x = learner.whole(pixels)
        state.optimizer.measure(state.net, [(x, targets.to(x.device))], learner.criterion)


def in_steps(batches: Iterable[Batch], each: int) -> Iterator[Sequence[Batch]]:
    """The batches of one step after the other."""
    iterator = iter(batches)
    while step := list(islice(iterator, each)):
        yield step


def augmentation(recipe: Recipe, epoch: int, size: tuple[int, int]) -> Augment:
    """The recipe's, at the size that progressive resizing has in this epoch."""
    part = epoch * (len(recipe.sizes) + 1) // recipe.epochs
    side = recipe.sizes[part] if part < len(recipe.sizes) else None
    return replace(recipe.augment, size=(side, side) if side else size)


def changed(batch: Batch, augment: Augment, classes: int) -> tuple[Tensor, Tensor]:
    """The pictures augmented, (n, height, width, channels), and their targets, mixed where the recipe mixes.

    The changes follow from seed, epoch and picture, so neither batch size nor workers alter them; who is mixed with
    whom is a matter of the batch.
    """
    at = batch.position
    draws = Draws(at.seed, at.epoch, batch.picks.indices, batch.picks.copies)
    pixels, targets = augment(batch.pixels, draws), batch.labels
    if augment.mixup or augment.cutmix:
        soft = targets if targets.ndim == 2 else soft_targets(targets, classes)
        return augment.mix(pixels, soft, draws)
    return pixels, targets


def normaliser(preprocess: Preprocess, device: torch.device, channels_last: bool = False) -> Normalise:
    """Levels 0..255 (n, height, width, channels) -> float32 (n, channels, height, width) on `device`.

    The result lies in memory as the shape says, for networks that call `view`, or with the channels last.
    """
    mean = torch.tensor(preprocess.mean, device=device).view(-1, 1, 1) * 255
    std = torch.tensor(preprocess.std, device=device).view(-1, 1, 1) * 255
    layout = torch.channels_last if channels_last else torch.contiguous_format

    def normalise(pixels: Tensor) -> Tensor:
        planes = pixels.to(device).permute(0, 3, 1, 2)
        return (planes.to(torch.float32, memory_format=layout) - mean) / std

    return normalise


def wholly(normalise: Normalise, size: tuple[int, int]) -> Normalise:
    """Whole pictures at the network's size: where crops are cut from larger ones, these are resized."""
    return lambda pixels: normalise(
        resized(pixels.permute(0, 3, 1, 2).contiguous(), size).permute(0, 2, 3, 1)
    )


def together(model: nn.Module, last: bool) -> AbstractContextManager[None]:
    """Gradients are added up over processes in the last pass of a step alone."""
    waits = not last and isinstance(model, nn.parallel.DistributedDataParallel)
    return model.no_sync() if waits else nullcontext()  # type: ignore[operator]


def averaged(average: Average | None, net: nn.Module) -> AbstractContextManager[None]:
    return average.in_place_of(net) if average else nullcontext()


def class_count(task: Task) -> int:
    labels = task.train.labels
    return task.classes or (labels.shape[1] if labels.ndim == 2 else int(labels.max()) + 1)


def class_counts(pictures: Labelled, classes: int) -> NDArray[np.int64]:
    """(classes,): how many pictures show each, rounded where targets are soft."""
    if pictures.labels.ndim == 2:
        return np.asarray(np.rint(pictures.labels.sum(0)), np.int64)
    return np.asarray(np.bincount(pictures.labels, minlength=classes), np.int64)
