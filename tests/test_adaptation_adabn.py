"""Batch norm with the target's statistics beside the paper's algorithm, layer by layer in numpy."""

from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

from neocog.adaptation.adabn import adaptive_batch_norm
from neocog.errors import UserError


def network() -> nn.Sequential:
    torch.manual_seed(0)
    net = nn.Sequential(
        OrderedDict(
            first=nn.Linear(5, 7),
            norm1=nn.BatchNorm1d(7),
            relu=nn.ReLU(),
            second=nn.Linear(7, 4),
            norm2=nn.BatchNorm1d(4),
        )
    )
    for norm in (net.norm1, net.norm2):
        nn.init.uniform_(norm.weight, 0.5, 2)
        nn.init.normal_(norm.bias)
    return net.eval()


def by_the_paper(net: nn.Sequential, x: torch.Tensor) -> np.ndarray:
    """Li and others 2017, algorithm 1: responses of each neuron, their mean and deviation, scale, shift."""
    z = x.double().numpy()
    for layer in net:
        state = {name: value.double().numpy() for name, value in layer.state_dict().items()}
        if isinstance(layer, nn.Linear):
            z = z @ state["weight"].T + state["bias"]
        elif isinstance(layer, nn.BatchNorm1d):
            z = state["weight"] * (z - z.mean(0)) / np.sqrt(z.var(0, ddof=1) + layer.eps) + state["bias"]
        else:
            z = np.maximum(z, 0)
    return z


def test_features_of_the_target_are_those_of_the_papers_algorithm() -> None:
    net = network()
    x = 3 + 2 * torch.randn(4000, 5, generator=torch.Generator().manual_seed(1))
    adapted = adaptive_batch_norm(net, [x])
    with torch.no_grad():
        found = adapted(x).numpy()
        assert np.abs(net(x).numpy() - found).max() > 1  # the source's statistics do not fit here
    # a layer's input, while it is measured, is normalised with the biased variance: 1 part in 4,000
    assert found == pytest.approx(by_the_paper(net, x), abs=2e-3)


def test_the_network_given_stays_as_it_was_and_learned_numbers_stay_in_both() -> None:
    net = network()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    adapted = adaptive_batch_norm(net, [torch.randn(50, 5) + 1])
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name])
    for name, value in adapted.state_dict().items():
        assert torch.equal(value, before[name]) != name.endswith(("running_mean", "running_var"))


@pytest.mark.parametrize("net", [nn.Linear(3, 2), nn.BatchNorm1d(3, track_running_stats=False)])
def test_a_network_without_statistics_is_refused(net: nn.Module) -> None:
    with pytest.raises(UserError, match="AdaBN replaces the statistics of batch norms"):
        adaptive_batch_norm(net, [torch.zeros(4, 3)])
