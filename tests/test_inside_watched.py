"""The strongest feature map, and logits with the means of maps, by hand."""

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neocog.analysis.capture import Place
from neocog.errors import UserError
from neocog.inside.evidence.watched import Watched, strongest_map
from neocog.inside.units import layers_of
from networks import Net


def run(m: Any, x: Tensor) -> Tensor:
    """One rectifier twice; what it gives is written into."""
    x = m.act(m.first(x))
    y = m.act(m.second(x))
    y.mul_(-1)
    out: Tensor = m.head(y.flatten(1))
    return out


def twice() -> Net:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        first, second = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, padding=1)
        return Net(run, first=first, second=second, act=nn.ReLU(inplace=True), head=nn.Linear(144, 3))


@pytest.mark.parametrize("call", [0, 1, -1])
def test_the_means_of_the_call_that_is_meant(call: int) -> None:
    net, x = twice(), torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        before = F.relu(net.first(x))
        behind = F.relu(net.second(before))
        logits = net.head(-behind.flatten(1))
        found = Watched(net, Place("act", call))(x)
    means = (before if call == 0 else behind).numpy().mean(axis=(2, 3))
    np.testing.assert_allclose(found[:, :3].numpy(), logits.numpy(), atol=1e-6)
    np.testing.assert_allclose(found[:, 3:].numpy(), means, atol=1e-6)


def test_the_strongest_map_has_the_largest_mean() -> None:
    """Not the one with the strongest unit."""
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(32, 6))
    with torch.no_grad():
        net[0].weight[:] = torch.tensor([4.0, 1.0]).view(2, 1, 1, 1)
        net[0].bias[:] = torch.tensor([-3.0, 0.0])
    x = torch.full((1, 1, 4, 4), 0.5)
    x[0, 0, 1, 2] = x[0, 0, 0, 0] = 2.0
    (layer, _) = layers_of(net, "two", (1, 4, 4))
    found = strongest_map(net, x, layer)
    assert (found.unit.channel, found.unit.at, found.unit.value) == (1, (1, 2), 2.0)
    assert found.values.tolist() == x[0, 0].tolist() and found.classes == 6


def test_its_strongest_unit_is_that_which_was_cut_most() -> None:
    net = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU6(), nn.Flatten(), nn.Linear(16, 2))
    with torch.no_grad():
        net[0].weight[:], net[0].bias[:] = 1.0, 0.0
    x = torch.full((1, 1, 4, 4), 7.0)
    x[0, 0, 3, 0] = 9.0
    found = strongest_map(net, x, layers_of(net, "one", (1, 4, 4))[0])
    assert (found.unit.at, found.unit.value) == ((3, 0), 9.0) and found.values.max() == 6


def test_a_network_without_classes() -> None:
    net, x = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), torch.randn(1, 3, 8, 8)
    with pytest.raises(UserError, match=r"must give \(batch, classes\), it gives \(1, 4, 6, 6\)"):
        strongest_map(net, x, layers_of(net, "maps", (3, 8, 8))[0])
    with pytest.raises(UserError, match=r"must give \(batch, classes\), it gives \(1, 4, 6, 6\)"):
        Watched(net, Place("1", 0))(x)
