"""A network that is a chain of layers: those up to its last maps, and those behind."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from neocog.errors import UserError
from neocog.layers.chain import chain
from neocog.models.classifier import Classifier
from neocog.models.head import Flat

Layer = tuple[str, nn.Module]
"""name and module"""
WHOLE = (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.Flatten)  # these want all positions


def divided_chain(net: nn.Sequential) -> tuple[nn.Module, list[Layer]]:
    """The layers up to the last maps as one, and those behind: pooling, flattening, linear ones.

    UserError where there is no such place.
    """
    layers = list(_layers(net))
    first = next((i for i, (_, layer) in enumerate(layers) if isinstance(layer, WHOLE)), None)
    if first is None:
        raise nowhere(net)
    named = {name.replace(".", "_"): layer for name, layer in layers[:first]}
    return chain(**named), layers[first:]


def _layers(net: nn.Sequential, at: str = "") -> Iterator[Layer]:
    """The layers in order, those of chains within the chain one by one."""
    for name, layer in net.path() if isinstance(net, Classifier) else net.named_children():
        if isinstance(layer, Flat):  # which flattens what is flat already, too: pooling does nothing there
            yield from ((f"{at}{name}", part) for part in (nn.AdaptiveAvgPool2d(1), nn.Flatten()))
        elif type(layer) in (nn.Sequential, Classifier):
            yield from _layers(layer, f"{at}{name}.")  # type: ignore[arg-type]
        else:
            yield f"{at}{name}", layer


def nowhere(net: nn.Module) -> UserError:
    return UserError(
        "a dense network needs a layer that pools or flattens its last maps, followed by nothing but layers with one "
        f"input, {type(net).__name__} has none; use a protocol of crops"
    )
