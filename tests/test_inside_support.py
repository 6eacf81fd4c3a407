"""Whatever comes back from a unit stays within what the unit sees, in random networks with branches."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from neocog.inside.back.rules import RULES, reconstruct
from neocog.inside.units import layers_of
from networks import Net

SIZE = (2, 15, 13)
CHANNELS = 3
FORMS = ("sum", "shorter sum", "concatenation", "dense", "pool")


def same(kernel: int, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    """Padded so that with a stride of 1 the size stays."""
    return nn.Conv2d(CHANNELS, CHANNELS, kernel, stride, dilation * (kernel // 2), dilation)


def joined(form: str, m: Any, x: Tensor) -> Tensor:
    """A block as ResNet, GoogLeNet or DenseNet has them; branches see different widths."""
    if form == "sum":
        return F.relu(m.wide(F.relu(m.narrow(x))) + x)
    if form == "shorter sum":
        return F.relu(m.halving(x) + m.projection(x))
    if form == "concatenation":
        pooled = F.max_pool2d(x, 3, 1, 1)
        return F.relu(m.mixing(torch.cat([m.narrow(x), m.wide(x), pooled], 1)))
    if form == "dense":
        first = torch.cat([x, F.relu(m.wide(x))], 1)
        return F.relu(m.mixing(torch.cat([first, m.narrow(x)], 1)))
    return F.max_pool2d(x, 3, 2, 1)


def block(form: str, kernel: int, dilation: int) -> Net:
    return Net(
        lambda m, x: joined(form, m, x),
        narrow=same(1),
        wide=same(kernel, dilation=dilation),
        halving=same(3, 2),
        projection=nn.Conv2d(CHANNELS, CHANNELS, 1, 2),
        mixing=nn.Conv2d(3 * CHANNELS, CHANNELS, 1),
    )


@st.composite
def branched(draw: st.DrawFn) -> nn.Sequential:
    """A stem, up to three blocks, a last layer; with weights drawn so that no map is dead."""
    blocks = [
        block(draw(st.sampled_from(FORMS)), draw(st.sampled_from((3, 5))), draw(st.integers(1, 2)))
        for _ in range(draw(st.integers(1, 3)))
    ]
    stem = nn.Conv2d(2, CHANNELS, draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.integers(0, 1)))
    net = nn.Sequential(stem, nn.ReLU(), *blocks, nn.Conv2d(CHANNELS, 2, 1), nn.ReLU())
    torch.manual_seed(draw(st.integers(0, 100)))
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            module.reset_parameters()
            assert module.bias is not None
            nn.init.constant_(module.bias, 0.5)
    return net


def test_nothing_leaves_the_receptive_field_of_any_unit() -> None:
    came_back: set[str] = set()

    @settings(max_examples=25, deadline=None)
    @given(branched())
    def each(net: nn.Sequential) -> None:
        layer = layers_of(net, "net", SIZE)[-1]
        assert layer.place.module == str(len(net) - 1)
        _, height, width = layer.shape
        places = [(i, j) for i in range(height) for j in range(width)]
        x = torch.rand(1, *SIZE, generator=torch.Generator().manual_seed(1)).expand(len(places), *SIZE)
        for rule in RULES:
            found = reconstruct(net, x, layer.place, 0, places, rule)
            for place, pixels in zip(places, found.pixels, strict=True):
                top, left, bottom, right = layer.reads(place)
                outside = pixels.clone()
                outside[:, top:bottom, left:right] = 0
                assert not outside.any(), (rule, place)
            if found.pixels.any():
                came_back.add(rule)

    each()
    assert came_back == set(RULES), "of some networks each brings something back"
