"""What holds the numbers of a layer between bounds, wherever it is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neocog.analysis.trace import trace
from neocog.inside.bounds import ceiling
from neocog.inside.units import layers_of
from networks import Net

INFINITE = float("inf")


def logged(m: Any, x: Tensor) -> Tensor:
    y = m.conv(x)
    m.mean = y.mean((2, 3))
    return F.relu(y)


@pytest.mark.parametrize(
    ("forward", "wanted"),
    [
        (lambda m, x: F.relu(m.conv(x)), INFINITE),
        (lambda m, x: F.relu6(m.conv(x)), INFINITE),  # read before it: nothing is cut off
        (lambda m, x: m.conv(x).clamp(min=0), INFINITE),
        (lambda m, x: m.conv(x).clip(0, 3), INFINITE),
        (lambda m, x: torch.clip(m.conv(x), 0), INFINITE),
        (lambda m, x: torch.maximum(m.conv(x), torch.zeros_like(x)), INFINITE),
        (lambda m, x: torch.maximum(m.zero, m.conv(x)), INFINITE),
        (lambda m, x: torch.maximum(m.conv(x), m.conv.weight[0, 0, 0, 0]), None),
        (lambda m, x: torch.maximum(m.conv(x), x), None),
        (lambda m, x: m.conv(x).clamp(min=1e-6), None),
        (lambda m, x: m.conv(x).clamp_max(6), None),
        (lambda m, x: F.hardtanh(m.conv(x)), None),
        (lambda m, x: F.threshold(m.conv(x), 0, 0), INFINITE),
        (lambda m, x: F.threshold(m.conv(x), 0.5, 0), None),
        (lambda m, x: F.relu(m.conv(x)) + m.conv(x).tanh(), INFINITE),
        (lambda m, x: F.relu(m.conv(x) + x), None),  # the sum is rectified, the convolution is not
        (lambda m, x: m.conv(x).tanh(), None),
        (lambda m, x: m.conv(x), None),
        (logged, INFINITE),
    ],
)
def test_the_rectifier_behind_a_convolution(
    forward: Callable[[Any, Tensor], Tensor], wanted: float | None
) -> None:
    net = Net(forward, conv=nn.Conv2d(3, 3, 3, padding=1))
    net.register_buffer("zero", torch.zeros(()))
    size = (3, 8, 8)
    layer = layers_of(net, "net", size)[0]
    assert ceiling(trace(net, size), layer) == wanted


def test_the_rectifier_that_is_a_module() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU6(), nn.Conv2d(4, 2, 1))
    first, second = layers_of(net, "net", (3, 8, 8))
    plain = trace(net, (3, 8, 8))
    assert (ceiling(plain, first), ceiling(plain, second)) == (6.0, None)


SIX = torch.full((), 6.0)


@pytest.mark.parametrize(
    ("forward", "most"),
    [
        (lambda m, x: F.relu(m.conv(x)), INFINITE),
        (lambda m, x: F.relu(m.conv(x)).clamp_max(6), 6.0),
        (lambda m, x: F.relu(m.conv(x)).clamp(max=6), 6.0),
        (lambda m, x: torch.minimum(F.relu6(m.conv(x)), SIX + 3), 6.0),
        (lambda m, x: torch.minimum(m.six, F.relu(m.conv(x))), 6.0),
        (lambda m, x: F.dropout(m.conv(x).clamp(0, 3), training=False), 3.0),
        (lambda m, x: m.conv(x).clamp_max(6).relu(), 6.0),
        (lambda m, x: m.conv(x).clamp_max(6), None),
        (lambda m, x: m.conv(x).clamp(-1, 1), None),
    ],
)
def test_the_rectifier_that_the_module_around_calls(
    forward: Callable[[Any, Tensor], Tensor], most: float | None
) -> None:
    block = Net(forward, conv=nn.Conv2d(3, 3, 3, padding=1))
    block.register_buffer("six", SIX)
    net, size = nn.Sequential(block, nn.Conv2d(3, 2, 1)), (3, 8, 8)
    layer = layers_of(net, "net", size)[0]
    assert layer.place.module == "0"
    assert ceiling(trace(net, size), layer) == most
