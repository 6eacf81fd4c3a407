"""The lecture's non-linearities: their formulas for reading, and the modules that the models use.

The formulas take any shape. Where e^-x overflows, below -88 in single precision, the values of those made of sigmoids
still hold, but autograd's derivative of the formula is no number; torch's modules have no such limit.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import pi, sqrt

import torch
from torch import Tensor, nn

from neocog.errors import UserError


def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + e^-x), from 0 to 1."""
    return 1 / (1 + torch.exp(-x))


def tanh(x: Tensor) -> Tensor:
    """(e^x - e^-x) / (e^x + e^-x), from -1 to 1: a sigmoid of twice the slope, stretched and moved down."""
    return 2 * sigmoid(2 * x) - 1


def relu(x: Tensor) -> Tensor:
    """max(0, x). Nair and Hinton, "Rectified linear units improve restricted Boltzmann machines" (2010)."""
    return torch.where(x <= 0, 0, x)


def leaky_relu(x: Tensor, slope: float = 0.01) -> Tensor:
    """x, or slope * x below zero.

    Maas et al., "Rectifier nonlinearities improve neural network acoustic models" (2013), section 2.
    """
    return torch.where(x <= 0, slope * x, x)


def maxout(x: Tensor, pieces: int = 2) -> Tensor:
    """The largest of `pieces` consecutive channels: (batch, channels, ...) to (batch, channels / pieces, ...).

    Goodfellow et al., "Maxout networks" (2013), section 3. UserError if the channels do not divide into pieces.
    """
    if pieces < 1 or x.shape[1] % pieces:
        raise UserError(
            f"maxout needs channels in groups of {pieces}, got {x.shape[1]} channels; "
            f"give the layer before it outputs * {pieces} channels"
        )
    outputs = x.shape[1] // pieces
    return x.reshape(len(x), outputs, pieces, *x.shape[2:]).amax(2)


def elu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """x, or alpha * (e^x - 1) below zero. Clevert et al., "Fast and accurate deep network learning by ELUs" (2016)."""
    return torch.where(x <= 0, alpha * (torch.exp(x.clamp(max=0)) - 1), x)


def gelu(x: Tensor) -> Tensor:
    """x times the probability that a standard normal number is below x, by the error function.

    Hendrycks and Gimpel, "Gaussian error linear units" (2016), section 2.
    """
    return x * (1 + torch.erf(x / sqrt(2))) / 2


def gelu_tanh(x: Tensor) -> Tensor:
    """The paper's approximation of GELU by tanh, off by less than 5e-4; the authors' ViT computes this one."""
    return x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3))) / 2


def scaled_tanh(x: Tensor) -> Tensor:
    """1.7159 tanh(2x / 3), which goes through (1, 1) and (-1, -1). LeCun et al. (1998), appendix A."""
    return 1.7159 * tanh(2 * x / 3)


class Maxout(nn.Module):
    """The largest of `pieces` consecutive channels, which divides their number by `pieces`; see `maxout`."""

    def __init__(self, pieces: int = 2) -> None:
        super().__init__()
        self.pieces = pieces

    def forward(self, x: Tensor) -> Tensor:
        return maxout(x, self.pieces)

    def extra_repr(self) -> str:
        return f"pieces={self.pieces}"


class ScaledTanh(nn.Module):
    """LeNet-5's squashing function f(a) = 1.7159 tanh(2a / 3), for which f(1) = 1 and f(-1) = -1 to 1e-5.

    LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition" (1998), appendix A.
    """

    def forward(self, x: Tensor) -> Tensor:
        return 1.7159 * torch.tanh(x * (2 / 3))


ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "scaled_tanh": ScaledTanh,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "maxout": Maxout,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "gelu_tanh": partial(nn.GELU, approximate="tanh"),
}
