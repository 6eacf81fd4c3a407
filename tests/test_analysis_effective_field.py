"""The effective receptive field against closed forms, numpy, and the exact intervals."""

import numpy as np
import pytest
import torch
from torch import nn

from neocog.analysis.effective_field import effective_field
from neocog.errors import UserError
from neocog.models import build


def uniform(depth: int, channels: int = 2, stride: int = 1) -> nn.Sequential:
    """Convolutions of 3x3 whose weights are all one."""
    net = nn.Sequential(*(nn.Conv2d(channels, channels, 3, stride, 1, bias=False) for _ in range(depth)))
    for weight in net.parameters():
        nn.init.ones_(weight)
    return net


def folded(depth: int) -> np.ndarray:
    """A box of 3 folded with itself."""
    profile = np.ones(1)
    for _ in range(depth):
        profile = np.convolve(profile, np.ones(3) / 3)
    return profile


def pictures(count: int = 2, size: tuple[int, ...] = (2, 41, 41), seed: int = 0) -> torch.Tensor:
    return torch.randn(count, *size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("depth", [1, 2, 5, 9])
def test_uniform_weights_give_the_folded_box(depth: int) -> None:
    found = effective_field(uniform(depth), pictures(), str(depth - 1))
    profile = np.pad(folded(depth), 20 - depth)
    assert np.allclose(found.influence / found.influence.sum(), np.outer(profile, profile), atol=1e-7)


@pytest.mark.parametrize("depth", [1, 4, 9])
def test_its_width_grows_as_the_root_of_the_depth(depth: int) -> None:
    """The variance of a sum is the sum of variances; a box of 3 has 2/3 (Luo et al., section 2.1)."""
    found = effective_field(uniform(depth), pictures(), str(depth - 1))
    assert found.deviation == pytest.approx((np.sqrt(depth * 2 / 3),) * 2, rel=1e-5)
    assert found.mean == pytest.approx((20, 20), abs=1e-4)


def test_share_is_of_the_fewest_pixels_that_hold_95_percent() -> None:
    found = effective_field(uniform(4), pictures(), "3")
    weights = sorted(np.outer(folded(4), folded(4)).ravel())
    kept = len(weights)
    while sum(weights[len(weights) - kept + 1 :]) >= 0.95:
        kept -= 1
    assert found.share == kept / 81
    assert found.theoretical == ((16, 24), (16, 24))


def test_it_is_zero_outside_the_exact_interval() -> None:
    net = build("resnet18")
    found = effective_field(net, pictures(1, (3, 160, 96)), "layer2")
    (top, bottom), (left, right) = found.theoretical
    outside = found.influence.copy()
    outside[top : bottom + 1, left : right + 1] = 0
    assert not outside.any()
    assert found.influence[top].any() and found.influence[:, right].any()
    assert 0 < found.share < 1


def test_the_mean_over_pictures_is_that_of_each_alone() -> None:
    net = nn.Sequential(nn.Conv2d(1, 3, 5), nn.Tanh(), nn.Conv2d(3, 2, 3))
    many, layer = pictures(11, (1, 15, 15)), "2"
    alone = [effective_field(net, many[i : i + 1], layer).influence for i in range(len(many))]
    assert np.allclose(effective_field(net, many, layer).influence, np.mean(alone, axis=0))


def test_signs_come_from_the_generator_alone() -> None:
    net = nn.Sequential(nn.Conv2d(2, 6, 3), nn.ReLU(inplace=True), nn.Conv2d(6, 6, 3))
    state = torch.random.get_rng_state()
    one, same, other = (
        effective_field(net, pictures(), "2", torch.Generator().manual_seed(seed)).influence
        for seed in (1, 1, 2)
    )
    assert np.array_equal(one, same) and not np.array_equal(one, other)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_channels_of_opposite_weights_cancel_only_without_signs() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3, bias=False))
    with torch.no_grad():
        net[0].weight.copy_(torch.stack([torch.ones(1, 3, 3), -torch.ones(1, 3, 3)]))
    with pytest.raises(UserError, match="no pixel"):
        effective_field(net, pictures(1, (1, 9, 9)), "0")
    signed = effective_field(net, pictures(8, (1, 9, 9)), "0", torch.Generator().manual_seed(3))
    assert signed.influence[3:6, 3:6].min() > 0


def test_a_map_that_is_written_into_later_counts_as_it_was() -> None:
    layers = (nn.Conv2d(2, 2, 3), nn.ReLU(inplace=True))
    kept = effective_field(nn.Sequential(*layers), pictures(), "0").influence
    assert np.array_equal(kept, effective_field(nn.Sequential(layers[0]), pictures(), "0").influence)


def test_the_network_is_left_as_it_was() -> None:
    net = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.Conv2d(4, 1, 3)).train()
    net[1].eval()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    effective_field(net, pictures(), "3")
    assert [m.training for m in net.modules()] == [True, True, False, True, True]
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in net.parameters())
    assert not net[3]._forward_hooks


@pytest.mark.parametrize(
    ("layer", "given", "says"),
    [("conv9", pictures(), "conv9"), ("3", pictures(), "must make"), ("0", pictures()[0], "batch")],
)
def test_bad_requests_name_the_way_out(layer: str, given: torch.Tensor, says: str) -> None:
    net = nn.Sequential(nn.Conv2d(2, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2))
    with pytest.raises(UserError, match=says):
        effective_field(net, given, layer)


def test_of_a_layer_that_is_called_again_the_last_call_counts() -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(2, 2, 3, padding=1)
    found = effective_field(nn.Sequential(conv, nn.Tanh(), conv), pictures(1, (2, 11, 11)), "0")
    rows = np.flatnonzero(found.influence.any(axis=1))
    assert (rows[0], rows[-1]) == (3, 7) and found.theoretical == ((3, 7), (3, 7))
