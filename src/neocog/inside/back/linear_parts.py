"""Norms on the way back from a unit: their slope with the statistics held fixed, or as if they were not there."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from neocog.analysis.capture import Call

EPS = 1e-5  # of all norms of torch where none is given, but for rms_norm


def constant_statistics(call: Call) -> Any:
    """A norm whose statistics count as constants, as those of batch norm in evaluation do."""
    x = call.arg(0, "input")
    if not isinstance(x, Tensor) or not x.requires_grad or _stored(call):
        return call.run()
    return _Scaled.apply(x, call.run().detach(), _slope(call, x.detach()))  # type: ignore[no-untyped-call]


def skipped(call: Call) -> Any:
    """A call that hands on unchanged what comes back."""
    return unchanged(call.arg(0, "input"), call.run())


def unchanged(x: Tensor, out: Tensor) -> Tensor:
    """`out`, through which everything comes back to `x` as if it were the same."""
    found: Tensor = _Skipped.apply(x, out)  # type: ignore[no-untyped-call]
    return found


def _stored(call: Call) -> bool:
    """Whether the statistics are stored ones: then torch's own gradient holds them fixed."""
    if call.kind == "batch_norm":
        return not call.arg(5, "training")
    return call.kind == "instance_norm" and call.arg(5, "use_input_stats") is False


def _slope(call: Call, x: Tensor) -> Tensor:
    """What each number of `x` is multiplied by."""
    if call.kind in ("layer_norm", "rms_norm"):
        return _slope_along_the_last(call, x)
    if call.kind == "group_norm":
        groups, weight = call.arg(1, "num_groups"), call.arg(2, "weight")
        eps = call.arg(4, "eps")
    else:
        groups, weight, eps = x.shape[1], call.arg(3, "weight"), call.arg(7, "eps")
    whole = x.transpose(0, 1)[None] if call.kind == "batch_norm" else x  # all pictures together
    variance = whole.reshape(len(whole), groups, -1).var(-1, correction=0)
    scale = (variance + (EPS if eps is None else eps)).rsqrt().repeat_interleave(x.shape[1] // groups, 1)
    scale = scale if weight is None else scale * weight
    slope: Tensor = scale.reshape(*scale.shape, *[1] * (x.dim() - 2))
    return slope


def _slope_along_the_last(call: Call, x: Tensor) -> Tensor:
    plain = call.kind == "rms_norm"
    sides = tuple(range(-len(call.arg(1, "normalized_shape")), 0))
    weight, eps = call.arg(2, "weight"), call.arg(3 if plain else 4, "eps")
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
