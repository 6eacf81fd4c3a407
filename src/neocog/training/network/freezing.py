"""Parts of a network that training leaves alone."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from torch import nn

from neocog.errors import UserError, unknown
from neocog.layers.batch_norm import Layer as BatchNorm
from neocog.training.recipes.recipe import Recipe


def freeze(net: nn.Module, recipe: Recipe) -> int:
    """Parameters that `freeze` and `freeze_bn` of the recipe name no longer learn; returns how many numbers those are.

    Patterns are the shell's (`stem.*`, `*.bn1.*`), `*` runs over dots, and case counts. UserError for one that matches
    no parameter, and if nothing is left to learn.
    """
    learning = {name: parameter for name, parameter in net.named_parameters() if parameter.requires_grad}
    for pattern in recipe.freeze:
        found = [p for name, p in net.named_parameters() if fnmatchcase(name, pattern)]
        if not found:
            raise unknown("parameters to freeze", pattern, _patterns(net))
        for parameter in found:
            parameter.requires_grad_(False)
    for layer in still_norms(net, recipe):
        layer.requires_grad_(False)
    still = [parameter.numel() for parameter in learning.values() if not parameter.requires_grad]
    if learning and len(still) == len(learning):
        raise UserError(f"freeze {' '.join(recipe.freeze)} leaves nothing to train; leave the last layer out")
    return sum(still)


def held_still(net: nn.Module, recipe: Recipe) -> None:
    """Frozen batch norms go to evaluation mode, so that their running statistics stay as they are too.

    With `freeze_bn_stats` all do, and beside LoRA, which keeps the trained weights. `net.train()` undoes it, so this is
    called after each.
    """
    for layer in norms_in_use(net, recipe):
        layer.eval()


def still_norms(net: nn.Module, recipe: Recipe) -> Iterator[BatchNorm]:
    """Frozen batch norms: all of them with `freeze_bn`, else those whose scale a pattern of `freeze` matches."""
    for name, layer in net.named_modules():
        if isinstance(layer, BatchNorm) and (recipe.freeze_bn or _matches(f"{name}.weight", recipe)):
            yield layer


def norms_in_use(net: nn.Module, recipe: Recipe) -> Iterator[BatchNorm]:
    """Batch norms that use and keep their running statistics while training: all, or those that are frozen."""
    if recipe.freeze_bn_stats or recipe.lora:
        yield from (layer for layer in net.modules() if isinstance(layer, BatchNorm))
    else:
        yield from still_norms(net, recipe)


def _matches(name: str, recipe: Recipe) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in recipe.freeze)


def _patterns(net: nn.Module) -> list[str]:
    """The parameters' names and a pattern for every module that has some, the short ones first."""
    names = [name for name, _ in net.named_parameters()]
    parts = (name.split(".") for name in names)
    inside = {".".join([*part[:depth], "*"]) for part in parts for depth in range(1, len(part))}
    return [*sorted(inside, key=lambda pattern: (pattern.count("."), pattern)), *names]
