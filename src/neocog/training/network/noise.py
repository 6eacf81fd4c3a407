"""Dropout and stochastic depth of a network that is built already."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import nn
from torch.nn.modules.dropout import _DropoutNd

from neocog.errors import UserError
from neocog.layers.dropout import Dropout
from neocog.layers.stochastic_depth import StochasticDepth
from neocog.models.resnet import BasicBlock, Bottleneck
from neocog.training.recipes.recipe import Recipe

DROPOUTS = (_DropoutNd, Dropout)  # torch's, all of them, and ours


def set_noise(net: nn.Module, recipe: Recipe) -> None:
    """Give the network the recipe's probabilities of dropout and of leaving out residual branches. Changes `net`.

    The latter rises linearly from 0 at the first branch to the recipe's at the last (Huang et al. 2016, section 4).
    UserError where the network has nothing of the kind.
    """
    if recipe.dropout is not None:
        layers = [layer for layer in net.modules() if isinstance(layer, DROPOUTS)]
        _demand(layers, "dropout", recipe.dropout)
        for layer in layers:
            layer.p = recipe.dropout
    if recipe.drop_path is not None:
        branches = list(_branches(net))
        _demand(branches, "drop_path", recipe.drop_path)
        for i, branch in enumerate(branches):
            p = recipe.drop_path * i / max(1, len(branches) - 1)
            setattr(branch, "p" if isinstance(branch, StochasticDepth) else "drop_prob", p)


def _branches(net: nn.Module) -> Iterator[nn.Module]:
    """Layers that leave out a residual branch, in the order of the network: ours and timm's. ResNets are given some."""
    for layer in net.modules():
        if isinstance(layer, BasicBlock | Bottleneck) and layer.downsample is not None:
            layer.drop_path = layer.drop_path or StochasticDepth(0.0)
    for layer in net.modules():
        if (
            isinstance(layer, StochasticDepth)
            or type(layer).__name__ == "DropPath"
            and hasattr(layer, "drop_prob")
        ):
            yield layer


def _demand(layers: Sequence[nn.Module], name: str, p: float) -> None:
    if not layers and p > 0:
        raise UserError(f"{name} {p} needs layers that drop something, the network has none; leave it out")
