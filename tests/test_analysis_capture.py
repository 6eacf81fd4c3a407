"""Reading inside a network from outside: what is read is what the module gave, and nothing is changed by it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neocog.analysis.capture import Call, Place, capture, evaluated
from neocog.analysis.trace import trace
from neocog.errors import UserError
from test_models_contract import alive

KINDS = ("neocognitron", "lenet5", "zfnet", "resnet18", "efficientnet_lite0", "vit_tiny_patch16_224")


class Net(nn.Module):
    """What hooks are got wrong by: in place, functional, reused, nested."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.act = nn.ReLU(inplace=True)
        self.inner = nn.Sequential(nn.Conv2d(4, 4, 3), nn.Dropout(0.5))
        self.last = nn.Conv2d(4, 2, 1)
        self.unused = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.norm(self.conv(x)))
        x = F.relu(self.inner(x))
        x = self.act(self.last(x).sub_(0.1))
        return x.add_(1).relu_()


def net_and_x(seed: int = 0) -> tuple[Net, Tensor]:
    torch.manual_seed(seed)
    net = Net()
    net.norm.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
    return net, torch.randn(2, 3, 9, 8)


def by_hand(net: Net, x: Tensor) -> dict[str, Tensor]:
    """What each module gives, computed from its parameters alone; nothing is written in place."""
    c, n = net.conv, net.norm
    conv = F.conv2d(x, c.weight, c.bias)
    norm = F.batch_norm(conv, n.running_mean, n.running_var, n.weight, n.bias)
    first = torch.relu(norm)
    inner = F.conv2d(first, net.inner[0].weight, net.inner[0].bias)  # type: ignore[arg-type]
    last = F.conv2d(torch.relu(inner), net.last.weight, net.last.bias)
    return {
        "conv": conv,
        "norm": norm,
        "act": torch.relu(last - 0.1),
        "inner": inner,
        "last": last,
        "first": first,
    }


def test_what_is_read_is_what_the_module_gave() -> None:
    net, x = net_and_x()
    truth = by_hand(net, x)
    names = ("conv", "norm", "inner", "inner.0", "last", "act")
    with capture(net, names) as seen, torch.no_grad():
        seen.run(x)
    for name in names:
        assert torch.allclose(seen[name], truth[name.removesuffix(".0")], atol=1e-6), name


def test_each_call_of_a_reused_module_is_read_by_its_number() -> None:
    net, x = net_and_x(1)
    truth = by_hand(net, x)
    with capture(net, [Place("act", 0), Place("act", 1)]) as seen, torch.no_grad():
        seen.run(x)
    assert torch.allclose(seen[Place("act", 0)], truth["first"], atol=1e-6)
    assert torch.allclose(seen[Place("act", 1)], truth["act"], atol=1e-6)
    assert torch.equal(seen["act"], seen[Place("act", 1)])  # the last, unless told otherwise


@pytest.mark.parametrize("name", KINDS)
def test_the_output_is_bit_equal_and_nothing_is_left_behind(name: str) -> None:
    net, x = alive(name)
    x = x[:1]
    with torch.no_grad():
        before = net(x)
    names = [module for module, child in net.named_modules() if module and not list(child.children())]
    outs: list[Tensor] = []
    handle = net.register_forward_hook(lambda _, __, out: outs.append(out.clone()))
    calls = {module for module, _ in trace(net, tuple(x.shape[1:])).returned}
    called = [one for one in names if one in calls]
    with capture(net, called, {"conv2d": Call.run, "relu": Call.run}) as seen, torch.no_grad():
        seen.run(x)
    handle.remove()
    assert torch.equal(outs[0], before)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())


def test_modes_hooks_and_weights_stay_also_after_an_error() -> None:
    net, x = net_and_x(2)
    net.train()
    net.norm.eval()
    modes = [module.training for module in net.modules()]
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with capture(net, ["conv"], {"relu": Call.run}) as seen:
        assert not any(module.training for module in net.modules())
        seen.run(x)
    with pytest.raises(RuntimeError), capture(net, ["conv"], {"relu": Call.run}) as seen:
        seen.run(x[:, :2])
    assert [module.training for module in net.modules()] == modes
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())


def test_a_forward_ends_when_everything_has_been_seen() -> None:
    net, x = net_and_x(3)
    calls: Counter[str] = Counter()
    for name, module in net.named_modules():
        module.register_forward_pre_hook(lambda *_, n=name: calls.update([n]))
    with capture(net, [Place("norm", 0)]) as seen, torch.no_grad():
        seen.run(x)
        assert (calls["norm"], calls["act"], calls["last"]) == (1, 0, 0)
        seen.run(x)
        assert len(seen.calls["norm"]) == 1  # the latest forward's alone
    with capture(net, [Place("norm", 0), "last"]) as seen, torch.no_grad():
        seen.run(x)
    assert calls["last"] == 1  # a last call is known at the end alone


def test_a_forward_of_the_users_own_runs_to_its_end() -> None:
    net, x = net_and_x(4)
    with torch.no_grad():
        with evaluated(net):
            before = net(x)
        with capture(net, [Place("conv", 0)]) as seen:
            out = net(x)
    assert torch.equal(out, before)
    assert torch.allclose(seen["conv"], by_hand(net, x)["conv"], atol=1e-6)


def test_handlers_see_every_form_of_a_call_and_the_module_that_makes_it() -> None:
    net, x = net_and_x(5)
    seen: list[tuple[str, str]] = []

    def note(call: Call) -> Any:
        seen.append((call.kind, call.layer))
        return call.run()

    with capture(net, (), {"relu": note, "conv2d": note, "sub": note, "add": note}), torch.no_grad():
        net(x)
    assert seen == [
        ("conv2d", "conv"), ("relu", "act"), ("conv2d", "inner.0"), ("relu", ""), ("conv2d", "last"), ("sub", ""),
        ("relu", "act"), ("add", ""), ("relu", ""),
    ]  # fmt: skip


def test_a_handlers_answer_takes_the_place_of_the_call() -> None:
    net, x = net_and_x(6)
    with capture(net, ["act"], {"relu": lambda call: call.args[0]}) as seen, torch.no_grad():
        seen.run(x)
    c, n = net.conv, net.norm
    linear = F.batch_norm(F.conv2d(x, c.weight, c.bias), n.running_mean, n.running_var, n.weight, n.bias)
    linear = F.conv2d(linear, net.inner[0].weight, net.inner[0].bias)  # type: ignore[arg-type]
    assert torch.allclose(seen["act"], F.conv2d(linear, net.last.weight, net.last.bias) - 0.1, atol=1e-6)


def test_gradients_reach_the_picture_and_come_from_what_is_read() -> None:
    net, x = net_and_x(7)
    x.requires_grad_()
    with capture(net, [Place("conv", 0), "last"]) as seen:
        seen.run(x)
        (back,) = torch.autograd.grad(seen["last"].sum(), x, retain_graph=True)
        (between,) = torch.autograd.grad(seen["last"].sum(), seen["conv"])
    y = x.detach().clone().requires_grad_()
    (truth,) = torch.autograd.grad(by_hand(net, y)["last"].sum(), y)
    assert torch.allclose(back, truth, atol=1e-6)
    (chained,) = torch.autograd.grad(F.conv2d(y, net.conv.weight, net.conv.bias), y, between)
    assert torch.allclose(chained, truth, atol=1e-6)


def test_blocks_may_be_nested() -> None:
    net, x = net_and_x(8)
    with capture(net, ["conv"]) as outer, capture(net, ["last"]) as inner, torch.no_grad():
        inner.run(x)
        assert outer["conv"].shape == (2, 4, 7, 6)
        assert inner["last"].shape == (2, 2, 5, 4)


class Pair(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x


def test_errors_name_the_layer_and_the_way_out() -> None:
    net, x = net_and_x(9)
    with pytest.raises(UserError, match=r"unknown layer 'lats'; did you mean last"), capture(net, ["lats"]):
        pass
    with capture(net, ["unused"]) as seen:
        seen.run(x)
        with pytest.raises(UserError, match="the layer unused takes no part in a forward"):
            seen["unused"]
    with capture(net, [Place("act", 2)]) as seen:
        seen.run(x)
        with pytest.raises(UserError, match="the layer act takes no part"):
            seen[Place("act", 2)]
    pair = nn.Sequential(Pair())
    with (
        pytest.raises(UserError, match="the layer 0 must give one tensor, it gave tuple"),
        capture(pair, ["0"]) as seen,
    ):
        seen.run(x)


def test_a_trace_tells_what_each_call_of_a_module_gave() -> None:
    net, x = net_and_x(10)
    shapes: list[tuple[str, tuple[int, ...]]] = []
    for name, module in net.named_modules():
        module.register_forward_hook(lambda _, __, out, n=name: shapes.append((n, tuple(out.shape))))
    with evaluated(net), torch.no_grad():
        net(x)
    plain = trace(net, (3, 9, 8), batch=2)
    found = [(module, () if op is None else plain.ops[op].shape) for module, op in plain.returned]
    assert found == shapes
    assert Counter(name for name, _ in found)["act"] == 2 and net.training
    pair = trace(nn.Sequential(Pair()), (3, 9, 8))
    assert [(module, op) for module, op in pair.returned] == [("0", None), ("", None)]


class Writing(nn.Module):
    """Writes into what a layer gave, and relies on a view of it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.same = nn.Conv2d(3, 4, 3), nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        view: Tensor = self.same(y)
        y.add_(1)
        return view


def test_what_is_written_later_changes_neither_what_is_kept_nor_the_output() -> None:
    net, x = Writing().eval(), torch.randn(1, 3, 6, 6)
    with torch.no_grad():
        conv = net.conv(x)
        with capture(net, ["conv", "same"]) as seen:
            out = net(x)
    torch.testing.assert_close(out, conv + 1, rtol=0, atol=0)
    for name in ("conv", "same"):
        torch.testing.assert_close(seen[name], conv, rtol=0, atol=0)


def test_only_the_latest_forward_is_kept() -> None:
    net = nn.Sequential(nn.Conv2d(1, 1, 1))
    first, second = torch.ones(1, 1, 2, 2), torch.full((1, 1, 2, 2), 3.0)
    with capture(net, [Place("0", 0)]) as seen, torch.no_grad():
        net(first)
        out = net(second)
        torch.testing.assert_close(seen[Place("0", 0)], out, rtol=0, atol=0)
    assert len(seen.calls["0"]) == 1


class Merging(nn.Linear):
    """Has a train() of its own that changes the weight, as some adapters have."""

    def train(self, mode: bool = True) -> Merging:
        super().train(mode)
        if not mode:
            self.weight.data.mul_(2)
        return self


def test_a_modules_own_train_is_not_called() -> None:
    net = Merging(2, 2).train()
    before = net.weight.detach().clone()
    with capture(net, [""]) as seen:
        seen.run(torch.zeros(1, 2))
    assert net.training and torch.equal(net.weight, before)


def fast_and_slow(net: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """What torch's attention gives by its fast path, and without it."""
    with torch.no_grad():
        fast = net(x)
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            return fast, net(x)
        finally:
            torch.backends.mha.set_fastpath_enabled(True)


def encoder(seed: int = 0) -> tuple[nn.Sequential, Tensor]:
    torch.manual_seed(seed)
    layer = nn.TransformerEncoderLayer(64, 4, 128, batch_first=True)
    return nn.Sequential(nn.Linear(8, 64), layer, nn.Linear(64, 3)).eval(), torch.randn(3, 20, 8)


def test_torchs_fast_path_is_kept_where_one_looks_inside_it() -> None:
    net, x = encoder()
    fast, slow = fast_and_slow(net, x)
    assert not torch.equal(fast, slow)
    ways: list[tuple[list[str], dict[str, Any]]] = [
        (["1.linear1"], {}), (["1", "0"], {}), ([], {"linear": Call.run}), (["1.norm1"], {"layer_norm": Call.run}),
    ]  # fmt: skip
    for places, handlers in ways:
        with capture(net, places, handlers), torch.no_grad():
            assert torch.equal(net(x), fast), (places, handlers)
    with capture(net[1], [""]) as seen, torch.no_grad():
        assert torch.equal(net[2](net[1](net[0](x))), fast)
    assert seen[""].shape == (3, 20, 64)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())


def test_gradients_reach_what_is_read_inside_torchs_attention() -> None:
    net, x = encoder()
    with torch.enable_grad(), capture(net, ["1.linear1", "2"]) as seen:
        seen.run(x.requires_grad_())
        (found,) = torch.autograd.grad(seen["2"].sum(), seen["1.linear1"])
    layer: Any = net[1]
    with torch.no_grad():
        norm = layer.norm1(net[0](x) + layer.self_attn(*[net[0](x)] * 3)[0])
        hidden = layer.linear1(norm)
    hidden.requires_grad_()
    out = net[2](layer.norm2(norm + layer.linear2(torch.relu(hidden))))
    (wanted,) = torch.autograd.grad(out.sum(), hidden)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("inside", ["", "linear1", "self_attn"])
def test_hooks_of_the_users_run_once(inside: str) -> None:
    net, x = encoder()
    ran: list[str] = []

    def doubled(_: nn.Module, __: Any, out: Any) -> Any:
        ran.append(inside)
        return out * 2 if isinstance(out, Tensor) else (out[0] * 2, *out[1:])

    net[1].get_submodule(inside).register_forward_hook(doubled)
    with torch.no_grad():
        before = net(x)
        ran.clear()
        with capture(net, [], {"linear": Call.run}):
            out = net(x)
    assert torch.equal(out, before)
    assert ran == [inside]
