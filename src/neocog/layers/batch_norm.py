"""Batch normalisation by the lecture's Algorithm 1, and its running statistics by true averages."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from neocog.errors import UserError


class BatchNorm2d(nn.Module):
    """Each channel shifted and scaled to mean beta and deviation gamma, over the batch and all positions.

    Ioffe and Szegedy, "Batch normalization: accelerating deep network training by reducing internal covariate shift"
    (2015), Algorithm 1. Input and output are (batch, channels, rows, columns). While training, mean and variance are
    those of the batch, the variance biased (divided by m, the numbers in a channel); in evaluation they are the running
    ones. Training moves the running ones: running = (1 - momentum) * running + momentum * batch, where the batch's
    variance is the unbiased one, divided by m - 1; momentum None is the average over all batches so far. All as in
    `torch.nn.BatchNorm2d`, with the same state dict: `weight` is gamma, `bias` is beta.
    UserError for another rank, another number of channels, or one number in a channel while training.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1) -> None:
        super().__init__()
        self.eps = eps
        self.momentum = momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0, dtype=torch.long))

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() != 4 or x.shape[1] != len(self.weight):
            raise UserError(
                f"batch norm reads (batch, {len(self.weight)}, rows, columns), got {tuple(x.shape)}; "
                f"num_features is the number of channels"
            )
        mean, var = self._batch_statistics(x) if self.training else (self.running_mean, self.running_var)
        normalised = (x - _per_channel(mean)) / (_per_channel(var) + self.eps).sqrt()
        scaled: Tensor = _per_channel(self.weight) * normalised + _per_channel(self.bias)
        return scaled

    def _batch_statistics(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The batch's mean and biased variance; the running ones move towards them."""
        m = _count(x)
        mean = x.mean((0, 2, 3))
        var = (x - _per_channel(mean)).square().mean((0, 2, 3))
        with torch.no_grad():
            self.num_batches_tracked += 1
            rate = 1 / int(self.num_batches_tracked) if self.momentum is None else self.momentum
            self.running_mean.mul_(1 - rate).add_(rate * mean)
            self.running_var.mul_(1 - rate).add_(rate * var * m / (m - 1))
        return mean, var

    def extra_repr(self) -> str:
        return f"{len(self.weight)}, eps={self.eps}, momentum={self.momentum}"


Layer = _BatchNorm | BatchNorm2d


def precise_batch_norm(net: nn.Module, batches: Iterable[Tensor], still: Collection[nn.Module] = ()) -> None:
    """Replace the running mean and variance of every batch norm in `net` by true averages over the batches.

    The paper's inference step (Algorithm 2, line 10) in place of the moving average, as the authors of ResNet released
    theirs. In one pass every batch norm, torch's or ours, normalises with the batch's own statistics, as while
    training; all other layers are in evaluation mode (nothing is dropped). Where a layer reads m numbers a channel in
    batch B,

    - mean = sum(m * mean_B) / sum(m), the mean of all numbers it reads;
    - variance = sum(m * m / (m - 1) * var_B) / sum(m), with var_B biased. With batches of one size this is the paper's
      m / (m - 1) * E[var_B]; how far the means of the batches lie apart is not part of it.

    Parameters, modes, momentum and `num_batches_tracked` are left as found, and so are batch norms that the batches do
    not reach, that keep no running statistics, or that are among `still`, which normalise with the ones they have.
    UserError if there is no batch, or one number in a channel.
    """
    averages = {
        layer: _Average()
        for layer in net.modules()
        if isinstance(layer, Layer) and layer.running_mean is not None and layer not in still
    }
    batch = None
    with _batch_statistics_only(net, averages), torch.no_grad():
        for batch in batches:
            net(batch)
    if batch is None:
        raise UserError("precise batch norm averages over batches, got none; give it at least one")
    for layer, average in averages.items():
        if average.numbers:
            layer.get_buffer("running_mean").copy_(average.mean / average.numbers)
            layer.get_buffer("running_var").copy_(average.var / average.numbers)


class _Average:
    """Sums over what one batch norm has read, weighted by the numbers in a channel; a forward pre-hook fills them."""

    def __init__(self) -> None:
        self.numbers = 0
        self.mean: Tensor = torch.zeros(())
        self.var: Tensor = torch.zeros(())

    def add(self, _: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        x = inputs[0] if inputs[0].dtype == torch.float64 else inputs[0].float()
        m = _count(x)
        var, mean = torch.var_mean(x, [axis for axis in range(x.dim()) if axis != 1], correction=1)
        self.numbers += m
        self.mean = self.mean + m * mean.cpu().double()
        self.var = self.var + m * var.cpu().double()


@contextmanager
def _batch_statistics_only(net: nn.Module, averages: dict[Layer, _Average]) -> Iterator[None]:
    """Batch norms train without moving their running statistics, all else is in evaluation mode; then as before."""
    modes = [(module, module.training) for module in net.modules()]
    found = [(layer, layer.momentum, layer.get_buffer("num_batches_tracked").clone()) for layer in averages]
    handles = [layer.register_forward_pre_hook(average.add) for layer, average in averages.items()]
    net.eval()
    for layer in averages:
        layer.training, layer.momentum = True, 0.0
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        for layer, momentum, batches in found:
            layer.momentum = momentum
            layer.get_buffer("num_batches_tracked").copy_(batches)
        for module, mode in modes:
            module.training = mode


def _count(x: Tensor) -> int:
    """The numbers in each channel of (batch, channels, ...)."""
    m = x.numel() // x.shape[1]
    if m < 2:
        raise UserError(
            f"batch norm needs two numbers or more in a channel to have a variance, got {m} from {tuple(x.shape)}; "
            f"use a larger batch, or evaluation mode"
        )
    return m


def _per_channel(numbers: Tensor) -> Tensor:
    return numbers[:, None, None]
