"""A classifier as a fully convolutional network: its answers for all windows of a larger picture in one pass."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from neocog.analysis.trace import trace
from neocog.errors import UserError
from neocog.inference.chains import Layer, divided_chain
from neocog.inference.traced import divided_code

ELEMENTWISE = (nn.ReLU, nn.ReLU6, nn.SiLU, nn.GELU, nn.Tanh, nn.Sigmoid)
NOTHING = (nn.Dropout, nn.Identity)  # in evaluation


class Dense(nn.Module):
    """(n, channels, height, width) -> logits (n, classes, rows, columns); made by `dense`."""

    def __init__(self, input_size: tuple[int, int], features: nn.Module, classifier: nn.Module):
        super().__init__()
        self.input_size = input_size
        self.features, self.classifier = features, classifier

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() != 4 or x.shape[2] < self.input_size[0] or x.shape[3] < self.input_size[1]:
            least = "x".join(map(str, self.input_size))
            raise UserError(
                f"a dense network takes pictures (n, channels, height, width) of at least {least} pixels, "
                f"got {tuple(x.shape)}"
            )
        logits: Tensor = self.classifier(self.features(x))
        return logits


class PerPosition(nn.Module):
    """A layer of vectors (n, features) at each position of maps (n, features, height, width)."""

    def __init__(self, layer: nn.Module):
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        n, _, height, width = x.shape
        rows: Tensor = self.layer(x.permute(0, 2, 3, 1).flatten(0, 2))  # positions of all pictures, features
        return rows.view(n, height, width, -1).permute(0, 3, 1, 2)


@torch.no_grad()
def dense(net: nn.Module, input_size: tuple[int, int, int]) -> Dense:
    """The fully convolutional twin of a classifier for pictures of `input_size` (channels, height, width).

    Sermanet et al., "OverFeat" (2014), section 3.5; Simonyan and Zisserman, "Very Deep Convolutional Networks"
    (2015), section 3.2. The layers up to the last maps run over the whole picture. What follows reads windows of as
    many positions as a picture of `input_size` has there: a fully connected layer behind a flattening becomes a
    convolution with a kernel of that many positions, those behind it become 1x1; pooling over all positions becomes
    pooling over each window; other adaptive average pooling, which is linear, is absorbed into the convolution.

    So a picture of `input_size` gives one position with the network's own logits. A larger one gives one for every
    stride of the last maps: a crop's logits there if the network pads nothing. With padding they differ, since a
    crop has zeros around it where the picture goes on; so do layers that look at all of a map at once, such as
    squeeze-and-excitation and group norm.

    Chains of layers have one, and networks whose code torch.fx can follow, such as torchvision's. The twin is in
    evaluation mode and lies in the memory of `net`. UserError for networks that have none, such as transformers with
    positions of their own; it names what is in the way.
    """
    twin = _twin(net)
    trunk, head = divided_chain(twin) if isinstance(twin, nn.Sequential) else divided_code(twin)
    maps = _maps(trunk, input_size)
    layers = list(_converted(head, _Window(maps, maps)))
    return Dense(input_size[1:], trunk, nn.Sequential(*layers)).eval()


def _twin(net: nn.Module) -> nn.Module:
    """A copy whose tensors lie in the same memory: it can be changed, moved and fused, and costs nothing."""
    memo: dict[int, object] = {id(p): nn.Parameter(p.detach(), requires_grad=False) for p in net.parameters()}
    memo |= {id(buffer): buffer.detach() for buffer in net.buffers()}
    return deepcopy(net, memo)


def _maps(trunk: nn.Module, input_size: tuple[int, int, int]) -> tuple[int, int]:
    """Height and width of the last maps of a picture of `input_size`; those of a larger one must be larger."""
    channels, height, width = input_size
    maps = _shape(trunk, input_size)
    try:
        wider = _shape(trunk, (channels, height, 2 * width))
    except UserError as error:
        raise UserError(
            f"a dense network runs on pictures larger than {height}x{width}, but {error}; use a protocol of crops"
        ) from error
    if len(maps) != 4 or wider[3] <= maps[3]:
        raise UserError(
            "a dense network pools or flattens maps (n, channels, height, width) that grow with the picture, got "
            f"{maps} of {height}x{width} pixels, {wider} of {height}x{2 * width}; use a protocol of crops"
        )
    return maps[2], maps[3]


def _shape(trunk: nn.Module, size: tuple[int, int, int]) -> tuple[int, ...]:
    """Of what the network puts out for one picture; nothing is computed."""
    return next(op.shape for op in trace(trunk, size).ops if op.output)


@dataclass(frozen=True)
class _Window:
    """What the next layer of the head reads."""

    maps: tuple[int, int]
    """positions of a window on the maps as they are"""
    pooled: tuple[int, int]
    """what a pooling that is still to be absorbed makes of them"""
    flat: bool = False

    @property
    def same(self) -> bool:
        return self.maps == self.pooled


POINT = _Window((1, 1), (1, 1))


def _converted(head: list[Layer], window: _Window) -> Iterator[nn.Module]:
    """The layers of the head for all windows."""
    for name, layer in head:
        if isinstance(layer, nn.Flatten):
            window = _flattened(layer, window, name)
        elif isinstance(layer, nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d):
            window, pool = _pooling(layer, window, name)
            yield from pool
        elif isinstance(layer, nn.Linear):
            yield _convolution(layer, window, name)
            window = replace(POINT, flat=True)
        elif not isinstance(layer, NOTHING):
            yield _as_it_is(layer, window, name)
    if window.maps != (1, 1):
        raise _in_the_way(*head[-1])


def _pooling(
    layer: nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d, window: _Window, name: str
) -> tuple[_Window, list[nn.Module]]:
    """The window behind an adaptive pooling, and the pooling of each window unless a convolution will absorb it."""
    size = layer(torch.zeros(1, 1, *window.maps)).shape[2:]
    pooled = (size[0], size[1])
    if pooled == window.maps == window.pooled:
        return window, []
    if window.flat or not window.same:
        raise _in_the_way(name, layer)
    mean = isinstance(layer, nn.AdaptiveAvgPool2d)
    if pooled == (1, 1):
        return POINT, [(nn.AvgPool2d if mean else nn.MaxPool2d)(window.maps, 1)]
    if not mean:
        raise _in_the_way(name, layer)
    return _Window(window.maps, pooled), []


def _flattened(layer: nn.Flatten, window: _Window, name: str) -> _Window:
    if layer.start_dim != 1 or layer.end_dim not in (-1, 3):
        raise _in_the_way(name, layer)
    return replace(window, flat=True)


def _as_it_is(layer: nn.Module, window: _Window, name: str) -> nn.Module:
    """A layer that reads one position at a time."""
    by_element = isinstance(layer, ELEMENTWISE)
    if not (window == POINT or window.maps == (1, 1) or (by_element and window.same)):
        raise _in_the_way(name, layer)
    return PerPosition(layer) if window.flat and not by_element else layer


def _convolution(layer: nn.Linear, window: _Window, name: str) -> nn.Conv2d:
    """A fully connected layer as a convolution over a window, with the pooling in front of it."""
    rows, columns = window.pooled
    channels, rest = divmod(layer.in_features, rows * columns)
    if rest or not (window.flat or window.maps == (1, 1)):
        raise _in_the_way(name, layer)
    weight = layer.weight.view(-1, channels, rows, columns)
    if not window.same:
        basis = torch.eye(window.maps[0] * window.maps[1]).to(weight).view(-1, *window.maps)
        pooled = nn.functional.adaptive_avg_pool2d(basis, window.pooled)  # what each position gives to each
        weight = torch.einsum("ocpq,kpq->ock", weight, pooled).view(*weight.shape[:2], *window.maps)
    conv = nn.Conv2d(channels, layer.out_features, window.maps, bias=layer.bias is not None, device="meta")
    conv.weight = nn.Parameter(weight, requires_grad=False)
    if layer.bias is not None:
        conv.bias = nn.Parameter(layer.bias, requires_grad=False)
    return conv


def _in_the_way(name: str, layer: nn.Module) -> UserError:
    return UserError(
        f"a dense network reads its last maps through pooling, one flattening and linear layers, "
        f"the layer {name} ({type(layer).__name__}) is in the way; use a protocol of crops"
    )
