"""Receptive fields against figures of papers and of independent tools, against torch's gradients, and their causes."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from neocog.analysis.field import Field
from neocog.analysis.receptive_field import extent, receptive_fields
from neocog.analysis.table import summarize
from neocog.analysis.trace import trace
from neocog.models import MODELS
from networks import NETWORKS, Net, conv

# (network, size of the picture, layer): receptive field, effective stride, effective padding.
# AlexNet: the lecture's table, with its paddings of pool2 to conv4 and its fields of fc6 to fc8 corrected.
# VGG 16 at pool5, AlexNet and ResNets v1 at the last block: github.com/google-research/receptive_field, table of the
# README. Layers are named as in our table, a pool by the convolution before it. The other rows: r = 1 + the sum of
# (k - 1) times the strides before.
FIGURES = [
    ("alexnet", 227, "conv1", 11, 4, 2),
    ("alexnet", 227, "pool1", 19, 8, 2),
    ("alexnet", 227, "conv2", 51, 8, 18),
    ("alexnet", 227, "pool2", 67, 16, 18),
    ("alexnet", 227, "conv3", 99, 16, 34),
    ("alexnet", 227, "conv4", 131, 16, 50),
    ("alexnet", 227, "conv5", 163, 16, 66),
    ("alexnet", 227, "pool5", 195, 32, 66),
    ("alexnet", 227, "fc6", 355, 32, 66),
    ("lenet5_modern", 32, "conv1", 5, 1, 0),
    ("lenet5_modern", 32, "pool1", 6, 2, 0),
    ("lenet5_modern", 32, "conv2", 14, 2, 0),
    ("lenet5_modern", 32, "pool2", 16, 4, 0),
    ("lenet5_modern", 32, "conv3", 32, 4, 0),
    ("vgg11", 224, "pool8", 150, 32, 59),
    ("vgg13", 224, "pool10", 156, 32, 62),
    ("vgg16_c", 224, "pool13", 156, 32, 62),
    ("vgg16", 224, "pool13", 212, 32, 90),
    ("vgg19", 224, "pool16", 268, 32, 118),
    ("vgg16", 224, "fc14", 404, 32, 90),
]
BLOCKS = [
    ("resnet18", 435, 217),
    ("resnet34", 899, 449),
    ("resnet50", 427, 213),
    ("resnet50_v1", 483, 241),
    ("resnet101", 971, 485),
    ("resnet101_v1", 1027, 513),
    ("resnet152", 1451, 725),
    ("resnet152_v1", 1507, 753),
]


def on_meta(name: str) -> nn.Module:
    with torch.device("meta"):
        return MODELS[name].build()


def seen(net: nn.Module, size: tuple[int, ...]) -> Field:
    """The field of the last operation."""
    field = receptive_fields(trace(net, size))[-1]
    assert field is not None
    return field


@pytest.mark.parametrize(("name", "size", "layer", "field", "stride", "padding"), FIGURES)
def test_a_layer_has_the_printed_triple(
    name: str, size: int, layer: str, field: int, stride: int, padding: int
) -> None:
    rows = {row.layer: row for row in summarize(on_meta(name), (MODELS[name].input_size[0], size, size))}
    row = rows[layer]
    assert row.receptive_field == (field, field)
    assert row.effective_stride == (stride, stride)
    assert row.effective_padding == (padding, padding)


@pytest.mark.parametrize(("name", "field", "padding"), BLOCKS)
def test_the_last_block_of_a_resnet_has_googles_triple(name: str, field: int, padding: int) -> None:
    ops = trace(on_meta(name), (3, 224, 224))
    last = max(i for i, op in enumerate(ops.ops) if op.layer.startswith("layer4"))
    triple = receptive_fields(ops)[last].affine[0]  # type: ignore[union-attr]
    assert triple is not None
    assert (triple.size, triple.stride, triple.padding) == (field, 32, padding)


def test_the_last_unit_of_alexnets_conv2_ends_before_the_dead_pixels() -> None:
    ops = trace(on_meta("alexnet"), (3, 227, 227))
    fields = receptive_fields(ops)
    second = [i for i, op in enumerate(ops.ops) if op.kind == "conv2d"][1]
    low, high = extent(fields[second], 1, 3, 27)  # type: ignore[arg-type]
    assert (low[26], high[26]) == (190, 224)
    assert all(f.high(1).max() <= 224 for f in fields[second:] if f is not None)


def test_at_224_alexnet_has_no_dead_pixel() -> None:
    ops = trace(on_meta("alexnet"), (3, 224, 224))
    second = [i for i, op in enumerate(ops.ops) if op.kind == "conv2d"][1]
    assert receptive_fields(ops)[second].high(1).max() == 223  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("attention by products", "matmul"),
        ("fused attention", "scaled_dot_product_attention"),
        ("nn.MultiheadAttention", "a (multi_head_attention_forward)"),
        ("squeeze and excite", "mul"),
        ("group norm", "1 (group_norm)"),
        ("layer norm over space", "1 (layer_norm)"),
    ],
)
def test_a_global_field_names_the_operation_that_made_it_so(name: str, cause: str) -> None:
    field = seen(*NETWORKS[name])
    assert field.cause == cause
    assert all(int(field.low(axis).max()) == 0 for axis in range(2))


@pytest.mark.parametrize("name", ["shifted windows of attention", "dilation", "channel shuffle"])
def test_what_is_not_global_names_no_cause(name: str) -> None:
    assert seen(*NETWORKS[name]).cause == ""


def test_stored_statistics_keep_a_field_local() -> None:
    field = seen(nn.Sequential(conv(3, 4), nn.BatchNorm2d(4)), (3, 9, 9))
    assert field.cause == ""
    assert field.affine[0] is not None


def test_branches_that_look_at_other_places_are_marked() -> None:
    assert not seen(*NETWORKS["a misaligned sum"]).aligned
    centred = Net(lambda m, x: m.a(x) + m.b(x), a=conv(3, 4, 3, padding=1), b=conv(3, 4, 1))
    assert seen(centred, (3, 9, 9)).aligned


def test_positions_of_padding_alone_see_nothing() -> None:
    low, high = extent(seen(nn.Conv2d(1, 1, 1, padding=2), (1, 3, 3)), 0, 2, 7)
    assert (low > high).tolist() == [True, True, False, False, False, True, True]


def test_an_unknown_operation_is_listed_and_bounded_from_above() -> None:
    net = Net(lambda m, x: torch.cdist(m.a(x), m.a(x)), a=conv(3, 4))
    assert "cdist" in summarize(net, (3, 8, 9)).partial
    field = seen(net, (3, 8, 9))
    assert not field.exact
    assert [int(field.low(1).min()), int(field.high(1).max())] == [0, 8]


class Slopes(nn.Module):
    """A random network: two branches of windows, cut to the same size and joined, then a window over both."""

    def __init__(
        self, left: list[dict[str, Any]], right: list[dict[str, Any]], last: dict[str, Any], add: bool
    ):
        super().__init__()
        self.branches, self.last, self.add = (left, right), last, add

    def forward(self, x: Tensor) -> Tensor:
        a, b = (self.chain(x, branch) for branch in self.branches)
        h, w = min(a.shape[2], b.shape[2]), min(a.shape[3], b.shape[3])
        a, b = a[:, :, :h, :w], b[:, :, a.shape[2] * 0 : h, b.shape[3] - w :]
        return self.window(a + b if self.add else torch.cat([a, b], 1), self.last)

    def chain(self, x: Tensor, branch: list[dict[str, Any]]) -> Tensor:
        for window in branch:
            x = self.window(x, window)
        return x

    def window(self, x: Tensor, how: dict[str, Any]) -> Tensor:
        x = F.pad(x, how["pad"])
        kernel, stride, dilation = how["kernel"], how["stride"], how["dilation"]
        if how["pool"]:
            return F.avg_pool2d(x, kernel, stride, ceil_mode=how["ceil"])
        groups = 2 if how["groups"] and x.shape[1] % 2 == 0 else 1
        weight = torch.ones(2, x.shape[1] // groups, *kernel, dtype=x.dtype, device=x.device)
        return F.conv2d(x, weight, stride=stride, dilation=dilation, groups=groups)


pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
windows = st.fixed_dictionaries(
    {
        "pad": st.tuples(*(st.integers(0, 3) for _ in range(4))),
        "kernel": pairs,
        "stride": pairs,
        "dilation": st.tuples(st.integers(1, 2), st.integers(1, 2)),
        "pool": st.booleans(),
        "ceil": st.booleans(),
        "groups": st.booleans(),
    }
)


def touched(net: nn.Module, size: tuple[int, ...], axis: int) -> list[tuple[int, int]]:
    """First and last line with a gradient of the sum over each position along an axis; (1, 0) for none."""
    x = torch.ones(1, *size, dtype=torch.float64, requires_grad=True)
    out = net(x)
    found = []
    for i in range(out.shape[2 + axis]):
        (slope,) = torch.autograd.grad(out.select(2 + axis, i).sum(), x, retain_graph=True)
        lines = slope.sum((0, 1, 3 - axis)).nonzero().flatten().tolist()
        found.append((lines[0], lines[-1]) if lines else (1, 0))
    return found


@settings(max_examples=40)
@given(
    left=st.lists(windows, min_size=1, max_size=3),
    right=st.lists(windows, max_size=2),
    last=windows,
    add=st.booleans(),
    size=st.tuples(st.just(2), st.integers(19, 26), st.integers(19, 26)),
)
def test_intervals_are_the_support_of_the_gradient(
    left: Any, right: Any, last: Any, add: bool, size: tuple[int, ...]
) -> None:
    net = Slopes(left, right, last, add)
    try:
        field = seen(net, size)
    except ValueError as error:  # the windows do not fit
        assert "does not run" in str(error)
        return
    assert field.exact
    for axis in range(2):
        real = touched(net, size, axis)
        low, high = extent(field, axis, 2 + axis, len(real))
        ours = [(int(a), int(b)) if a <= b else (1, 0) for a, b in zip(low, high, strict=True)]
        assert ours == real
