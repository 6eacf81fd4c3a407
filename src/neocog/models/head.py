"""The last linear layer of any network: found, taken off for its features, or exchanged for other classes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from neocog.errors import UserError
from neocog.layers.chain import chain


class Flat(nn.Module):
    """Anything to (batch, features): maps are averaged over positions, tokens (batch, tokens, dim) over tokens."""

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() == 3:
            return x.mean(1)
        return x.mean((2, 3)) if x.dim() == 4 else x.flatten(1)


class Headed(nn.Module):
    """What each network of ours offers beside `forward`, under timm's names."""

    min_size: int = 1
    """the smallest height and width that give every layer something to read"""
    max_size: int | None = None
    """the largest, where a fully connected layer fixes the number of positions; None without limit"""

    @property
    def num_features(self) -> int:
        """Length of the vector that the last layer reads."""
        return width(self.get_classifier())

    def get_classifier(self) -> nn.Module:
        """The last layer."""
        return self.get_submodule(head_name(self))

    def reset_classifier(self, num_classes: int) -> None:
        """A freshly drawn last layer for `num_classes`; with 0 the network gives the features themselves."""
        reset_head(self, head_name(self), num_classes)

    def check_size(self, x: Tensor) -> None:
        """Raise unless `x` is (batch, channels, height, width) of a size that the network can read."""
        if x.dim() != 4:
            raise UserError(f"pictures come as (batch, channels, height, width), got {tuple(x.shape)}")
        rows, cols = x.shape[-2:]
        if rows < self.min_size or cols < self.min_size:
            raise UserError(
                f"pictures must be at least {self.min_size}x{self.min_size} pixels for this network, "
                f"got {rows}x{cols}"
            )
        if self.max_size is not None and (rows > self.max_size or cols > self.max_size):
            raise UserError(
                f"pictures may be at most {self.max_size}x{self.max_size} pixels for this network, whose first "
                f"fully connected layer has a fixed input, got {rows}x{cols}"
            )


class LinearOnMaps(nn.Linear):
    """A linear layer where a 1x1 convolution on pooled maps (batch, features, 1, 1) was the last layer."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.flatten(1))


def head_name(net: nn.Module) -> str:
    """The name of the last layer of a network of ours: the last one that holds tensors."""
    names = [str(name) for name, module in net.named_modules() if _own_tensors(module)]
    return names[-1]


def width(layer: nn.Module) -> int:
    """Length of the vector that a last layer reads: a linear one, or a 1x1 convolution on pooled maps."""
    features = layer.in_channels if isinstance(layer, nn.Conv2d) else layer.in_features
    return int(features)  # type: ignore[arg-type]


def reset_head(net: nn.Module, head: str, classes: int) -> None:
    """Exchange the layer `head` for a fresh one of its kind; with no classes for the identity. Changes `net`."""
    old = net.get_submodule(head)
    if not isinstance(old, nn.Linear | nn.Conv2d):
        raise UserError(
            f"the last layer {head} must be linear to be exchanged, got {type(old).__name__}; "
            "its classes are fixed"
        )
    if classes < 0:
        raise UserError(f"num_classes must be at least 0, got {classes}")
    if classes == 0:
        _replace(net, head, nn.Identity())
    elif isinstance(old, nn.Conv2d):
        _replace(net, head, nn.Conv2d(width(old), classes, 1).to(old.weight))
    else:
        _replace(net, head, nn.Linear(width(old), classes).to(old.weight))


def find_head(net: nn.Module, input_size: tuple[int, int, int]) -> str | None:
    """The name of the linear layer whose output is the network's output; None if there is none.

    Networks of ours know theirs, which may be a 1x1 convolution on pooled maps; others are run once.
    """
    if isinstance(net, Headed):
        name = head_name(net)
        return name if isinstance(net.get_submodule(name), nn.Linear | nn.Conv2d) else None
    seen: dict[tuple[int, int], str] = {}
    outputs: list[Tensor] = []
    handles = []
    for name, module in net.named_modules():
        if isinstance(module, nn.Linear) and name:

            def note(_: nn.Module, __: object, out: Tensor, name: str = name) -> None:
                seen[id(out), out._version] = name  # a higher version: something was written into it since
                outputs.append(out)  # keeps the identity unique while we look

            handles.append(module.register_forward_hook(note))
    try:
        out = run_once(net, torch.zeros(1, *input_size))
    finally:
        for handle in handles:
            handle.remove()
    return seen.get((id(out), out._version))


def run_once(net: nn.Module, x: Tensor) -> Tensor:
    """One forward in evaluation mode; each layer is left in the mode it was in."""
    modes = [(module, module.training) for module in net.modules()]
    try:
        with torch.no_grad():
            out = net.eval()(x)
    except Exception as error:
        reason = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}"
        raise UserError(
            f"the network must accept a batch of shape {tuple(x.shape)}, it raised {reason}"
        ) from error
    finally:
        for module, mode in modes:
            module.training = mode
    if not isinstance(out, Tensor):
        raise UserError(f"the network must return one tensor, it returned {type(out).__name__}")
    return out


def without_head(net: nn.Module, head: str | None) -> nn.Module:
    """The network up to what its last linear layer reads, as (batch, features). Changes `net`."""
    if head:
        _replace(net, head, nn.Identity())
    return chain(net=net, flat=Flat())


def with_head(net: nn.Module, head: str, classes: int, added: bool, features: int) -> nn.Module:
    """The network with a fresh last layer for `classes`, behind the network where it had none. Changes `net`."""
    if added:
        return chain(backbone=net, flat=Flat(), classifier=nn.Linear(features, classes))
    old = net.get_submodule(head)
    if not isinstance(old, nn.Linear | nn.Conv2d) or getattr(old, "kernel_size", (1, 1)) != (1, 1):
        raise UserError(f"the network's last layer {head} must be linear, got {type(old).__name__}")
    kind = LinearOnMaps if isinstance(old, nn.Conv2d) else nn.Linear
    _replace(net, head, kind(features, classes))
    return net


def _own_tensors(module: nn.Module) -> bool:
    """Whether the module itself, not its children, holds parameters or buffers."""
    return any(True for _ in module.parameters(recurse=False)) or any(
        True for _ in module.buffers(recurse=False)
    )


def _replace(net: nn.Module, name: str, layer: nn.Module) -> None:
    parent, _, leaf = name.rpartition(".")
    setattr(net.get_submodule(parent), leaf, layer)
