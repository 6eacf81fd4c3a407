"""One unit as arithmetic: what is shown equals what torch computed, for every way to slide a window."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from neocog.analysis.trace import trace
from neocog.errors import UserError
from neocog.inside.strongest import activations
from neocog.inside.sums.arithmetic import Computed, computed
from neocog.inside.units import Layer, layer_of, layers_of


class Halves(nn.Module):
    """Reused, in place, functional, with a pool behind and a second that averages."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, (3, 5), (2, 1), (1, 0), (1, 2), groups=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.act = nn.ReLU(inplace=True)
        self.pool = nn.MaxPool2d(3, 2, 1, ceil_mode=True)
        self.second = nn.Conv2d(8, 12, 3, padding=2, dilation=2, groups=4)
        self.average = nn.AvgPool2d(2, 2, 1, count_include_pad=False)
        self.deep = nn.Conv2d(12, 12, 3, padding="same", groups=12)
        self.whole = nn.AdaptiveAvgPool2d((2, 3))
        self.fc = nn.Linear(72, 10)
        self.out = nn.Linear(10, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.act(self.norm(self.first(x))))
        x = self.average(torch.tanh(self.second(x)))
        x = self.whole(torch.relu(self.deep(x)))
        return self.out(torch.nn.functional.relu(self.fc(x.flatten(1))))


SIZE = (3, 29, 34)
WEIGHTED = ("first", "second", "deep", "fc", "out")
POOLS = ("pool", "average", "whole")


def drawn(net: nn.Module, seed: int) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    for tensor in net.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.3 + (tensor.dim() == 1) * 0.7)
    for name, tensor in net.named_buffers():
        if name.endswith("running_var"):
            tensor.abs_().add_(0.5)
    return net.eval()


def layer_named(net: nn.Module, name: str, size: tuple[int, int, int] = SIZE) -> Layer:
    return layer_of(net, "mine", size, name)


def random_unit(layer: Layer, rng: np.random.Generator) -> tuple[int, tuple[int, ...]]:
    at = layer.shape[1:] if layer.kind == "maps" else layer.shape[:-1]
    return int(rng.integers(layer.channels)), tuple(int(rng.integers(side)) for side in at)


@pytest.mark.parametrize(("dtype", "most", "units"), [(torch.float32, 1e-5, 200), (torch.float64, 1e-12, 40)])
def test_the_sum_is_the_networks_for_random_units(dtype: torch.dtype, most: float, units: int) -> None:
    rng = np.random.default_rng(0)
    net = drawn(Halves(), 1).to(dtype)
    layers = [layer_named(net, name) for name in WEIGHTED + POOLS]
    plain = trace(net, SIZE)
    for count in range(units):
        layer = layers[count % len(layers)]
        channel, at = random_unit(layer, rng)
        x = torch.from_numpy(rng.standard_normal((1, *SIZE))).to(dtype)
        found = computed(net, x, layer, channel, at, plain)
        (values,) = activations(net, x, [layer])
        truth = values[(channel, *at)] if layer.kind == "maps" else values[(*at, channel)]
        assert found.arithmetic.difference <= most, layer.name
        assert found.arithmetic.unit == pytest.approx(truth, abs=1e-6)
        assert found.arithmetic.value == pytest.approx(truth, abs=2e-5)


def by_hand(net: Halves, x: Tensor, channel: int, at: tuple[int, int]) -> float:
    """`second` of Halves as loops: four groups, dilation 2, padding 2."""
    with torch.no_grad():
        given = net.pool(torch.relu(net.norm(net.first(x))))[0]
    total = net.second.bias[channel].item()
    for j in range(2):
        source = channel // 3 * 2 + j
        for r in range(3):
            for c in range(3):
                row, column = at[0] - 2 + 2 * r, at[1] - 2 + 2 * c
                if 0 <= row < given.shape[1] and 0 <= column < given.shape[2]:
                    total += net.second.weight[channel, j, r, c].item() * given[source, row, column].item()
    return total


def test_window_and_kernel_are_those_of_the_convolution() -> None:
    net = drawn(Halves(), 2)
    assert isinstance(net, Halves)
    x = torch.randn(1, *SIZE, generator=torch.Generator().manual_seed(3))
    layer = layer_named(net, "second")
    for channel, at in ((0, (0, 0)), (5, (4, 9)), (11, (7, 13))):
        found = computed(net, x, layer, channel, at).arithmetic
        assert found.total == pytest.approx(by_hand(net, x, channel, at), abs=1e-6)
        assert np.allclose(found.kernel, net.second.weight[channel].detach(), atol=0)
        assert found.channels == (channel // 3 * 2, channel // 3 * 2 + 1)
        assert found.first == (at[0] - 2, at[1] - 2)
        assert not found.window[:, ~found.inside].any()


def test_each_step_is_the_formula_of_its_layer() -> None:
    net = drawn(Halves(), 4)
    assert isinstance(net, Halves)
    x = torch.randn(1, *SIZE, generator=torch.Generator().manual_seed(5))
    found = computed(net, x, layer_named(net, "first"), 3, (7, 11)).arithmetic
    with torch.no_grad():
        summed = net.first(x)
        normed = net.norm(summed)
    assert [step.kind for step in found.steps] == ["batch_norm", "relu"]
    assert found.tensor == pytest.approx(float(summed[0, 3, 7, 11]), abs=1e-6)
    assert found.steps[0].value == pytest.approx(float(normed[0, 3, 7, 11]), abs=1e-5)
    assert found.steps[0].tensor == pytest.approx(
        float(normed[0, 3, 7, 11]), abs=1e-6
    )  # not the ReLU's in its place
    assert found.steps[1].value == pytest.approx(max(float(normed[0, 3, 7, 11]), 0), abs=1e-5)


def torch_winner(values: Tensor, channel: int, at: tuple[int, int]) -> tuple[int, int]:
    """Row and column of the maximum as torch's own indices name it."""
    _, indices = nn.functional.max_pool2d(values, 3, 2, 1, ceil_mode=True, return_indices=True)
    row, column = divmod(int(indices[0, channel, at[0], at[1]]), values.shape[3])
    return row, column


def test_the_winner_is_torchs() -> None:
    net = drawn(Halves(), 6)
    assert isinstance(net, Halves)
    x = torch.randn(1, *SIZE, generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        given = torch.relu(net.norm(net.first(x)))
    layer = layer_named(net, "pool")
    rng = np.random.default_rng(8)
    for _ in range(10):
        channel, at = random_unit(layer, rng)
        found = computed(net, x, layer, channel, at).arithmetic
        assert found.kernel is None and found.winner is not None
        place = found.first[0] + found.winner[0], found.first[1] + found.winner[1]
        assert place == torch_winner(given, channel, (at[0], at[1]))


def test_the_pool_behind_counts_the_windows_that_a_unit_wins() -> None:
    net = drawn(Halves(), 9)
    assert isinstance(net, Halves)
    x = torch.randn(1, *SIZE, generator=torch.Generator().manual_seed(10))
    layer = layer_named(net, "first")
    with torch.no_grad():
        given = torch.relu(net.norm(net.first(x)))
    _, indices = nn.functional.max_pool2d(given, 3, 2, 1, ceil_mode=True, return_indices=True)
    rng = np.random.default_rng(11)
    for _ in range(10):
        channel, at = random_unit(layer, rng)
        pooled = computed(net, x, layer, channel, at).pooled
        assert pooled is not None
        wins = int((indices[0, channel] == at[0] * given.shape[3] + at[1]).sum())
        windows = [len([r for r in range(i // 2, i // 2 + 2) if 0 <= i - (2 * r - 1) < 3]) for i in at]
        assert (pooled.wins, pooled.windows) == (wins, windows[0] * windows[1])
        assert pooled.arithmetic.difference == 0


def test_a_flattened_map_stays_a_map_for_the_linear_layer() -> None:
    net = drawn(Halves(), 12)
    assert isinstance(net, Halves)
    x = torch.randn(1, *SIZE, generator=torch.Generator().manual_seed(13))
    found = computed(net, x, layer_named(net, "fc"), 4).arithmetic
    assert found.window.shape == (12, 2, 3)
    weight = net.fc.weight[4].detach().reshape(12, 2, 3)
    assert np.allclose(found.kernel, weight, atol=0)


class Twice(nn.Module):
    """One convolution and one ReLU module, each called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.conv(self.act(self.conv(x))))


def test_each_call_of_a_reused_layer_has_its_own_numbers() -> None:
    net = drawn(Twice(), 14)
    assert isinstance(net, Twice)
    x = torch.randn(1, 2, 9, 9, generator=torch.Generator().manual_seed(15))
    first, second = layers_of(net, "mine", (2, 9, 9))
    with torch.no_grad():
        inner = net.conv(torch.relu(net.conv(x)))
        outer = net.conv(x)
    for layer, summed in ((first, outer), (second, inner)):
        found: Computed = computed(net, x, layer, 1, (4, 4))
        assert found.arithmetic.tensor == pytest.approx(float(summed[0, 1, 4, 4]), abs=1e-6)
        assert found.arithmetic.unit == pytest.approx(max(float(summed[0, 1, 4, 4]), 0), abs=1e-6)


def test_factors_and_shifts_of_channels_are_steps() -> None:
    """LeNet-5's second layer: the sum of a window times a weight, a bias, and a squashing (LeCun et al. 1998)."""
    from neocog.models import build

    torch.manual_seed(0)
    net = build("lenet5").eval()
    x = torch.randn(1, 1, 32, 32, generator=torch.Generator().manual_seed(1))
    layer = layer_of(net, "lenet5", (1, 32, 32), "S2")
    found = computed(net, x, layer, 3, (5, 6)).arithmetic
    (values,) = activations(net, x, [layer])
    with torch.no_grad():
        before = net.get_submodule("f1")(net.get_submodule("c1")(x))[0, 3, 10:12, 12:14]
    assert found.kind == "avg_pool2d"
    assert found.total == pytest.approx(float(before.sum()), abs=1e-6)
    assert found.value == pytest.approx(float(values[3, 5, 6]), abs=1e-6)


def test_a_sum_of_branches_is_refused_with_a_way_out() -> None:
    from neocog.models import build

    net = build("resnet20_cifar").eval()
    layer = layer_of(net, "resnet20_cifar", (3, 32, 32), "layer1.0")
    with pytest.raises(UserError, match=r"layer1\.0 come from add, not from one convolution"):
        computed(net, torch.zeros(1, 3, 32, 32), layer, 0, (0, 0))


def test_the_network_is_left_as_it_was() -> None:
    net = drawn(Halves(), 16).train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    computed(net, torch.randn(1, *SIZE), layer_named(net, "first"), 0, (0, 0))
    assert net.training and net.get_submodule("norm").training
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())
