"""A classifier as a fully convolutional network: the answers for every window of a larger picture in one pass."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy

import torch
from torch import Tensor, nn

from neocog.errors import UserError
from neocog.models.classifier import Classifier, classifier

POOLS = (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)
BY_ELEMENT = (nn.Dropout, nn.Identity, nn.ReLU, nn.ReLU6, nn.SiLU, nn.GELU, nn.Tanh, nn.Sigmoid)
Named = tuple[str, nn.Module]


class PerPosition(nn.Module):
    """A layer of vectors (n, features) at each position of maps (n, features, height, width)."""

    def __init__(self, layer: nn.Module):
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        n, _, height, width = x.shape
        rows: Tensor = self.layer(x.permute(0, 2, 3, 1).flatten(0, 2))  # positions of all pictures, features
        return rows.unflatten(0, (n, height, width)).permute(0, 3, 1, 2)


def dense(net: nn.Module, input_size: tuple[int, int, int]) -> Classifier:
    """The fully convolutional twin: (n, channels, height, width) -> logits (n, classes, rows, columns), in evaluation.

    Sermanet et al., "OverFeat" (2014), section 3.5; Simonyan and Zisserman, "Very Deep Convolutional Networks"
    (2015), section 3.2. The layers up to the last maps run over the whole picture. What follows, pooling and fully
    connected layers, reads windows of as many positions as a picture of `input_size` (channels, height, width) has
    there: a fully connected layer behind a flattening becomes a convolution with a kernel of that many positions,
    those behind it become 1x1; pooling over all positions becomes pooling over each window; other adaptive pooling,
    which is linear, is absorbed into the convolution. So a picture of `input_size` gives one position with the
    network's own logits. A larger one gives a position every stride pixels, with the logits of a crop there if the
    network pads nothing; with padding these differ, since a crop has zeros around it where the picture goes on.

    A twin, which shares its tensors with `net` where their shapes agree, of a network that is a chain of layers;
    UserError for others, such as transformers with positions of their own, naming the layer that is in the way.
    """
    trunk, head = _divided(net)
    maps = _maps(trunk, input_size)
    return classifier(
        min_size=min(input_size[1:]), features=trunk, classifier=nn.Sequential(*_converted(head, maps))
    ).eval()


def _divided(net: nn.Module) -> tuple[nn.Sequential, list[Named]]:
    """What runs over the whole picture, and the layers behind it from the first one that wants all positions."""
    layers = list(_layers(_twin(net)))
    starts = [i for i, (_, layer) in enumerate(layers) if isinstance(layer, (*POOLS, nn.Flatten))]
    if not starts:
        raise UserError(
            f"a dense network needs a layer that pools or flattens its last maps, {type(net).__name__} has none "
            "in its chain; use the crops of another protocol"
        )
    for name, layer in layers[: starts[0]]:
        if isinstance(layer, nn.Linear):
            raise UserError(
                f"a dense network has maps up to its pooling or flattening, the layer {name} (Linear) has vectors; "
                "use the crops of another protocol"
            )
    return nn.Sequential(*(layer for _, layer in layers[: starts[0]])), layers[starts[0] :]


def _twin(net: nn.Module) -> nn.Module:
    """A copy that shares the tensors: modules may be exchanged in it, memory is not needed twice."""
    shared = [*net.parameters(), *net.buffers()]
    return deepcopy(net, {id(tensor): tensor for tensor in shared})


def _layers(net: nn.Module, at: str = "") -> Iterator[Named]:
    """The layers of a chain in order, those of chains within it one by one."""
    if not isinstance(net, nn.Sequential):
        raise UserError(
            f"a dense network is made from a chain of layers (nn.Sequential), got {type(net).__name__}, whose way "
            "through its layers is code; use the crops of another protocol"
        )
    for name, layer in net.path() if isinstance(net, Classifier) else net.named_children():
        if type(layer) is nn.Sequential:
            yield from _layers(layer, f"{at}{name}.")
        else:
            yield f"{at}{name}", layer


@torch.no_grad()
def _maps(trunk: nn.Sequential, input_size: tuple[int, int, int]) -> tuple[int, int]:
    """Height and width of the last maps of a picture of `input_size`."""
    like = next(trunk.parameters(), torch.empty(0))
    maps = trunk.eval()(torch.zeros(1, *input_size, dtype=like.dtype, device=like.device))
    if maps.dim() != 4:
        raise UserError(
            f"a dense network needs maps (n, channels, height, width) to pool or flatten, "
            f"got {tuple(maps.shape)} from its layers; use the crops of another protocol"
        )
    return maps.shape[2], maps.shape[3]


def _converted(head: list[Named], maps: tuple[int, int]) -> Iterator[nn.Module]:
    """The layers of the head, each reading a window of `maps` positions or what an earlier one made of it."""
    kernel, absorbed = maps, torch.eye(maps[0] * maps[1]).unflatten(1, maps)
    flat = False
    for name, layer in head:
        if isinstance(layer, POOLS) and not flat and kernel == maps:
            absorbed = layer(absorbed[None])[0]
            if absorbed.shape[1:] == (1, 1):
                yield (
                    nn.AvgPool2d(maps, 1)
                    if isinstance(layer, nn.AdaptiveAvgPool2d)
                    else nn.MaxPool2d(maps, 1)
                )
                kernel, absorbed = (1, 1), torch.ones(1, 1, 1)
        elif isinstance(layer, nn.Flatten):
            flat = True
        elif isinstance(layer, nn.Linear):
            yield _convolution(layer, kernel, absorbed, name)
            kernel, absorbed = (1, 1), torch.ones(1, 1, 1)
        else:
            yield layer if not flat or isinstance(layer, BY_ELEMENT) else PerPosition(layer)
