"""Batch norm with the target's statistics."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy

from torch import Tensor, nn

from neocog.errors import UserError
from neocog.layers.batch_norm import Layer, precise_batch_norm


def adaptive_batch_norm(net: nn.Module, pictures: Iterable[Tensor]) -> nn.Module:
    """A copy of `net` whose batch norms hold the means and variances of the target's `pictures` (batches of input).

    Li, Wang, Shi, Liu, Hou, "Revisiting batch normalization for practical domain adaptation" (2017), algorithm 1: no
    label and no gradient is used, weights and the learned scale and shift stay. Each layer's statistics are taken while
    those before it normalise with the batch's own, by `precise_batch_norm`; with all pictures in one batch that is the
    paper's algorithm layer by layer.
    UserError where the network has no batch norm with running statistics, and where there is no picture.
    """
    if not has_statistics(net):
        raise UserError(
            f"AdaBN replaces the statistics of batch norms, got {type(net).__name__} without any; "
            "take a network with batch norm, or another method"
        )
    adapted = deepcopy(net)
    precise_batch_norm(adapted, pictures)
    return adapted


def has_statistics(net: nn.Module) -> bool:
    """Whether some batch norm keeps running statistics."""
    return any(isinstance(layer, Layer) and layer.running_mean is not None for layer in net.modules())
