"""The non-linearities of networks as curves: what comes out, and how much of a change comes through."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import inf

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from neocog.layers.activations import ACTIVATIONS
from neocog.layers.neocognitron import saturated
from neocog.models.neocognitron import ALPHA

Floats = NDArray[np.float64]
FLAT = 0.01
"""a slope below which a unit counts as saturated: next to nothing of a gradient comes back through it"""
FAR, STEPS = 40, 1000  # looked for up to FAR from 0, with so many STEPS to the unit


@dataclass(frozen=True)
class Nonlinearity:
    """A function of one number, where it comes from and which networks have it."""

    name: str
    formula: str
    source: str
    """paper and year"""
    span: tuple[float, float]
    """what its values lie between"""
    networks: str
    """among neocog's models"""
    make: Callable[[], nn.Module | Callable[[Tensor], Tensor]]


@dataclass(frozen=True, eq=False)
class Curve:
    """A non-linearity at some places."""

    x: Floats
    value: Floats
    slope: Floats
    """its derivative, as autograd computes it: at a kink the one that networks learn with"""


def curve(of: Nonlinearity, x: Floats) -> Curve:
    """Values by torch, derivatives by autograd, in double precision."""
    at = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    value = of.make()(at)
    (slope,) = torch.autograd.grad(value.sum(), at)
    return Curve(x, value.detach().numpy(), slope.numpy())


@dataclass(frozen=True)
class Saturation:
    """Where the slope stays below `FLAT`, and its largest size."""

    below: float
    """for all x below this; minus infinity where it never does"""
    above: float
    """for all x above this"""
    steepest: float


def saturation(of: Nonlinearity) -> Saturation:
    """To a thousandth."""
    x = np.arange(-FAR * STEPS, FAR * STEPS + 1) / STEPS
    slope = np.abs(curve(of, x).slope)
    alive = np.flatnonzero(slope >= FLAT)
    first, last = alive[0] - 1, alive[-1] + 1
    return Saturation(
        float(x[first]) if first >= 0 else -inf,
        float(x[last]) if last < len(x) else inf,
        float(slope.max()),
    )


def _two_pieces(x: Tensor) -> Tensor:
    """Maxout over two lines that are drawn here; a network learns its own."""
    return torch.maximum(x, -0.5 * x)


NONLINEARITIES = (
    Nonlinearity(
        "psi",
        "max(0, x) / (a + max(0, x)); here a = 0.5",
        "Fukushima, Neocognitron (1980)",
        (0, 1),
        "the Neocognitron's C-cells",
        lambda: partial(saturated, alpha=ALPHA),
    ),
    Nonlinearity(
        "sigmoid",
        "1 / (1 + e^-x)",
        "Rumelhart, Hinton, Williams, Learning representations by back-propagating errors (1986)",
        (0, 1),
        "gates of squeeze-and-excitation in EfficientNet",
        ACTIVATIONS["sigmoid"],
    ),
    Nonlinearity(
        "tanh",
        "(e^x - e^-x) / (e^x + e^-x)",
        "LeCun et al., Efficient backprop (1998)",
        (-1, 1),
        "the modern LeNet",
        ACTIVATIONS["tanh"],
    ),
    Nonlinearity(
        "scaled_tanh",
        "1.7159 tanh(2x / 3)",
        "LeCun et al., Gradient-based learning applied to document recognition, appendix A (1998)",
        (-1.7159, 1.7159),
        "LeNet-5",
        ACTIVATIONS["scaled_tanh"],
    ),
    Nonlinearity(
        "softplus",
        "log(1 + e^x)",
        "Dugas et al., Incorporating second-order functional knowledge for better option pricing (2001)",
        (0, inf),
        "none",
        nn.Softplus,
    ),
    Nonlinearity(
        "relu",
        "max(0, x)",
        "Nair, Hinton, Rectified linear units improve restricted Boltzmann machines (2010)",
        (0, inf),
        "AlexNet, ZFNet, VGG, GoogLeNet, ResNet",
        ACTIVATIONS["relu"],
    ),
    Nonlinearity(
        "relu6",
        "min(max(0, x), 6)",
        "Krizhevsky, Convolutional deep belief networks on CIFAR-10 (2010)",
        (0, 6),
        "EfficientNet-Lite",
        nn.ReLU6,
    ),
    Nonlinearity(
        "leaky_relu",
        "x, below 0 x / 100",
        "Maas, Hannun, Ng, Rectifier nonlinearities improve neural network acoustic models (2013)",
        (-inf, inf),
        "none",
        ACTIVATIONS["leaky_relu"],
    ),
    Nonlinearity(
        "maxout",
        "the largest of several lines; here x and -x / 2",
        "Goodfellow et al., Maxout networks (2013)",
        (0, inf),
        "none",
        lambda: _two_pieces,
    ),
    Nonlinearity(
        "elu",
        "x, below 0 e^x - 1",
        "Clevert, Unterthiner, Hochreiter, Fast and accurate deep network learning by ELUs (2016)",
        (-1, inf),
        "none",
        ACTIVATIONS["elu"],
    ),
    Nonlinearity(
        "gelu",
        "x times the probability that a standard normal number is below x",
        "Hendrycks, Gimpel, Gaussian error linear units (2016)",
        (-0.16997, inf),
        "ViT",
        ACTIVATIONS["gelu"],
    ),
    Nonlinearity(
        "gelu_tanh",
        "x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2",
        "Hendrycks, Gimpel, Gaussian error linear units, section 2 (2016)",
        (-0.17004, inf),
        "ViT as Google trained it (gelu=tanh)",
        ACTIVATIONS["gelu_tanh"],
    ),
    Nonlinearity(
        "silu",
        "x / (1 + e^-x), also called swish",
        "Ramachandran, Zoph, Le, Searching for activation functions (2017)",
        (-0.27846, inf),
        "EfficientNet",
        nn.SiLU,
    ),
    Nonlinearity(
        "hardswish",
        "x min(max(0, x + 3), 6) / 6",
        "Howard et al., Searching for MobileNetV3 (2019)",
        (-0.375, inf),
        "none",
        nn.Hardswish,
    ),
)
"""in the order of their years"""
