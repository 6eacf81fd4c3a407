"""Norms on the way back from a unit: their slope with the statistics held fixed, or as if they were not there."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from neocog.analysis.capture import Call
from neocog.inside.back.rectifiers import argument

EPS = 1e-5  # of all norms of torch where none is given, but for rms_norm


def held(call: Call) -> Any:
    """A norm whose statistics count as constants, as those of batch norm in evaluation do."""
    x = argument(call, 0, "input")
    if not isinstance(x, Tensor) or not x.requires_grad or _stored(call):
        return call.run()
    return _Scaled.apply(x, call.run().detach(), _slope(call, x.detach()))  # type: ignore[no-untyped-call]


def skipped(call: Call) -> Any:
    """A call that hands on unchanged what comes back."""
    return _Skipped.apply(argument(call, 0, "input"), call.run())  # type: ignore[no-untyped-call]


def skips_around(_: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> Any:
    """A hook for a module that hands on unchanged what comes back."""
    return _Skipped.apply(given[0], out)  # type: ignore[no-untyped-call]


def _stored(call: Call) -> bool:
    """Whether the statistics are stored ones: then torch's own gradient holds them fixed."""
    if call.kind == "batch_norm":
        return not argument(call, 5, "training")
    return call.kind == "instance_norm" and argument(call, 5, "use_input_stats") is False


def _slope(call: Call, x: Tensor) -> Tensor:
    """What each number of `x` is multiplied by."""
    if call.kind in ("layer_norm", "rms_norm"):
        return _slope_along_the_last(call, x)
    if call.kind == "group_norm":
        groups, weight = argument(call, 1, "num_groups"), argument(call, 2, "weight")
        eps = argument(call, 4, "eps")
    else:
        groups, weight, eps = x.shape[1], argument(call, 3, "weight"), argument(call, 7, "eps")
    whole = x.transpose(0, 1)[None] if call.kind == "batch_norm" else x  # all pictures together
    variance = whole.reshape(len(whole), groups, -1).var(-1, correction=0)
    scale = (variance + (EPS if eps is None else eps)).rsqrt().repeat_interleave(x.shape[1] // groups, 1)
    scale = scale if weight is None else scale * weight
    slope: Tensor = scale.reshape(*scale.shape, *[1] * (x.dim() - 2))
    return slope


def _slope_along_the_last(call: Call, x: Tensor) -> Tensor:
    plain = call.kind == "rms_norm"
    sides = tuple(range(-len(argument(call, 1, "normalized_shape")), 0))
    weight, eps = argument(call, 2, "weight"), argument(call, 3 if plain else 4, "eps")
    if eps is None:
        eps = torch.finfo(x.dtype).eps if plain else EPS
    spread = x.square().mean(sides, keepdim=True) if plain else x.var(sides, correction=0, keepdim=True)
    scale: Tensor = (spread + eps).rsqrt()
    return scale if weight is None else scale * weight


class _Skipped(torch.autograd.Function):
    """Forward what is given, backward as if nothing had been done."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, out: Tensor) -> Tensor:
        return out.clone()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        return g, None


class _Scaled(torch.autograd.Function):
    """Forward what is given, backward times a slope."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, out: Tensor, slope: Tensor) -> Tensor:
        ctx.slope = slope
        return out.clone()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None, None]:
        return g * ctx.slope, None, None
