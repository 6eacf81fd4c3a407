"""Batch norm over the pictures of all processes, so that their number does not change what is learned.

torch's own `SyncBatchNorm` refuses tensors on the CPU; there this file's is used, with the same mathematics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import MethodType
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules._functions import SyncBatchNorm as OnAccelerator
from torch.nn.modules.batchnorm import _BatchNorm
from torch.overrides import TorchFunctionMode

from neocog.errors import UserError
from neocog.layers.batch_norm import BatchNorm2d


def synchronised(net: nn.Module) -> nn.Module:
    """Let every batch norm of `net`, in place, normalise by the batches of all processes while it trains.

    The layers stay what they are, with their parameters, state dict, hooks and whatever their own forward does beside
    normalising (timm's contain the activation); only their calls of `torch.nn.functional.batch_norm` change. All
    processes must call the layers equally often; a share of the batch may be empty. In evaluation mode, and with one
    process, nothing changes. UserError for the lecture's `neocog.layers.batch_norm.BatchNorm2d`, which computes by
    itself.
    """
    for module in net.modules():
        if isinstance(module, BatchNorm2d):
            raise UserError(
                "neocog.layers.batch_norm.BatchNorm2d knows one process alone; "
                "use torch.nn.BatchNorm2d, which has the same state dict"
            )
        if isinstance(module, _BatchNorm) and not isinstance(module, nn.SyncBatchNorm):
            module.__dict__["forward"] = MethodType(_synchronised_forward, module)
    return net


def unsynchronised(net: nn.Module) -> nn.Module:
    """Undo `synchronised`, in place."""
    for module in net.modules():
        if isinstance(module.__dict__.get("forward"), MethodType) and isinstance(module, _BatchNorm):
            del module.__dict__["forward"]
    return net


def _synchronised_forward(layer: _BatchNorm, *inputs: Any) -> Any:
    forward: Callable[..., Any] = type(layer).forward
    if not (layer.training and dist.is_initialized() and dist.get_world_size() > 1):
        return forward(layer, *inputs)
    with _Synchronising():
        return forward(layer, *inputs)


class _Synchronising(TorchFunctionMode):
    """Within it, `torch.nn.functional.batch_norm` is the one below."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Iterable[type], args: Any = (), kwargs: Any = None
    ) -> Any:
        return (batch_norm if func is F.batch_norm else func)(*args, **(kwargs or {}))


def batch_norm(  # noqa: PLR0913  # torch's own arguments
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """`torch.nn.functional.batch_norm` with the statistics of all processes' batches (n, channels, ...).

    Here and in `backward` all processes meet. UserError where there is one number in a channel over all of them.
    """
    if not training:
        return F.batch_norm(x, running_mean, running_var, weight, bias, False, momentum, eps)
    if x.device.type != "cpu":
        world = dist.group.WORLD
        told = (running_mean, running_var, eps, momentum, world, dist.get_world_size())
        return OnAccelerator.apply(x, weight, bias, *told)  # type: ignore[no-any-return, no-untyped-call]
    over_all = _statistics(x)
    if running_mean is not None and running_var is not None:
        unbiased = over_all.var * over_all.numbers / (over_all.numbers - 1)
        running_mean.lerp_(over_all.mean.to(running_mean.dtype), momentum)
        running_var.lerp_(unbiased.to(running_var.dtype), momentum)
    return _Normalised.apply(x, weight, bias, over_all, eps)  # type: ignore[no-any-return, no-untyped-call]


class _Statistics(NamedTuple):
    """Of all processes: numbers in a channel, their mean, and biased variance; (channels,) in float64."""

    numbers: float
    mean: Tensor
    var: Tensor


@torch.no_grad()
def _statistics(x: Tensor) -> _Statistics:
    """Parts are joined by Chan, Golub and LeVeque (1979): squares of large numbers are never subtracted.

    Each process gathers the parts of all and joins them in one order, so that all have the same bits.
    """
    channels = x.shape[1]
    mine = torch.zeros(1 + 2 * channels, dtype=torch.float64)
    if x.numel():
        axes = [axis for axis in range(x.dim()) if axis != 1]
        var, mean = torch.var_mean(_exact(x), axes, correction=0)
        mine = torch.cat(
            [torch.tensor([x.numel() / channels], dtype=torch.float64), mean.double(), var.double()]
        )
    gathered = [torch.empty_like(mine) for _ in range(dist.get_world_size())]
    dist.all_gather(gathered, mine)
    counts, means, variances = torch.split(torch.stack(gathered), [1, channels, channels], dim=1)
    count = float(counts.sum())
    if count < 2:
        raise UserError(
            f"batch norm needs two numbers or more in a channel over all processes, got {count:.0f}; "
            f"use a larger batch"
        )
    mean = (counts * means).sum(0) / count
    var = (counts * (variances + (means - mean).square())).sum(0) / count
    return _Statistics(count, mean, var)


class _Normalised(torch.autograd.Function):
    """(x - mean) / sqrt(var + eps) * weight + bias, where mean and variance are themselves functions of all x."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, over_all: _Statistics, eps: float
    ) -> Tensor:
        dtype = torch.float64 if x.dtype == torch.float64 else torch.float32
        mean, var = over_all.mean.to(dtype), over_all.var.to(dtype)
        ctx.save_for_backward(x, weight, mean, (over_all.var + eps).rsqrt().to(dtype))
        ctx.numbers = over_all.numbers
        return F.batch_norm(x, mean, var, weight, bias, False, 0.0, eps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """With x' the normalised x and means over all processes: dx = weight / std * (dy - mean(dy) - x' mean(dy x')).

        The gradients of weight and bias are of this process's pictures, as those of any other layer.
        """
        x, weight, mean, inverse_std = ctx.saved_tensors
        shape = (1, -1) + (1,) * (x.dim() - 2)
        axes = [axis for axis in range(x.dim()) if axis != 1]
        dy = _exact(grads[0])
        normalised = (_exact(x) - mean.view(shape)) * inverse_std.view(shape)
        local = torch.stack([dy.sum(axes), (dy * normalised).sum(axes)])
        sums = local.to(torch.float64, copy=True)
        dist.all_reduce(sums)
        mean_dy, mean_dy_x = (sums / ctx.numbers).to(dy.dtype)
        scale = inverse_std if weight is None else inverse_std * weight
        dx = (dy - mean_dy.view(shape) - normalised * mean_dy_x.view(shape)) * scale.view(shape)
        of_parameters = [
            part.to(weight.dtype) if needed else None
            for part, needed in zip((local[1], local[0]), ctx.needs_input_grad[1:3], strict=True)
        ]
        return dx.to(x.dtype), *of_parameters, None, None


def _exact(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()
