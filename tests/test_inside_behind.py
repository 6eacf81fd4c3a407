"""Which rectifier a layer ends in, wherever it is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch.nn.functional as F
from torch import Tensor, nn

from neocog.analysis.trace import trace
from neocog.inside.back.behind import ceiling
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
        (lambda m, x: F.relu6(m.conv(x)), 6.0),
        (lambda m, x: m.conv(x).clamp(min=0), INFINITE),
        (lambda m, x: m.conv(x).clip(0, 3), 3.0),
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
    size = (3, 8, 8)
    (layer,) = layers_of(net, "net", size)
    assert ceiling(trace(net, size), layer) == wanted


def test_the_rectifier_that_is_a_module() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU6(), nn.Conv2d(4, 2, 1))
    first, second = layers_of(net, "net", (3, 8, 8))
    plain = trace(net, (3, 8, 8))
    assert (ceiling(plain, first), ceiling(plain, second)) == (6.0, None)
