"""The last linear layer of any network: found, taken off for its features, or exchanged for other classes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from neocog.errors import UserError
from neocog.layers.chain import chain
from neocog.layers.rbf import RBF


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

    num_features: int | None = None
    """length of the vector that the last layer reads; None where that is no linear one"""
    head_at: str = ""
    """name of the last layer, remembered since it may be taken off"""
    head_convolves: bool = False
    """whether the last layer is a 1x1 convolution on pooled maps"""

    def remember_head(self) -> None:
        """Note where the last layer stands and what it reads. Called once, when the network is built."""
        self.head_at = head_name(self)
        layer = self.get_classifier()
        if isinstance(layer, nn.Linear | nn.Conv2d):
            self.num_features, self.head_convolves = width(layer), isinstance(layer, nn.Conv2d)

    def get_classifier(self) -> nn.Module:
        """The last layer; the identity where it was taken off."""
        return self.get_submodule(self.head_at)

    def reset_classifier(self, num_classes: int) -> None:
        """A freshly drawn last layer for `num_classes`; with 0 the network gives the features themselves."""
        if self.num_features is None:
            kind = type(self.get_classifier()).__name__
            raise UserError(
                f"the last layer {self.head_at or kind} must be linear to be exchanged or left out, got {kind}; "
                "forward_features gives what it reads"
            )
        if num_classes < 0:
            raise UserError(f"num_classes must be at least 0, got {num_classes}")
        place = next(self.parameters())
        new: nn.Module = nn.Identity()
        if num_classes and self.head_convolves:
            new = nn.Conv2d(self.num_features, num_classes, 1)
        elif num_classes:
            new = nn.Linear(self.num_features, num_classes)
        _replace(self, self.head_at, new.to(place))

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
    """Length of the vector that a last layer reads: a linear one, a 1x1 convolution on pooled maps, or LeNet-5's."""
    if isinstance(layer, RBF):
        return layer.codes.shape[1]
    features = layer.in_channels if isinstance(layer, nn.Conv2d) else layer.in_features
    return int(features)  # type: ignore[arg-type]


def reset_head(net: nn.Module, head: str, classes: int) -> None:
    """Exchange any network's linear layer `head` for a fresh one, or the identity. Changes `net`."""
    old = net.get_submodule(head)
    assert isinstance(old, nn.Linear)
    if classes < 0:
        raise UserError(f"num_classes must be at least 0, got {classes}")
    _replace(net, head, nn.Linear(width(old), classes).to(old.weight) if classes else nn.Identity())


def find_head(net: nn.Module, input_size: tuple[int, int, int]) -> str | None:
    """The name of the layer that is exchanged for other classes: a linear one whose output is the network's.

    Networks of ours know theirs, which may be a 1x1 convolution on pooled maps, or LeNet-5's distances to drawn
    bitmaps; others are run once. None if there is none.
    """
    if isinstance(net, Headed) and net.head_at:
        return net.head_at if isinstance(net.get_classifier(), nn.Linear | nn.Conv2d | RBF) else None
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


class MirrorMean(nn.Module):
    """The mean of what a network gives for a picture and for its mirror image, left to right."""

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        mean: Tensor = (self.net(x) + self.net(x.flip(-1))) / 2
        return mean


def without_head(net: nn.Module, head: str | None, mirrored: bool = False) -> nn.Module:
    """The network up to what its last linear layer reads, as (batch, features). Changes `net`.

    With `mirrored` the mean over a picture and its mirror image: a linear layer behind it gives the mean of its logits.
    """
    if head:
        _replace(net, head, nn.Identity())
    features = chain(net=net, flat=Flat())
    return MirrorMean(features) if mirrored else features


def with_head(net: nn.Module, head: str, classes: int, added: bool, features: int) -> nn.Module:
    """The network with a fresh last layer for `classes`, behind the network where it had none. Changes `net`."""
    if added:
        return chain(backbone=net, flat=Flat(), classifier=nn.Linear(features, classes))
    old = net.get_submodule(head)
    if not isinstance(old, nn.Linear | nn.Conv2d | RBF) or getattr(old, "kernel_size", (1, 1)) != (1, 1):
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
