"""Units back to the pixels: one by one, beside a network with other weights, and where they must lie."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata
from torch import Tensor, nn

from neocog.analysis.capture import Place
from neocog.inside.back.rules import Rule, reconstruct
from neocog.inside.evidence.brought_back import brought_back, strongest_channels
from neocog.inside.strongest import Unit
from neocog.inside.units import Layer, layers_of

SIZE = (3, 12, 12)


def chain(seed: int = 0) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(3, 6, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 3), nn.ReLU(), nn.Flatten(),
            nn.Linear(72, 4),
        ).eval()  # fmt: skip


def pictures(seed: int = 1) -> Tensor:
    return torch.randn(1, *SIZE, generator=torch.Generator().manual_seed(seed))


@given(st.sampled_from([(5, 3, 4), (6, 5), (7,)]), st.integers(0, 10**6), st.booleans(), st.integers(1, 9))
@settings(max_examples=80)
def test_the_strongest_of_each_channel_in_order(
    shape: tuple[int, ...], seed: int, ties: bool, most: int
) -> None:
    values = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    values = np.minimum(values, 0.3) if ties else values
    by_channel = values if len(shape) == 3 else np.moveaxis(values, -1, 0)
    ranked = []
    for channel, own in enumerate(by_channel):
        equal = np.argwhere(own == own.max())
        away = min(sum((i - (n - 1) / 2) ** 2 for i, n in zip(at, own.shape, strict=True)) for at in equal)
        ranked.append((-float(own.max()), float(away), channel))
    wanted = [one for one in sorted(ranked) if -one[0] > 0][:most]
    found = strongest_channels(Layer("l", Place("l", 0), shape, (20, 20)), values, most)
    assert [unit.channel for unit in found] == [channel for _, _, channel in wanted]
    for unit, (less, away, channel) in zip(found, wanted, strict=True):
        assert unit.value == -less == by_channel[(channel, *unit.at)]
        sides = by_channel.shape[1:]
        assert sum((i - (n - 1) / 2) ** 2 for i, n in zip(unit.at, sides, strict=True)) == away


@pytest.mark.parametrize("rule", ["deconvnet", "guided"])
def test_several_are_brought_back_as_one_by_one(rule: Rule) -> None:
    net, x = chain(), pictures()
    for layer in layers_of(net, "chain", SIZE):
        places = [(1, 2), (0, 0), (2, 1)] if layer.kind == "maps" else [()] * 3
        units = [Unit(channel, at, 0.0) for channel, at in zip((3, 0, 1), places, strict=True)]
        for unit, back in zip(units, brought_back(net, x, layer, units, rule), strict=True):
            alone = reconstruct(net, x, layer.place, unit.channel, [unit.at], rule)
            np.testing.assert_allclose(back.pixels, alone.pixels[0].numpy(), atol=1e-6)
            assert back.activation == pytest.approx(float(alone.activation[(0, unit.channel, *unit.at)]))
            assert back.rank is None
    assert brought_back(net, x, layer, [], rule) == []


def left_of_kernels(one: Tensor, other: Tensor) -> float:
    """Correlation of what is left of the ranks after a straight line through the ranks of the distances."""
    away = rankdata(np.hypot(*np.mgrid[-1:2, -1:2])[None].repeat(3, axis=0).ravel())
    design = np.stack([np.ones_like(away), away], 1)
    left = []
    for kernel in (one, other):
        ranks = rankdata(np.abs(kernel.detach().numpy()).ravel())
        left.append(ranks - design @ np.linalg.lstsq(design, ranks)[0])
    return float(np.corrcoef(*left)[0, 1])


def test_the_other_network_beside_one_layer_by_hand() -> None:
    """Of one convolution what comes back is its kernel; the stand-in is the next channel that is active."""
    net, other, x = chain(), chain(9), pictures()
    layer = layers_of(net, "chain", SIZE)[0]
    with torch.no_grad():
        there = F.relu(other[0](x))[0]
    tried = set[bool]()
    for channel, at in ((0, (4, 4)), (5, (0, 9)), (3, (7, 2)), (2, (9, 0))):
        active = [c for c in [*range(channel, 6), *range(channel)] if there[(c, *at)] > 0]
        tried.add(active[0] == channel)
        (back,) = brought_back(net, x, layer, [Unit(channel, at, 0.0)], "deconvnet", other)
        wanted = None
        if back.activation:
            wanted = left_of_kernels(net[0].weight[channel], other[0].weight[active[0]])
        assert back.rank == (None if wanted is None else pytest.approx(wanted, abs=1e-9))
    assert tried == {True, False}


def test_of_the_same_network_it_is_the_same() -> None:
    net, x = chain(), pictures()
    for layer in layers_of(net, "chain", SIZE):
        values = net[: int(layer.place.module) + 1](x)[0].detach().numpy()
        units = strongest_channels(layer, values, 3)
        for back in brought_back(net, x, layer, units, "guided", net):
            assert back.rank == pytest.approx(1) and back.support == pytest.approx(1)


def test_where_the_other_network_is_silent_nothing_is_said() -> None:
    net, other, x = chain(), chain(9), pictures()
    with torch.no_grad():
        other[0].bias.fill_(-100)
    layer = layers_of(net, "chain", SIZE)[0]
    units = strongest_channels(layer, F.relu(net[0](x))[0].detach().numpy(), 2)
    assert [back.rank for back in brought_back(net, x, layer, units, "deconvnet", other)] == [None, None]
    with torch.no_grad():
        net[0].bias.fill_(-100)
    (silent,) = brought_back(net, x, layer, [Unit(0, (3, 3), 0.0)], "guided")
    assert silent.activation == 0 and silent.support is None and not silent.pixels.any()


def test_what_lies_outside_is_told() -> None:
    """A unit of the second layer, with the field of the first: nine of the pixels that it depends on."""
    net, x = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU()), pictures()
    first, second = layers_of(net, "chain", SIZE)
    (unit,) = strongest_channels(second, net(x)[0].detach().numpy(), 1)
    wrong = replace(second, field=first.field, shape=first.shape)
    (back,) = brought_back(net, x, wrong, [unit], "deconvnet")
    row, column = unit.at
    part = np.abs(back.pixels[:, row : row + 3, column : column + 3]).sum() / np.abs(back.pixels).sum()
    assert back.support == pytest.approx(float(part), rel=1e-5) and back.support < 0.9
    (right,) = brought_back(net, x, second, [unit], "deconvnet")
    assert right.support == pytest.approx(1)


def test_tokens_have_a_place_too() -> None:
    class Mixer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.up, self.act = nn.Conv2d(3, 5, 4, 4), nn.Linear(5, 7), nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.act(self.up(self.embed(x).flatten(2).transpose(1, 2)))
            return out

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net, other, x = Mixer(), Mixer(), pictures()
    layer = Layer("act", Place("act", 0), (9, 7), (12, 12))
    units = strongest_channels(layer, net(x)[0].detach().numpy(), 2)
    for unit, back in zip(units, brought_back(net, x, layer, units, "guided", other), strict=True):
        pixels = x.clone().requires_grad_()
        value = net(pixels)[(0, *unit.at, unit.channel)]
        (wanted,) = torch.autograd.grad(value, pixels, value.detach())
        np.testing.assert_allclose(back.pixels, wanted[0].numpy(), atol=1e-6)
        assert back.activation == pytest.approx(value.item()) and back.rank is not None
