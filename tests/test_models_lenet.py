"""LeNet-5 against the paper's own numbers, and its parts against numpy and torch."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from neocog.layers.rbf import RBF, rbf_map_loss, rbf_mse_loss
from neocog.layers.subsampling import Subsampling, TableConv2d
from neocog.models import build
from neocog.models.lenet_bitmaps import DIGITS, digit_codes

# LeCun et al. 1998, section II.B: layer -> trainable parameters, connections
PRINTED = {
    "c1": (156, 122_304),
    "s2": (12, 5_880),
    "c3": (1_516, 151_600),
    "s4": (32, 2_000),
    "c5": (48_120, 48_120),
    "f6": (10_164, 10_164),
}
# Table I, read row by row: which maps of S2 feed which maps of C3 (X in the paper)
TABLE_1 = [
    "X...XXX..XXXX.XX",
    "XX...XXX..XXXX.X",
    "XXX...XXX..X.XXX",
    ".XXX..XXXX..X.XX",
    "..XXX..XXXX.XX.X",
    "...XXX..XXXX.XXX",
]


def test_each_layer_has_the_papers_parameters() -> None:
    net = build("lenet5")
    counts = {name: sum(p.numel() for p in net.get_submodule(name).parameters()) for name in PRINTED}
    assert counts == {name: params for name, (params, _) in PRINTED.items()}
    assert sum(p.numel() for p in net.parameters()) == 60_000


def test_each_layer_has_the_papers_connections() -> None:
    """A connection is an input or the bias of a unit; with the 840 of the output they are the paper's 340,908."""
    net, units = build("lenet5"), {}
    for name in PRINTED:
        net.get_submodule(name).register_forward_hook(
            lambda _, __, out, name=name: units.__setitem__(name, out[0])
        )
    net(torch.zeros(1, 1, 32, 32))
    places = {name: out[0].numel() for name, out in units.items()}
    counts = {name: params * places[name] for name, (params, _) in PRINTED.items() if name[0] in "c"}
    counts |= {name: units[name].numel() * 5 for name in ("s2", "s4")}  # four inputs and a bias each
    counts["f6"] = 84 * 121
    assert counts == {name: connections for name, (_, connections) in PRINTED.items()}
    assert sum(counts.values()) + digit_codes().numel() == 340_908


def test_c3_is_connected_by_table_1() -> None:
    """A map of S2 moves a map of C3 exactly where the paper has a cross."""
    c3 = build("lenet5").get_submodule("c3").double()
    base = c3(torch.zeros(1, 6, 5, 5, dtype=torch.float64))
    for i in range(6):
        x = torch.zeros(1, 6, 5, 5, dtype=torch.float64)
        x[0, i] = torch.rand(5, 5, dtype=torch.float64) + 0.1
        moved = (c3(x) != base).flatten()
        assert "".join("X" if m else "." for m in moved) == TABLE_1[i]


def test_a_table_convolution_is_the_masked_dense_one() -> None:
    table = [(0, 1), (2, 0), (1, 2, 3), (3,)]
    conv = TableConv2d(table, 3).double()
    dense = torch.zeros(4, 4, 3, 3, dtype=torch.float64)
    rows = [
        (grouped.weight[k], grouped.bias[k]) for grouped in conv.convs for k in range(len(grouped.weight))
    ]
    for out, (inputs, (weight, _)) in enumerate(zip(table, rows, strict=True)):
        for place, i in enumerate(inputs):
            dense[out, i] = weight[place]
    x = torch.randn(2, 4, 7, 6, dtype=torch.float64)
    torch.testing.assert_close(conv(x), F.conv2d(x, dense, torch.stack([bias for _, bias in rows])))


def test_subsampling_is_the_sum_times_a_weight_plus_a_bias() -> None:
    layer, x = Subsampling(3), torch.randn(2, 3, 4, 6)
    nn.init.normal_(layer.bias)
    w, b, p = layer.weight.detach().numpy().ravel(), layer.bias.detach().numpy().ravel(), x.numpy()
    expected = np.array(
        [
            [
                [
                    [p[n, k, 2 * r : 2 * r + 2, 2 * c : 2 * c + 2].sum() * w[k] + b[k] for c in range(3)]
                    for r in range(2)
                ]
                for k in range(3)
            ]
            for n in range(2)
        ]
    )
    np.testing.assert_allclose(layer(x).detach().numpy(), expected, rtol=1e-5, atol=1e-6)


def test_the_whole_net_computes_what_the_paper_says() -> None:
    torch.manual_seed(0)
    net, x = build("lenet5").double(), torch.randn(2, 1, 32, 32, dtype=torch.float64)

    def f(a: torch.Tensor) -> torch.Tensor:
        return 1.7159 * torch.tanh(2 / 3 * a)

    def subsample(x: torch.Tensor, name: str) -> torch.Tensor:
        layer = net.get_submodule(name)
        return f(F.avg_pool2d(x, 2) * 4 * layer.weight + layer.bias)

    y = subsample(f(F.conv2d(x, net.c1.weight, net.c1.bias)), "s2")
    maps = []
    for k in range(16):
        inputs = [i for i in range(6) if TABLE_1[i][k] == "X"]
        weights = [row for conv in net.c3.convs for row in zip(conv.weight, conv.bias, strict=True)]
        maps.append(F.conv2d(y[:, inputs], weights[k][0][None], weights[k][1][None]))
    y = subsample(f(torch.cat(maps, 1)), "s4")
    y = f(F.conv2d(y, net.c5.weight, net.c5.bias)).flatten(1)
    y = f(F.linear(y, net.f6.weight, net.f6.bias))
    codes = digit_codes().double()
    penalty = ((y[:, None] - codes[None]) ** 2).sum(-1)
    torch.testing.assert_close(net(x), -penalty)


def test_the_first_weights_are_the_papers() -> None:
    """Uniform within 2.4 / fan-in, appendix A."""
    torch.manual_seed(0)
    net = build("lenet5")
    for layer, fan_in in ((net.c1, 25), (net.c5, 400), (net.f6, 120)):
        assert 0.85 * 2.4 / fan_in < layer.weight.abs().max() <= 2.4 / fan_in


def test_rbf_is_minus_the_squared_distance() -> None:
    x, codes = torch.randn(5, 84, dtype=torch.float64), digit_codes().double()
    torch.testing.assert_close(RBF(codes)(x), -(torch.cdist(x, codes) ** 2))


def test_the_codes_are_ten_drawn_digits() -> None:
    codes = digit_codes()
    assert codes.shape == (10, 84)
    assert set(codes.unique().tolist()) == {-1.0, 1.0}
    distances = torch.cdist(codes, codes) ** 2 / 4  # differing pixels
    assert distances[~torch.eye(10, dtype=bool)].min() >= 4
    top_of_one = "".join("#" if v > 0 else "." for v in codes[1][:14])
    assert top_of_one == "...#....." + "##..."
    assert DIGITS.count("#") == int((codes > 0).sum())


@given(st.integers(0, 10_000))
def test_the_map_loss_without_its_constant_is_the_cross_entropy(seed: int) -> None:
    """For j to infinity; log-softmax of minus the penalties."""
    torch.manual_seed(seed)
    logits, target = -torch.rand(4, 10, dtype=torch.float64) * 50, torch.randint(10, (4,))
    torch.testing.assert_close(rbf_map_loss(logits, target, j=1e4), F.cross_entropy(logits, target))


def test_the_losses_are_equations_8_and_9() -> None:
    penalties = np.array([[3.0, 0.5, 7.0], [2.0, 2.5, 0.25]])
    logits, target, j = torch.tensor(-penalties), torch.tensor([1, 0]), 0.7
    right = np.array([0.5, 2.0])
    assert rbf_mse_loss(logits, target).item() == pytest.approx(right.mean())
    expected = (right + np.log(np.exp(-j) + np.exp(-penalties).sum(1))).mean()
    assert rbf_map_loss(logits, target, j).item() == pytest.approx(expected)


def test_the_losses_have_the_right_gradient() -> None:
    logits = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    target = torch.tensor([0, 3, 1])
    assert torch.autograd.gradcheck(lambda y: rbf_map_loss(y, target), logits)


def test_lenet5_modern_computes_what_its_figure_says() -> None:
    net = build("lenet5_modern")
    state, x = net.state_dict(), torch.randn(2, 1, 32, 32)
    w = [
        state[f"{n}.{part}"] for n in ("conv1", "conv2", "conv3", "fc4", "fc5") for part in ("weight", "bias")
    ]
    y = F.avg_pool2d(F.conv2d(x, w[0], w[1]).tanh(), 2)
    y = F.avg_pool2d(F.conv2d(y, w[2], w[3]).tanh(), 2)
    y = F.conv2d(y, w[4], w[5]).tanh()[..., 0, 0]
    torch.testing.assert_close(net(x), (y @ w[6].T + w[7]).tanh() @ w[8].T + w[9])


def test_lenet_caffe_computes_what_its_prototxt_says() -> None:
    net, x = build("lenet_caffe"), torch.rand(2, 1, 28, 28)
    y = F.max_pool2d(F.conv2d(x, net.conv1.weight, net.conv1.bias), 2)
    y = F.max_pool2d(F.conv2d(y, net.conv2.weight, net.conv2.bias), 2).reshape(2, 800)
    y = (y @ net.fc1.weight.T + net.fc1.bias).clamp(min=0)
    torch.testing.assert_close(net(x), y @ net.fc2.weight.T + net.fc2.bias)


@given(st.integers(0, 2**31), st.integers(2, 12), st.floats(0.1, 3))
def test_a_linear_layer_can_say_all_that_distances_to_codes_say(
    seed: int, classes: int, scale: float
) -> None:
    """-|x - w|^2 = 2 w x - |w|^2 - |x|^2, and no softmax sees |x|^2, which is the same for every class."""
    torch.manual_seed(seed)
    codes, x = torch.randint(2, (classes, 84)).double() * 2 - 1, scale * torch.randn(3, 84).double()
    linear = F.linear(x, 2 * codes, -codes.square().sum(1))
    torch.testing.assert_close(linear.softmax(1), RBF(codes)(x).softmax(1))
