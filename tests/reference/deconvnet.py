"""Zeiler and Fergus 2014, section 2.1, step by step: unpool by switches, rectify, filter with the flipped kernels.

For chains of torch's layers; nothing is left to autograd. Where windows of a pooling overlap, one number may be the
maximum of several, so what comes back is added up.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def reconstruction(layers: Sequence[nn.Module], x: Tensor, seed: Tensor, guided: bool = False) -> Tensor:
    """What `seed`, at the output of the last of `layers`, becomes at the pixels `x`."""
    read = [x]
    for layer in layers:
        read.append(layer(read[-1]))
    signal = seed
    for layer, given in reversed(list(zip(layers, read, strict=False))):
        signal = back(layer, given, signal, guided)
    return signal


def back(layer: nn.Module, given: Tensor, signal: Tensor, guided: bool) -> Tensor:
    """One layer down; `given` is what the layer read."""
    if isinstance(layer, nn.ReLU):
        rectified = torch.where(signal > 0, signal, 0.0)
        return torch.where(given > 0, rectified, 0.0) if guided else rectified
    if isinstance(layer, nn.MaxPool2d):
        return unpooled(layer, given, signal)
    if isinstance(layer, nn.Conv2d):
        return filtered(layer, given, signal)
    if isinstance(layer, nn.BatchNorm2d):
        assert layer.weight is not None and layer.running_var is not None
        return signal * (layer.weight / (layer.running_var + layer.eps).sqrt()).view(1, -1, 1, 1)
    if isinstance(layer, nn.Linear):
        return signal @ layer.weight
    if isinstance(layer, nn.Flatten):
        return signal.reshape(given.shape)
    return signal  # local response normalisation is skipped; a dropout does nothing


def unpooled(layer: nn.MaxPool2d, given: Tensor, signal: Tensor) -> Tensor:
    _, switches = F.max_pool2d(given, layer.kernel_size, layer.stride, layer.padding, return_indices=True)
    flat = torch.zeros_like(given).flatten(2)
    flat.scatter_add_(2, switches.flatten(2), signal.flatten(2))
    return flat.view_as(given)


def filtered(layer: nn.Conv2d, given: Tensor, signal: Tensor) -> Tensor:
    assert isinstance(layer.padding, tuple)
    sides = zip(
        given.shape[2:],
        signal.shape[2:],
        layer.stride,
        layer.padding,
        layer.kernel_size,
        layer.dilation,
        strict=True,
    )
    missing = [n - ((m - 1) * s - 2 * p + d * (k - 1) + 1) for n, m, s, p, k, d in sides]
    return F.conv_transpose2d(
        signal, layer.weight, None, layer.stride, layer.padding, missing, layer.groups, layer.dilation
    )
