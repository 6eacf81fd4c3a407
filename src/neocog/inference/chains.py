"""A network as what runs over whole pictures and the layers, one after another, that read its last maps."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy

from torch import nn

from neocog.errors import UserError
from neocog.models.classifier import Classifier
from neocog.models.head import Flat

Layer = tuple[str, nn.Module]
"""name and module"""
WHOLE = (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.Flatten)  # these want all positions


def divided(net: nn.Module) -> tuple[nn.Module, list[Layer]]:
    """Of a copy in the same memory the layers up to the last maps, and those behind: pooling, flattening, linear ones.

    UserError where the network is no chain of layers, or has no such place in it.
    """
    layers = list(_layers(_twin(net)))
    first = next((i for i, (_, layer) in enumerate(layers) if isinstance(layer, WHOLE)), None)
    if first is None:
        raise UserError(
            "a dense network needs a layer that pools or flattens its last maps, "
            f"{type(net).__name__} has none; use a protocol of crops"
        )
    for name, layer in layers[:first]:
        if isinstance(layer, nn.Linear):
            raise UserError(
                f"a dense network has maps up to its pooling or flattening, the layer {name} (Linear) before it reads "
                "vectors; use a protocol of crops"
            )
    return nn.Sequential(*(layer for _, layer in layers[:first])), layers[first:]


def _twin(net: nn.Module) -> nn.Module:
    """A copy whose tensors lie in the same memory: it can be changed, moved and fused, and costs nothing."""
    memo: dict[int, object] = {id(p): nn.Parameter(p.detach(), requires_grad=False) for p in net.parameters()}
    memo |= {id(buffer): buffer.detach() for buffer in net.buffers()}
    return deepcopy(net, memo)


def _layers(net: nn.Module, at: str = "") -> Iterator[Layer]:
    """The layers of a chain in order, those of chains within it one by one."""
    if not isinstance(net, nn.Sequential):
        raise UserError(
            f"a dense network is made from a chain of layers (nn.Sequential), got {type(net).__name__}, whose way "
            "through its layers is code; use a protocol of crops"
        )
    for name, layer in net.path() if isinstance(net, Classifier) else net.named_children():
        if type(layer) in (nn.Sequential, Classifier):
            yield from _layers(layer, f"{at}{name}.")
        elif isinstance(layer, Flat):  # which flattens what is flat already, too: pooling does nothing there
            yield from ((f"{at}{name}", part) for part in (nn.AdaptiveAvgPool2d(1), nn.Flatten()))
        else:
            yield f"{at}{name}", layer
