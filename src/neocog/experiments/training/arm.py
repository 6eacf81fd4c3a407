"""The usual way of an arm: a network is built, trained and judged."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from neocog.data.augment.policy import Augment
from neocog.experiments.training.fit import History, fit, initialised
from neocog.experiments.training.pictures import Pictures
from neocog.experiments.training.study import Arm, Point, Record
from neocog.training.recipes.recipe import Recipe

SGD = Recipe(
    batch_size=64,
    optimizer="sgd",
    lr=0.05,
    momentum=0.9,
    weight_decay=5e-4,
    schedule="cosine",
    warmup=0.05,
    augment=Augment(),
)
"""what most arms are trained with: nothing but the claim's own subject differs between them"""


def trained(build: Callable[[], nn.Module], recipe: Recipe) -> Arm:
    """An arm that trains what `build` makes by `recipe`."""

    def arm(pictures: Pictures, seed: int) -> Record:
        net = initialised(build, seed)
        return recorded(net, fit(net, pictures, recipe, seed))

    return arm


def recorded(net: nn.Module, history: History) -> Record:
    """Errors after the last epoch, parameters, and the errors over the epochs."""
    last = history.last
    figures = {
        "train error": last.train_error,
        "test error": last.test_error,
        "test − train error": last.test_error - last.train_error,
        "params": float(params(net)),
    }
    return Record(figures, curves(history))


def curves(history: History) -> dict[str, list[Point]]:
    """The errors over the epochs."""
    return {
        "train error": [(row.epoch, row.train_error) for row in history.rows],
        "test error": [(row.epoch, row.test_error) for row in history.rows],
    }


def params(net: nn.Module) -> int:
    """Trainable numbers."""
    return sum(parameter.numel() for parameter in net.parameters() if parameter.requires_grad)
