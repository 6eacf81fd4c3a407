"""A trace leaves the network as it was, reads any network, and refuses by name what it cannot read."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neocog.analysis.receptive_field import extent, receptive_fields
from neocog.analysis.trace import trace
from neocog.errors import UserError
from networks import Net, conv


class Cached(nn.Module):
    """Keeps what it computed, as many networks of users do."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.scale = self.conv.weight.mean() * 2  # no leaf
        self.last: Tensor | None = None
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.last = self.norm(self.conv(x)) * self.scale
        return self.last


def test_a_trace_leaves_the_network_as_it_was() -> None:
    net = Cached().train()
    net.norm.eval()  # frozen inside a network that learns
    seen: list[int] = []
    net.conv.register_forward_hook(lambda *_: seen.append(1))
    values = copy.deepcopy(net.state_dict())
    hooks = [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in net.modules()]
    modes = [m.training for m in net.modules()]
    dice = torch.get_rng_state()
    trace(net, (3, 8, 8))
    after = net.state_dict()
    assert list(after) == list(values)
    assert all(torch.equal(after[key], values[key]) for key in values)
    assert [m.training for m in net.modules()] == modes == [True, True, False]
    assert [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in net.modules()] == hooks
    assert torch.equal(torch.get_rng_state(), dice)
    assert (net.last, net.calls) == (None, 0)
    assert net.scale.device.type == "cpu"
    assert not net.scale.is_leaf


def test_dropout_draws_no_number_of_the_users_generator() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Dropout(0.5)).train()
    dice = torch.get_rng_state()
    trace(net, (3, 8, 8))
    assert torch.equal(torch.get_rng_state(), dice)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_network_of_other_precision_is_traced_in_it(dtype: torch.dtype) -> None:
    ops = trace(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).to(dtype), (3, 8, 8)).ops
    assert {op.dtype for op in ops} == {dtype}


def test_a_network_built_on_meta_gives_the_trace_of_a_real_one() -> None:
    def build() -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(36, 2))

    with torch.device("meta"):
        bare = build()
    shapes = [[(op.kind, op.shape) for op in trace(net, (3, 8, 8)).ops] for net in (bare, build())]
    assert shapes[0] == shapes[1]


def test_tied_weights_count_once() -> None:
    net = nn.Sequential(nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3))
    net[1].weight = net[0].weight
    assert len(trace(net, (4, 8, 8)).parameters) == 3  # a weight and two biases


def test_weight_norm_is_traced() -> None:
    net = torch.nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3, 2))
    assert trace(net, (3, 9, 9)).ops[-1].shape == (1, 4, 4, 4)


def test_outputs_in_dictionaries_and_tuples_are_marked() -> None:
    def run(m: nn.Module, x: Tensor) -> object:
        y = m.a(x)  # type: ignore[operator]
        return {"map": y, "others": (F.relu(y), [y.mean((2, 3))])}

    ops = trace(Net(run, a=conv(3, 4)), (3, 8, 8)).ops
    assert [op.kind for op in ops if op.output] == ["conv2d", "relu", "mean"]


def test_the_type_of_another_tensor_brings_no_dependence() -> None:
    ops = trace(Net(lambda m, x: m.w.weight.to(x).float() * 1, w=conv(3, 4)), (3, 8, 8)).ops
    assert not any(op.from_picture for op in ops[1:])


def test_a_map_filled_anew_depends_on_nothing() -> None:
    net = Net(lambda m, x: m.a(x).zero_() + 1, a=conv(3, 4))
    assert receptive_fields(trace(net, (3, 8, 8)))[-1] is None


def test_what_is_copied_over_a_map_is_all_it_depends_on() -> None:
    """The old map reads 5 columns, the new one 3."""
    net = Net(lambda m, x: m.a(x).copy_(m.b(x)), a=conv(3, 4, 5, padding=2), b=conv(3, 4, padding=1))
    field = receptive_fields(trace(net, (3, 9, 9)))[-1]
    assert field is not None
    low, high = extent(field, 1, 3, 9)
    assert (low[4], high[4]) == (3, 5)


@pytest.mark.parametrize(
    "decide", [lambda x: x.sum() > 0, lambda x: x.mean().item(), lambda x: float(x.sum())]
)
def test_a_decision_on_values_is_refused_with_the_layer(decide: object) -> None:
    class Deciding(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if decide(x) else -x  # type: ignore[operator]

    net = nn.Sequential(nn.Conv2d(3, 4, 3))
    net.add_module("gate", Deciding())
    with pytest.raises(UserError, match=r"gate \(Deciding\) decides on values"):
        trace(net, (3, 8, 8))


def test_a_layer_without_a_shape_yet_is_refused() -> None:
    with pytest.raises(UserError, match=r"0\.weight has no shape yet"):
        trace(nn.Sequential(nn.LazyConv2d(4, 3)), (3, 8, 8))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_compiled_module_is_refused() -> None:
    net = torch.jit.script(nn.Sequential(nn.Conv2d(3, 4, 3)))
    with pytest.raises(UserError, match="compiled by torch.jit"):
        trace(net, (3, 8, 8))


def test_a_layer_that_fails_is_named_with_the_size() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(7, 2))
    with pytest.raises(UserError, match=r"^2 \(Linear\) does not run on 3x8x8: "):
        trace(net, (3, 8, 8))


def test_a_picture_too_small_names_the_layer() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.MaxPool2d(2), nn.Conv2d(4, 4, 5))
    with pytest.raises(UserError, match=r"^2 \(Conv2d\) does not run on 3x8x8: "):
        trace(net, (3, 8, 8))


@pytest.mark.parametrize("size", [(3,), (3, 0, 8), (0, 8, 8)])
def test_a_size_that_is_none_is_refused(size: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match="each 1 or more"):
        trace(nn.Conv2d(3, 4, 3), size)
