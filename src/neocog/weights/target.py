"""What a network can take: its tensors' shapes, and which of them may differ from a file's."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from neocog.errors import UserError
from neocog.layers.conv import Conv2dSame
from neocog.layers.positions import resize_positions
from neocog.models.vit import ViT
from neocog.weights.read import bare_name
from neocog.weights.report import shown

Array = NDArray[np.generic]
# names of last layers
HEADS = ("fc", "fc2", "fc5", "fc8", "classifier", "classifier.6", "head", "head.fc", "heads.head")


@dataclass(frozen=True)
class Target:
    """A network's tensors by their bare names, and the parts that classes, channels and size decide."""

    net: nn.Module
    state: dict[str, Tensor]
    shapes: dict[str, tuple[int, ...]]
    heads: tuple[str, ...]
    """the last layer; the auxiliary heads' last layers before it, where there are some"""
    stem: str
    """the weight of the first convolution"""
    headless: str
    """the place of a last layer that was taken off; empty where there is one"""

    @property
    def classes(self) -> int | None:
        """Outputs of the last layer; None where it is no linear one."""
        return self.shapes[f"{self.heads[-1]}.weight"][0] if self.heads else None

    @property
    def same_padding(self) -> bool:
        """Whether convolutions pad as TensorFlow does; timm's class has the same name as ours."""
        return any(type(layer).__name__ == Conv2dSame.__name__ for layer in self.net.modules())

    def of_head(self, name: str) -> bool:
        """Whether the tensor belongs to a last layer."""
        return name.rpartition(".")[0] in self.heads


def target_of(net: nn.Module) -> Target:
    """What `net` can take; a wrapper's prefix of its names is left out as in files."""
    state = {
        bare_name(name): tensor
        for name, tensor in net.state_dict(keep_vars=True).items()
        if isinstance(tensor, Tensor)  # some modules add a state of another kind
    }
    layers = {bare_name(name): layer for name, layer in net.named_modules()}
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    stem = next((f"{name}.weight" for name, layer in layers.items() if isinstance(layer, nn.Conv2d)), "")
    owners = list(dict.fromkeys(name.rpartition(".")[0] for name in shapes))
    aside = [_last(owners, f"{name}.") for name in getattr(net, "aside", ())]
    last = _last([name for name in owners if not name.startswith(("aux1.", "aux2."))], "")
    identities = [name for name, layer in layers.items() if isinstance(layer, nn.Identity)]
    headless = next((n for n in reversed(identities) if n in HEADS), "")
    heads = () if headless else tuple(n for n in (*aside, last) if _is_linear(layers.get(n)))
    return Target(net, state, shapes, heads, stem if stem in shapes else "", headless)


def _last(owners: list[str], start: str) -> str:
    return next((name for name in reversed(owners) if name.startswith(start)), "")


def _is_linear(layer: nn.Module | None) -> bool:
    return isinstance(layer, nn.Linear) or (isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1))


def fitted(target: Target, name: str, array: Array) -> tuple[Array, str] | None:
    """`array` in the shape that the network wants, and what was done to it in words; None where it cannot be had."""
    wanted = target.shapes[name]
    if array.shape == wanted:
        return array, ""
    linear_and_conv = {array.ndim, len(wanted)} == {2, 4}  # the same map of all positions, or of one
    if linear_and_conv and array.shape[0] == wanted[0] and array.size == prod(wanted):
        return array.reshape(wanted), f"{shown(array.shape)} as {shown(wanted)}"
    if name == target.stem and array.ndim == 4:
        return _channels(array, wanted)
    if name == "pos_embed" and isinstance(target.net, ViT):
        return _positions(target.net, array)
    return None


def _channels(array: Array, wanted: tuple[int, ...]) -> tuple[Array, str] | None:
    """timm's rule: for one channel the sum over all, for others the channels in turn, scaled to the same sum."""
    given, needed = array.shape[1], wanted[1]
    if array.shape[0] != wanted[0] or array.shape[2:] != wanted[2:] or given not in (1, 3):
        return None
    kernel = array.astype(np.float32)
    if needed == 1:
        return kernel.sum(axis=1, keepdims=True), f"{given} channels to 1: their sum"
    turns = kernel[:, [i % given for i in range(needed)]] * np.float32(given / needed)
    return turns, f"{given} channels to {needed}: in turn, times {given}/{needed}"


def _positions(net: ViT, array: Array) -> tuple[Array, str] | None:
    """Learned positions of another grid, interpolated by the network's own rule."""
    assert net.pos_embed is not None
    if array.ndim != 3 or array.shape[0] != 1 or array.shape[2] != net.pos_embed.shape[2]:
        return None
    try:
        resized = resize_positions(
            torch.from_numpy(np.array(array)), net.grid, net.choices.resize, net.prefix
        )
    except UserError:  # no square grid behind the class token
        return None
    side = round((array.shape[1] - net.prefix) ** 0.5)
    how = f"grid {side}x{side} to {net.grid[0]}x{net.grid[1]}, interpolated as {net.choices.resize} does"
    return resized.numpy(), how
