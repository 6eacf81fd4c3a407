"""The learning-rate range test of a planned run: its network, pictures, augmentation, optimizer and loss."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from neocog.api.training.by_gradient import get_ready
from neocog.api.training.plan import Plan
from neocog.errors import UserError
from neocog.progress import Advance, Progress

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from neocog.data.augment.policy import Augment
    from neocog.data.loading.loader import Loader
    from neocog.training.find_lr import Criterion, LrCurve, Pairs
    from neocog.training.judging import Normalise
    from neocog.training.recipes.recipe import Recipe


def find_lr_for(plan: Plan, told: Progress) -> LrCurve:
    """The loss of the plan's network at rising rates, in single precision and one pass a step; writes nothing.

    UserError for a recipe that has no learning rate.
    """
    from neocog.data.loading.loader import Loader
    from neocog.training.find_lr import Sweep, find_lr
    from neocog.training.loop import Setting, augmentation, learner_of, order_of
    from neocog.training.processes.exchange import ALONE

    recipe = plan.by_gradient
    if recipe is None:
        raise UserError(
            f"the recipe {plan.recipe_name} has no learning rate to find; take one that trains weights"
        )
    with tempfile.TemporaryDirectory() as folder:
        ready = get_ready(plan, told, Path(folder), ALONE)
    net, task, sweep = ready.net, ready.task, Sweep(clip=recipe.clip)
    order = order_of(task, recipe, plan.seed, ALONE)
    learner = learner_of(net, task, recipe, order, Setting(machine=ready.machine))
    last = recipe.epochs - 1  # at full size where pictures grow
    augment = augmentation(recipe, last, task.preprocess.size)
    with (
        Loader(task.train, order, task.workers, say=told.say) as loader,
        told.step("learning rates", sweep.steps) as advance,
    ):
        batches = _Batches(loader, augment, learner.normalise, learner.classes, _device(net), advance)
        optimizer = partial(
            _optimizer, recipe=recipe, head=task.head, shown=batches, criterion=learner.criterion
        )
        return find_lr(
            net, batches, learner.criterion, optimizer, sweep, partial(_to_training, recipe=recipe)
        )


@dataclass(frozen=True, eq=False)
class _Batches:
    """Epoch after epoch of augmented batches as the network reads them; each counts as a step of the progress."""

    loader: Loader
    augment: Augment
    normalise: Normalise
    classes: int
    device: torch.device
    advance: Advance

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        from neocog.data.loading.arrival import prefetch_to
        from neocog.training.loop import changed

        for batch in prefetch_to(self.loader, self.device):
            if len(batch):  # none of its pictures could be read
                pixels, targets = changed(batch, self.augment, self.classes)
                yield self.normalise(pixels), targets
                self.advance(1)


def _optimizer(
    twin: nn.Module, recipe: Recipe, head: str, shown: Pairs, criterion: Criterion
) -> torch.optim.Optimizer:
    """The recipe's; one that looks at pictures first has seen a batch."""
    from neocog.training.optimizers.make import Measures, make_optimizer

    chosen = make_optimizer(twin, recipe, head)
    if isinstance(chosen, Measures):
        chosen.measure(twin, [next(iter(shown))], criterion)
    return chosen


def _to_training(twin: nn.Module, recipe: Recipe) -> None:
    from neocog.training.network.freezing import held_still

    twin.train()
    held_still(twin, recipe)


def _device(net: nn.Module) -> torch.device:
    return next(net.parameters()).device
