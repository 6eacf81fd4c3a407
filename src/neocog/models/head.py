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


def find_head(net: nn.Module, input_size: tuple[int, int, int]) -> str | None:
    """The name of the linear layer whose output is the network's output; None if there is none."""
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
    if not isinstance(net.get_submodule(head), nn.Linear):
        raise UserError(
            f"the network's last layer {head} must be linear, got {type(net.get_submodule(head)).__name__}"
        )
    _replace(net, head, nn.Linear(features, classes))
    return net


def _replace(net: nn.Module, name: str, layer: nn.Module) -> None:
    parent, _, leaf = name.rpartition(".")
    setattr(net.get_submodule(parent), leaf, layer)
