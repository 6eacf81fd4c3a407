"""A network with a fraction of its channels: what a position sees does not depend on how many there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import prod

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import ParametrizationList

from neocog.analysis.field import Field
from neocog.analysis.op import Trace
from neocog.analysis.receptive_field import receptive_fields
from neocog.analysis.trace import trace
from neocog.analysis.twin import on_meta
from neocog.errors import UserError

FACTORS = (32, 16, 8, 4, 2)
CONVOLUTION = (nn.modules.conv._ConvNd,)
COUNTS = (
    "num_features", "num_channels", "in_features", "out_features", "embed_dim", "kdim", "vdim", "head_dim", "extra",
)  # fmt: skip
"""attributes of layers that count channels; `extra` are those of zeros in a shortcut"""


def thinned(net: nn.Module, size: Sequence[int]) -> nn.Module:
    """A copy with channels divided by that of 32, 16, 8, 4 and 2 that leaves the fewest weights.

    It runs, makes the same calls on the same positions, and every position sees the same. Its weights are those of
    `neutral`. `net` itself where no factor goes; `net` is never changed.
    """
    full = trace(net, size)
    seen = receptive_fields(full)
    found: list[tuple[int, nn.Module]] = []
    for factor in FACTORS:
        twin = on_meta(net)
        try:
            narrow(twin, factor)
            small = replace(trace(twin, size), buffers=_still(full.buffers, twin))
        except (UserError, ValueError, RuntimeError):
            continue
        empty = any(0 in op.shape for op in small.ops)
        if not empty and _weights(small) < _weights(full) and same_map(full, small, seen):
            found.append((_weights(small), twin))
    for _, twin in sorted(found, key=lambda pair: pair[0]):
        live = neutral(twin, net)
        if _computes(live, size):
            return live
    return net


def _still(buffers: Mapping[str, Tensor], twin: nn.Module) -> dict[str, Tensor]:
    """Those of the `buffers` that the thinned twin has in the same shape, and so with the same values."""
    shapes = {name: tensor.shape for name, tensor in twin.named_buffers()}
    return {name: tensor for name, tensor in buffers.items() if shapes.get(name) == tensor.shape}


def _computes(live: nn.Module, size: Sequence[int]) -> bool:
    """Whether a network runs with values too: on the meta device torch lets some weights pass that do not fit."""
    try:
        with torch.no_grad():
            live(torch.zeros(1, *size))
    except Exception:  # whatever the network's own code raises
        return False
    return True


def _weights(ops: Trace) -> int:
    return sum(prod(ref.shape) for ref in ops.parameters.values())


def narrow(net: nn.Module, factor: int) -> None:
    """Divide, in place, every count of channels that `factor` divides."""
    channels = {n for module in net.modules() for n in _counts(module)}

    def cut(n: int) -> int:
        return n // factor if n % factor == 0 else n

    shared: dict[int, Tensor] = {}
    owners = {id(part): module for module in net.modules() for part in _parametrizations(module)}
    for module in net.modules():
        _recount(module, factor, cut)
        for held in (module._parameters, module._buffers):
            for name, tensor in held.items():
                if tensor is not None:
                    shape = _shape(owners.get(id(module), module), tensor, channels, cut)
                    held[name] = shared.setdefault(id(tensor), _empty_like(tensor, shape))  # type: ignore[assignment]


def _recount(module: nn.Module, factor: int, cut: Callable[[int], int]) -> None:
    """The layer's own numbers of channels and groups."""
    if isinstance(module, CONVOLUTION):
        module.groups = cut(module.groups)
        module.in_channels, module.out_channels = cut(module.in_channels), cut(module.out_channels)
    if isinstance(module, nn.GroupNorm):
        module.num_groups = max(1, module.num_groups // factor)
    if isinstance(module, nn.LayerNorm | nn.RMSNorm) and len(module.normalized_shape) == 1:
        module.normalized_shape = (cut(module.normalized_shape[0]),)
    for name in COUNTS:
        value = vars(module).get(name)
        if isinstance(value, int):
            setattr(module, name, cut(value))


def _counts(module: nn.Module) -> list[int]:
    if isinstance(module, CONVOLUTION):
        return [module.in_channels, module.out_channels]
    if isinstance(module, nn.Linear):
        return [module.in_features, module.out_features]
    return []


def _shape(
    module: nn.Module, tensor: Tensor, channels: set[int], cut: Callable[[int], int]
) -> tuple[int, ...]:
    """The shape of a parameter or buffer with its channels cut."""
    shape = tuple(tensor.shape)
    if isinstance(module, CONVOLUTION) and tensor.ndim > 1:
        behind, ahead = module.in_channels, module.out_channels
        if module.transposed:
            behind, ahead = ahead, behind
        if behind % module.groups or ahead % module.groups:
            raise ValueError("groups do not divide the channels")
        cut_shape = (ahead, behind // module.groups, *shape[2:])
        return tuple(min(n, new) for n, new in zip(shape, cut_shape, strict=True))  # a norm's sides stay 1
    if tensor.ndim == 1:
        return (cut(shape[0]),)
    if isinstance(module, nn.Linear | nn.MultiheadAttention) and tensor.ndim == 2:
        return tuple(map(cut, shape))
    if tensor.ndim == 3 and shape[1:] == (1, 1):
        return (cut(shape[0]), 1, 1)
    return (*shape[:-1], cut(shape[-1])) if shape and shape[-1] in channels else shape


def _parametrizations(module: nn.Module) -> list[nn.Module]:
    """Where torch's parametrisations keep what a layer's weight is computed from."""
    held = getattr(module, "parametrizations", None)
    parts = held.values() if isinstance(held, nn.ModuleDict) else ()
    return [part for part in parts if isinstance(part, ParametrizationList)]


def _empty_like(tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    bare = torch.empty(shape, dtype=tensor.dtype, device="meta")
    return nn.Parameter(bare, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else bare


def same_map(full: Trace, small: Trace, seen: Sequence[Field | None]) -> bool:
    """Whether both make the same calls on the same positions, and each position sees the same in both."""
    if [(op.kind, op.layer) for op in full.ops] != [(op.kind, op.layer) for op in small.ops]:
        return False
    fields = receptive_fields(small)
    return all(
        _same(one.shape, other.shape, a, b)
        for one, other, a, b in zip(full.ops, small.ops, seen, fields, strict=True)
    )


def _same(shape: Sequence[int], other: Sequence[int], a: Field | None, b: Field | None) -> bool:
    if len(shape) != len(other):
        return False
    if a is None or b is None:
        return a is b
    channels = tuple(side for side, (n, m) in enumerate(zip(shape, other, strict=True)) if n != m)
    pairs = [
        [bound.min(axis=channels, keepdims=True) for bound in both]
        for both in zip(a.bounds, b.bounds, strict=True)
    ]
    return a.exact == b.exact and all(bool((one == other).all()) for one, other in pairs)


def neutral(net: nn.Module, source: nn.Module, dtype: torch.dtype = torch.float32) -> nn.Module:
    """A copy of `net` on the processor whose weights are positive, scaled by their fan-in, and never cancel.

    Biases are 0, stored statistics of norms mean 0 and variance 1; other buffers and tensors are those of `source`.
    """
    twin = on_meta(net).eval()
    values = dict(source.named_buffers())
    modules = dict(source.named_modules())
    dice = torch.Generator().manual_seed(0)
    made: dict[int, Tensor] = {}
    for prefix, module in twin.named_modules():
        for held in (module._parameters, module._buffers):
            for name, tensor in held.items():
                if tensor is not None and id(tensor) not in made:
                    full = f"{prefix}.{name}".strip(".")
                    made[id(tensor)] = _value(tensor, name, values.get(full), (dtype, dice))
                held[name] = None if tensor is None else made[id(tensor)]
        for name, value in list(vars(module).items()):
            if isinstance(value, Tensor) and value.is_meta and prefix in modules:
                vars(module)[name] = _cast(vars(modules[prefix])[name].detach().cpu(), dtype)
            elif isinstance(value, Tensor):
                vars(module)[name] = _cast(value, dtype)
    return twin


def _value(
    tensor: Tensor, name: str, known: Tensor | None, how: tuple[torch.dtype, torch.Generator]
) -> Tensor:
    dtype, dice = how
    shape = tuple(tensor.shape)
    if isinstance(tensor, nn.Parameter):
        wide = prod(shape[1:]) if len(shape) > 1 else 1
        positive = (0.5 + torch.rand(shape, dtype=torch.float64, generator=dice)) / wide
        return nn.Parameter((positive * ("bias" not in name)).to(dtype), requires_grad=False)
    if name in ("running_mean", "running_var"):
        return torch.full(shape, float(name == "running_var"), dtype=dtype)
    if known is not None and not known.is_meta and tuple(known.shape) == shape:
        return _cast(known.detach().cpu().clone(), dtype)
    return torch.full(shape, 1, dtype=dtype if tensor.dtype.is_floating_point else tensor.dtype)


def _cast(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    return tensor.to(dtype) if tensor.dtype.is_floating_point else tensor
