"""The optimizer that a recipe names."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from neocog.errors import UserError
from neocog.training.optimizers.curvature import Criterion
from neocog.training.optimizers.groups import parameter_groups
from neocog.training.optimizers.krizhevsky import Krizhevsky
from neocog.training.optimizers.lamb import Lamb
from neocog.training.optimizers.rmsprop_tf import RMSPropTF
from neocog.training.optimizers.sdlm import SDLM
from neocog.training.recipes.recipe import Recipe

FUSED = {"cpu", "cuda", "xpu", "mps"}
"""devices for which torch has SGD, Adam and AdamW as one kernel each"""
Groups = list[dict[str, Any]]


@runtime_checkable
class Measures(Protocol):
    """An optimizer that looks at training pictures before each pass over them."""

    pictures: int
    """how many it should be shown"""

    def measure(self, net: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], criterion: Criterion) -> None:
        """`batches` of (pixels as the network reads them, targets); `criterion` gives the loss of each picture."""


def make_optimizer(net: nn.Module, recipe: Recipe, head: str = "") -> Optimizer:
    """`recipe.optimizer` for the trainable parameters of `net`, in the groups of `parameter_groups`.

    Each group has `scale`: its rate is that factor times the schedule's. `head` is the name of the last layer.
    UserError if nothing is trainable, for an unknown `head`, and for nesterov without momentum.
    """
    return OPTIMIZERS[recipe.optimizer](parameter_groups(net, recipe, head), recipe)


def _sgd(groups: Groups, recipe: Recipe) -> Optimizer:
    return torch.optim.SGD(groups, recipe.lr, momentum=recipe.momentum, fused=_fused_sgd(groups, recipe))


def _nesterov(groups: Groups, recipe: Recipe) -> Optimizer:
    if not recipe.momentum:
        raise UserError("the optimizer nesterov needs a momentum above 0, got 0; sgd takes none")
    return torch.optim.SGD(
        groups, recipe.lr, momentum=recipe.momentum, nesterov=True, fused=_fused_sgd(groups, recipe)
    )


def _krizhevsky(groups: Groups, recipe: Recipe) -> Optimizer:
    return Krizhevsky(groups, recipe.lr, recipe.momentum)


def _rmsprop_tf(groups: Groups, recipe: Recipe) -> Optimizer:
    return RMSPropTF(groups, recipe.lr, recipe.betas[1], recipe.momentum, **_eps(recipe))


def _adam(groups: Groups, recipe: Recipe) -> Optimizer:
    return torch.optim.Adam(groups, recipe.lr, recipe.betas, **_eps(recipe), fused=_fused(groups))


def _adamw(groups: Groups, recipe: Recipe) -> Optimizer:
    return torch.optim.AdamW(groups, recipe.lr, recipe.betas, **_eps(recipe), fused=_fused(groups))


def _lamb(groups: Groups, recipe: Recipe) -> Optimizer:
    """Without weight decay there is nothing to tell weights from biases by, and all are adapted, as in the paper."""
    return Lamb(groups, recipe.lr, recipe.betas, **_eps(recipe), always_adapt=not recipe.weight_decay)


def _sdlm(groups: Groups, recipe: Recipe) -> Optimizer:
    return SDLM(groups, recipe.lr, **({} if recipe.eps is None else {"mu": recipe.eps}))


def _eps(recipe: Recipe) -> dict[str, Any]:
    return {} if recipe.eps is None else {"eps": recipe.eps}


def _fused_sgd(groups: Groups, recipe: Recipe) -> bool | None:
    """Not where parameters of a group begin one after the other: the kernel wants a velocity of all or of none."""
    return None if recipe.gradual else _fused(groups)


def _fused(groups: Groups) -> bool | None:
    """True where torch has one kernel for all; None lets it choose."""
    return all(p.device.type in FUSED for group in groups for p in group["params"]) or None


OPTIMIZERS: dict[str, Callable[[Groups, Recipe], Optimizer]] = {
    "sgd": _sgd,
    "nesterov": _nesterov,
    "krizhevsky": _krizhevsky,
    "rmsprop-tf": _rmsprop_tf,
    "adam": _adam,
    "adamw": _adamw,
    "lamb": _lamb,
    "sdlm": _sdlm,
}
