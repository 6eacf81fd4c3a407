"""Multiply-adds against torch's own counter, formulas and what other tools print."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from neocog.analysis.table import summarize
from neocog.models import MODELS, build

FAMILIES = (
    "neocognitron", "lenet5", "lenet_caffe", "alexnet", "alexnet_2012", "zfnet", "vgg11_bn", "googlenet",
    "googlenet_2014", "resnet18_a", "resnet50_v1", "resnet20_cifar", "plain18", "resnetv2_50x1_bit", "efficientnet_b0",
    "efficientnet_lite0", "vit_tiny_patch16_224", "vit_small_patch32_224",
)  # fmt: skip


def flops(net: nn.Module, size: tuple[int, ...], batch: int = 1) -> int:
    """What torch's counter says on the meta device."""
    net = net.to("meta").eval().requires_grad_(False)
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        net(torch.empty(batch, *size, device="meta"))
    return counter.get_total_flops()


class Call(nn.Module):
    """A function of one tensor as a network."""

    def __init__(self, function: Callable[[Tensor], Tensor]):
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def ones(x: Tensor, *shape: int) -> Tensor:
    return torch.ones(*shape, device=x.device)


LAYERS: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "conv1d": (nn.Conv1d(4, 6, 3, 2, dilation=2), (4, 15)),
    "conv2d, grouped": (nn.Conv2d(8, 12, 3, groups=4), (8, 9, 10)),
    "conv2d, depthwise": (nn.Conv2d(8, 16, (3, 5), groups=8, padding=1), (8, 9, 10)),
    "conv2d, dilated": (nn.Conv2d(3, 5, 3, dilation=(1, 2), padding="same"), (3, 9, 10)),
    "conv3d": (nn.Conv3d(4, 6, 3, 2), (4, 7, 7, 7)),
    "conv_transpose1d": (nn.ConvTranspose1d(4, 6, 3, 2), (4, 15)),
    "conv_transpose2d, grouped": (nn.ConvTranspose2d(8, 12, 3, 2, 1, 1, groups=2), (8, 9, 10)),
    "conv_transpose3d": (nn.ConvTranspose3d(4, 6, 3, 2), (4, 5, 5, 5)),
    "linear of a vector": (nn.Sequential(nn.Flatten(), nn.Linear(60, 7)), (3, 4, 5)),
    "linear of four sides": (nn.Linear(10, 7), (3, 4, 5, 10)),
    "@": (Call(lambda x: x @ x.transpose(-1, -2)), (3, 4, 5)),
    "@, broadcast": (Call(lambda x: x @ ones(x, 5, 6)), (3, 4, 5)),
    "@, broadcast from the left": (Call(lambda x: ones(x, 2, 4) @ x), (3, 4, 5)),
    "matmul": (Call(lambda x: torch.matmul(x, other=x.mT)), (3, 4, 5)),
    "mm": (Call(lambda x: torch.mm(x[0], x[0].t())), (4, 5)),
    "bmm": (Call(lambda x: torch.bmm(x, x.mT)), (4, 5)),
    "addmm": (Call(lambda x: torch.addmm(ones(x, 4, 4), x[0], x[0].t())), (4, 5)),
    "baddbmm": (Call(lambda x: torch.baddbmm(ones(x, 1, 4, 4), x, x.mT)), (4, 5)),
    "einsum": (Call(lambda x: torch.einsum("bchw,bcgw->bchg", x, x)), (3, 4, 5)),
    "einsum without an arrow": (Call(lambda x: torch.einsum("bij,bjk", x, x.mT)), (4, 5)),
    "einsum with dots": (Call(lambda x: torch.einsum("...hw, gw -> ...hg", x, ones(x, 7, 5))), (3, 4, 5)),
    "einsum of three": (Call(lambda x: torch.einsum("bij,bjk,bkl->bil", x, x.mT, x)), (4, 5)),
    "einsum of one": (Call(lambda x: torch.einsum("bij->bji", x)), (4, 5)),
    "einsum that sums nothing": (Call(lambda x: torch.einsum("bi,bj->bij", x[:, 0], x[:, 1])), (4, 5)),
    "einsum with a letter of one": (Call(lambda x: torch.einsum("bchw,bcgv->bchg", x, x)), (3, 4, 5)),
    "tensordot": (Call(lambda x: torch.tensordot(x, x, dims=([2], [2]))), (4, 5)),
    "tensordot along two": (Call(lambda x: torch.tensordot(x, ones(x, 4, 5, 6), dims=2)), (4, 5)),
    "inner": (Call(lambda x: torch.inner(x, x)), (4, 5)),
    "fused attention": (Call(lambda x: F.scaled_dot_product_attention(x, x, x[..., :3])), (2, 4, 5)),
    "nn.MultiheadAttention": (Call(lambda x: x), (5, 8)),
    "nn.TransformerEncoderLayer": (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (5, 8)),
    "nn.TransformerEncoderLayer, tokens first": (
        nn.TransformerEncoderLayer(8, 2, 16, norm_first=True),
        (5, 8),
    ),
}


class Attending(nn.Module):
    """nn.MultiheadAttention on itself, or on other keys and values."""

    def __init__(self, keys: tuple[int, int] | None = None, need_weights: bool = True, **settings: object):
        super().__init__()
        self.keys, self.need_weights = keys, need_weights
        sides = {"kdim": keys[0], "vdim": keys[1]} if keys else {}
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True, **sides, **settings)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        key, value = (x[:, :3, : self.keys[0]], x[:, :3, : self.keys[1]]) if self.keys else (x, x)
        out: Tensor = self.attention(x, key, value, need_weights=self.need_weights)[0]
        return out


LAYERS |= {
    "nn.MultiheadAttention": (Attending(), (5, 8)),
    "nn.MultiheadAttention without weights": (Attending(need_weights=False), (5, 8)),
    "nn.MultiheadAttention, other keys": (Attending((6, 5)), (7, 8)),
    "nn.MultiheadAttention, a biased key": (Attending(add_bias_kv=True), (5, 8)),
    "nn.MultiheadAttention, a key of zeros": (Attending(add_zero_attn=True), (5, 8)),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_network_of_each_family_costs_what_torch_counts(name: str) -> None:
    with torch.device("meta"):
        net, size = build(name), MODELS[name].input_size
    summary = summarize(net, size)
    assert not summary.partial
    assert 2 * summary.macs == flops(net, size)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_costs_what_torch_counts(name: str, batch: int) -> None:
    net, size = LAYERS[name]
    assert 2 * summarize(net, size, batch=batch).macs == flops(net, size, batch)


@pytest.mark.parametrize(
    ("function", "macs"),
    [
        (lambda x: x @ ones(x, 5), 4 * 5),
        (lambda x: torch.mv(x[0], x[0, 0]), 4 * 5),
        (lambda x: torch.dot(x[0, 0], x[0, 1]), 5),
        (lambda x: torch.addmv(ones(x, 4), x[0], x[0, 0]), 4 * 5),
        (lambda x: torch.addbmm(ones(x, 4, 4), x, x.mT), 4 * 5 * 4),
    ],
)
def test_products_that_torch_does_not_count(function: Callable[[Tensor], Tensor], macs: int) -> None:
    assert summarize(Call(function), (4, 5)).macs == macs


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(("kind", "gates"), [(nn.LSTM, 4), (nn.GRU, 3), (nn.RNN, 1)])
def test_recurrent_layers_cost_their_matrices_once_a_step(
    kind: type[nn.RNNBase], gates: int, bidirectional: bool
) -> None:
    """gates * hidden * (inputs + hidden) for each step and direction; a second layer reads all directions."""
    net = kind(5, 7, num_layers=2, bidirectional=bidirectional, batch_first=True)
    directions = 1 + bidirectional
    step = gates * 7 * (5 + 7) + gates * 7 * (7 * directions + 7)
    assert summarize(net, (11, 5)).macs == 11 * directions * step


@torch.library.custom_op("neocog_test::doubled", mutates_args=())
def doubled(x: Tensor) -> Tensor:
    return x * 2


@doubled.register_fake
def _(x: Tensor) -> Tensor:
    return torch.empty_like(x)


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (lambda x: torch.cdist(x, x), "cdist"),
        (lambda x: torch.fft.rfft2(x).abs(), "fft_rfft2"),
        (lambda x: F.bilinear(x, x, ones(x, 3, 5, 5)), "bilinear"),
        (lambda x: torch.ops.neocog_test.doubled(x), "doubled"),
        (lambda x: torch.linalg.multi_dot([x[0], x[0].t(), x[0]]), "linalg_multi_dot"),
    ],
)
def test_an_operation_without_a_rule_is_listed(function: Callable[[Tensor], Tensor], name: str) -> None:
    summary = summarize(nn.Sequential(nn.Linear(5, 5), Call(function)), (4, 5))
    assert name in summary.partial
    assert summary.macs == 4 * 5 * 5


def test_tied_weights_are_one_parameter_and_run_twice() -> None:
    first, second = nn.Conv2d(4, 4, 3, bias=False), nn.Conv2d(4, 4, 3, bias=False)
    second.weight = first.weight
    summary = summarize(nn.Sequential(first, second), (4, 9, 9))
    assert (summary.params, sum(row.params for row in summary)) == (144, 144)
    assert summary.macs == 144 * (7 * 7 + 5 * 5)


def test_a_shared_module_is_counted_once_and_runs_twice() -> None:
    layer = nn.Conv2d(4, 4, 3)
    summary = summarize(nn.Sequential(layer, nn.ReLU(), layer), (4, 9, 9))
    assert (summary.params, sum(row.params for row in summary)) == (148, 148)
    assert summary.macs == 144 * (7 * 7 + 5 * 5)


class WithHead(nn.Module):
    """A network with a classifier that it does not call."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Conv2d(3, 4, 3, bias=False), nn.Linear(4, 10)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x)
        return out


def test_unused_heads_are_parameters_without_work() -> None:
    summary = summarize(WithHead(), (3, 5, 5))
    assert summary.trace.unused == ("head.weight", "head.bias")
    assert (summary.params, sum(row.params for row in summary)) == (3 * 4 * 9 + 50, 3 * 4 * 9)
    assert summary.macs == 9 * 108


@pytest.mark.parametrize(("name", "units"), [("alexnet_2012", 659_272), ("alexnet", 501_288)])
def test_units_are_those_of_the_layers_sizes(name: str, units: int) -> None:
    """55*55*96 + 27*27*256 + 2*13*13*384 + 13*13*256 + 2*4096 + 1000, and the sizes of one tower at 227."""
    with torch.device("meta"):
        net = build(name)
    assert summarize(net, (3, 227, 227)).units == units
