"""Every curve beside its closed form and the derivative that one writes down by hand."""

from __future__ import annotations

from collections.abc import Callable
from math import acosh, atanh, inf, log, pi, sqrt

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.stats import norm
from torch import nn

from neocog.inside.nonlinearities import NONLINEARITIES, Nonlinearity, curve, saturation
from neocog.layers.activations import ACTIVATIONS
from neocog.models import build

Floats = NDArray[np.float64]
Formula = Callable[[Floats], Floats]
BY_NAME = {one.name: one for one in NONLINEARITIES}
X = np.concatenate([np.linspace(-9, 9, 181)[:-1] + 0.013, [-30.0, 30.0]])  # no kink among them


def logistic(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-x)))


def inner(x: Floats) -> Floats:
    return np.asarray(sqrt(2 / pi) * (x + 0.044715 * x**3))


FORMULAS: dict[str, tuple[Formula, Formula]] = {
    "psi": (
        lambda x: np.where(x > 0, x / (0.5 + np.abs(x)), 0),
        lambda x: np.where(x > 0, 0.5 / (0.5 + np.abs(x)) ** 2, 0),
    ),
    "sigmoid": (logistic, lambda x: logistic(x) * (1 - logistic(x))),
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "scaled_tanh": (
        lambda x: 1.7159 * np.tanh(2 * x / 3),
        lambda x: 1.7159 * 2 / 3 * (1 - np.tanh(2 * x / 3) ** 2),
    ),
    "softplus": (lambda x: np.logaddexp(0, x), logistic),
    "relu": (lambda x: np.maximum(x, 0), lambda x: (x > 0) * 1.0),
    "relu6": (lambda x: np.clip(x, 0, 6), lambda x: ((x > 0) & (x < 6)) * 1.0),
    "leaky_relu": (lambda x: np.where(x > 0, x, x / 100), lambda x: np.where(x > 0, 1, 0.01)),
    "maxout": (lambda x: np.maximum(x, -x / 2), lambda x: np.where(x > 0, 1, -0.5)),
    "elu": (lambda x: np.where(x > 0, x, np.expm1(x)), lambda x: np.where(x > 0, 1, np.exp(x))),
    "gelu": (lambda x: x * norm.cdf(x), lambda x: norm.cdf(x) + x * norm.pdf(x)),
    "gelu_tanh": (
        lambda x: x / 2 * (1 + np.tanh(inner(x))),
        lambda x: (
            (1 + np.tanh(inner(x))) / 2
            + x / 2 * (1 - np.tanh(inner(x)) ** 2) * sqrt(2 / pi) * (1 + 3 * 0.044715 * x**2)
        ),
    ),
    "silu": (lambda x: x * logistic(x), lambda x: logistic(x) * (1 + x * (1 - logistic(x)))),
    "hardswish": (
        lambda x: x * np.clip(x + 3, 0, 6) / 6,
        lambda x: np.select([x < -3, x > 3], [0, 1], (2 * x + 3) / 6),
    ),
}
# where the slope falls below 0.01 for good, solved by hand
ENDS = {
    "psi": (0.0, sqrt(0.5 / 0.01) - 0.5),
    "sigmoid": (-2 * acosh(5), 2 * acosh(5)),  # 1 / (4 cosh^2(x / 2)) = 0.01
    "tanh": (-atanh(sqrt(0.99)), atanh(sqrt(0.99))),
    "scaled_tanh": (-1.5 * atanh(sqrt(1 - 0.015 / 1.7159)), 1.5 * atanh(sqrt(1 - 0.015 / 1.7159))),
    "softplus": (-log(99), inf),
    "relu": (0.0, inf),
    "relu6": (0.0, 6.0),
    "leaky_relu": (-inf, inf),
    "maxout": (-inf, inf),
    "elu": (-log(100), inf),
    "hardswish": (-3.0, inf),
}
NETWORKS = {
    "lenet5": "scaled_tanh",
    "lenet5_modern": "tanh",
    "alexnet": "relu",
    "zfnet": "relu",
    "vgg11": "relu",
    "googlenet": "relu",
    "resnet18": "relu",
    "efficientnet_lite0": "relu6",
    "efficientnet_b0": "silu",
    "vit_tiny_patch16_224": "gelu",
}


def test_there_is_a_formula_for_each() -> None:
    assert set(FORMULAS) == set(BY_NAME)
    assert set(ACTIVATIONS) <= set(BY_NAME)


@pytest.mark.parametrize("name", FORMULAS)
def test_values_and_derivatives(name: str) -> None:
    value, slope = FORMULAS[name]
    found = curve(BY_NAME[name], X)
    np.testing.assert_allclose(found.value, value(X), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(found.slope, slope(X), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", FORMULAS)
def test_the_range(name: str) -> None:
    """No value lies outside, and there are values near both ends."""
    value, (low, high) = FORMULAS[name][0], BY_NAME[name].span
    with np.errstate(over="ignore"):
        values = value(np.concatenate([X, [-700.0, 700.0]]))
        least = min(float(minimize_scalar(value, bounds=(-4, 4), method="bounded").fun), values.min())
    assert least == pytest.approx(low, abs=1e-5) if low > -inf else least < -5
    assert values.max() == pytest.approx(high, abs=1e-3) if high < inf else values.max() > 500


@pytest.mark.parametrize("name", ENDS)
def test_where_it_saturates(name: str) -> None:
    found = saturation(BY_NAME[name])
    assert (found.below, found.above) == pytest.approx(ENDS[name], abs=0.0011)


def test_the_steepest_slope() -> None:
    steepest = {
        name: saturation(BY_NAME[name]).steepest for name in ("sigmoid", "tanh", "scaled_tanh", "relu")
    }
    assert steepest == pytest.approx({"sigmoid": 0.25, "tanh": 1, "scaled_tanh": 1.7159 * 2 / 3, "relu": 1})


@pytest.mark.parametrize("model", NETWORKS)
def test_networks_have_what_is_said(model: str) -> None:
    with torch.device("meta"):
        modules = [type(module) for module in build(model).modules()]
    one: Nonlinearity = BY_NAME[NETWORKS[model]]
    made = one.make()
    assert isinstance(made, nn.Module)
    assert type(made) in modules
    family = {"lenet5": "LeNet-5", "lenet5_modern": "the modern LeNet", "vit_tiny_patch16_224": "ViT"}
    assert family.get(model, model.rstrip("0123456789_b"))[:6].lower() in one.networks.lower()
