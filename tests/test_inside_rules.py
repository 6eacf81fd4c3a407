"""Back to the pixels: a deconvnet by hand, every way to call a ReLU, Captum where it is right, receptive fields."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from neocog.analysis.capture import Place
from neocog.errors import UserError
from neocog.inside.back.rectifiers import NoMeaning
from neocog.inside.back.rules import Rule, reconstruct, suited, traced_back, unfit
from neocog.inside.units import layers_of
from neocog.layers.lrn import LocalResponseNorm, local_response_norm
from networks import Net
from reference.deconvnet import back, reconstruction

BRANCHED: list[Rule] = ["deconvnet", "guided"]


def seeded(make: Callable[[], Any]) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return make()


def normed(channels: int) -> nn.BatchNorm2d:
    """With statistics and slopes that are none of a fresh norm's."""
    norm = nn.BatchNorm2d(channels)
    with torch.no_grad():
        for tensor in (norm.weight, norm.bias, norm.running_mean):
            assert tensor is not None
            tensor.normal_()
        assert norm.running_var is not None
        norm.running_var.uniform_(0.2, 3)
    return norm


CHAINS: dict[str, Callable[[], list[nn.Module]]] = {
    "pools that do not overlap": lambda: [
        nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    ],
    "pools that overlap": lambda: [
        nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(),
        nn.MaxPool2d(3, 2, padding=1),
    ],
    "local response normalisation": lambda: [
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.LocalResponseNorm(5, alpha=1.0), nn.MaxPool2d(3, 2), nn.Conv2d(8, 4, 3),
        nn.ReLU(),
    ],
    "AlexNet's own": lambda: [
        nn.Conv2d(3, 8, 3), nn.ReLU(), LocalResponseNorm(5, alpha=1.0), nn.MaxPool2d(3, 2), nn.Conv2d(8, 4, 3),
        nn.ReLU(),
    ],
    "batch norm": lambda: [
        nn.Conv2d(3, 8, 3, bias=False), normed(8), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 6, 3), normed(6), nn.ReLU(),
    ],
    "groups, dilation, a linear layer": lambda: [
        nn.Conv2d(3, 8, 3, stride=3, padding=2), nn.ReLU(), nn.Conv2d(8, 8, 3, groups=4, dilation=2), nn.ReLU(),
        nn.Flatten(), nn.Dropout(), nn.Linear(128, 9), nn.ReLU(), nn.Linear(9, 5),
    ],
}  # fmt: skip


@pytest.mark.parametrize("rule", BRANCHED)
@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)
def test_a_chain_is_taken_back_as_by_hand(chain: Callable[[], list[nn.Module]], rule: Rule) -> None:
    layers = seeded(chain)
    net, x = nn.Sequential(*layers).eval(), seeded(lambda: torch.randn(2, 3, 20, 20))
    with torch.no_grad():
        out = net(x)
        channel = int(out.flatten(2).sum((0, 2)).argmax()) if out.dim() == 4 else 1
        strongest = out.flatten(2).argmax(2)[:, channel] if out.dim() == 4 else torch.zeros(2)
        at = [divmod(int(i), out.shape[3]) if out.dim() == 4 else () for i in strongest]
        seed = torch.zeros_like(out)
        for i, place in enumerate(at):
            seed[(i, channel, *place)] = out[(i, channel, *place)]
        wanted = reconstruction(layers, x, seed, rule == "guided")
    found = reconstruct(net, x, Place(str(len(layers) - 1)), channel, at, rule)
    assert wanted.abs().max() > 1e-4
    torch.testing.assert_close(found.pixels, wanted, rtol=1e-5, atol=1e-6 * float(wanted.abs().max()))
    torch.testing.assert_close(found.activation, out)


def test_a_sum_hands_on_to_both_branches() -> None:
    conv, inner, last = seeded(lambda: (nn.Conv2d(3, 6, 3), nn.Conv2d(6, 6, 3, padding=1), nn.ReLU()))

    def run(m: Any, x: Tensor) -> Tensor:
        x = F.relu(m.conv(x))
        out: Tensor = m.last(x + m.inner(x))
        return out

    net, x = Net(run, conv=conv, inner=inner, last=last), seeded(lambda: torch.randn(1, 3, 9, 9))
    with torch.no_grad():
        below = conv(x)
        middle = below.relu()
        seed = (middle + inner(middle)).relu()
        signal = back(last, middle + inner(middle), seed, guided=False)
        signal = signal + back(inner, middle, signal, guided=False)
        wanted = back(conv, x, back(nn.ReLU(), below, signal, guided=False), guided=False)
    found = traced_back(net, x, Place("last"), lambda activation: activation, "deconvnet").pixels
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6 * float(wanted.abs().max()))


class Reused(nn.Module):
    """One ReLU module for both places."""

    def __init__(self, rectify: Callable[[Tensor], Tensor]):
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.Conv2d(8, 4, 3)
        self.rectify = rectify

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.c(self.rectify(self.b(self.rectify(self.a(x)))))
        return out


def written_over(x: Tensor) -> Tensor:
    """The network goes on with what was written into."""
    F.relu(x, inplace=True)
    return x


WAYS: dict[str, Callable[[Tensor], Tensor]] = {
    "F.relu": F.relu,
    "in place": nn.ReLU(inplace=True),
    "F.relu in place": written_over,
    "torch.relu": torch.relu,
    "x.relu": lambda x: x.relu(),
    "x.relu_": lambda x: x.relu_(),
    "torch.relu_": torch.relu_,
    "clamp": lambda x: x.clamp(min=0),
    "torch.clamp": lambda x: torch.clamp(x, 0),
    "clamp_": lambda x: x.clamp_(0),
    "clamp_min": lambda x: x.clamp_min(0),
    "clip": lambda x: x.clip(0.0),
    "maximum": lambda x: torch.maximum(x, torch.zeros(())),
    "maximum of zero and": lambda x: torch.maximum(torch.zeros_like(x), x),
    "threshold": nn.Threshold(0, 0),
    "a module for each": lambda x: nn.ReLU()(x),
}


@pytest.mark.parametrize("rule", BRANCHED)
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_every_way_to_call_a_relu_is_one(way: Callable[[Tensor], Tensor], rule: Rule) -> None:
    net, x = seeded(lambda: Reused(way)), seeded(lambda: torch.randn(1, 3, 12, 12))
    layers = [net.a, nn.ReLU(), net.b, nn.ReLU(), net.c]
    with torch.no_grad():
        wanted = reconstruction(layers, x, net.c(way(net.b(way(net.a(x))))), rule == "guided")
    found = traced_back(net, x, Place("c"), lambda activation: activation, rule).pixels
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6 * float(wanted.abs().max()))
    plain = traced_back(net, x, Place("c"), lambda activation: activation).pixels
    assert (plain - wanted).abs().max() > 0.05 * wanted.abs().max()


SIX = torch.full((), 6.0)
CEILINGS: dict[str, Callable[[Tensor], Tensor]] = {
    "ReLU6": nn.ReLU6(),
    "Hardtanh": nn.Hardtanh(0, 6),
    "clamp": lambda x: x.clamp(0, 6),
    "relu, clamp_max": lambda x: x.relu().clamp_max(6),
    "relu, clamp_max_": lambda x: x.relu().clamp_max_(6),
    "clamp_max, relu": lambda x: x.clamp_max(6).relu(),
    "relu, clamp": lambda x: F.relu(x).clamp(max=6),
    "relu, minimum": lambda x: torch.minimum(F.relu(x), SIX),
    "minimum, relu": lambda x: torch.minimum(SIX, x).relu_(),
    "relu, min": lambda x: torch.min(F.relu(x), other=SIX),
    "relu, fmin": lambda x: torch.fmin(F.relu(x), SIX.expand(1, 16, 1, 1)),
}


@pytest.mark.parametrize("six", CEILINGS.values(), ids=CEILINGS)
def test_a_unit_at_its_ceiling_is_active(six: Callable[[Tensor], Tensor]) -> None:
    conv = seeded(lambda: nn.Conv2d(3, 16, 3))
    net, x = Net(lambda m, x: six(m.conv(x) * 40), conv=conv), seeded(lambda: torch.randn(1, 3, 3, 3))
    with torch.no_grad():
        out = six(conv(x) * 40)
        assert (out == 6).any() and (out == 0).any()
        wanted = 40 * back(conv, x, out, guided=False)
    for rule in BRANCHED:
        found = traced_back(net, x, Place(""), lambda activation: activation, rule).pixels
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-4)


@settings(max_examples=10)
@given(st.integers(0, 10_000))
def test_where_nothing_is_negative_all_rules_are_the_gradient(number: int) -> None:
    generator = torch.Generator().manual_seed(number)
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(3, 2, 2), nn.ReLU())
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.uniform_(0.01, 1, generator=generator)
    x = torch.rand(1, 2, 8, 8, generator=generator)
    pixels = x.clone().requires_grad_()
    out = net(pixels)
    (wanted,) = torch.autograd.grad(out, pixels, out.detach())
    for rule in BRANCHED:
        found = traced_back(net, x, Place("4"), lambda activation: activation, rule).pixels
        torch.testing.assert_close(found, wanted)


@st.composite
def nets(draw: st.DrawFn) -> nn.Sequential:
    layers: list[nn.Module] = []
    channels = 2
    for depth in range(draw(st.integers(1, 3))):
        kernel = draw(st.integers(1, 3))
        padding = kernel // 2 if depth else draw(st.integers(0, kernel // 2))  # a net for any picture
        layers += [
            nn.Conv2d(channels, 3, kernel, stride=draw(st.integers(1, 2)), padding=padding),
            nn.ReLU(),
        ]
        channels = 3
        if draw(st.booleans()):
            layers.append(nn.MaxPool2d(draw(st.integers(2, 3)), 2, padding=1))
    layers += [nn.Conv2d(channels, 2, 1), nn.ReLU()]
    torch.manual_seed(draw(st.integers(0, 100)))
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            layer.reset_parameters()
            assert layer.bias is not None
            nn.init.constant_(layer.bias, 0.5)  # no dead maps
    return nn.Sequential(*layers)


@settings(max_examples=20)
@given(nets())
def test_no_reconstruction_leaves_the_receptive_field(net: nn.Sequential) -> None:
    size = (2, 11, 13)
    x = seeded(lambda: torch.rand(1, *size))
    layer = layers_of(net, "net", size)[-1]
    _, height, width = layer.shape
    places = [(i, j) for i in range(height) for j in range(width)]
    for rule in BRANCHED:
        found = reconstruct(net, x.expand(len(places), *size), layer.place, 0, places, rule)
        for place, pixels in zip(places, found.pixels, strict=True):
            top, left, bottom, right = layer.window(place).within(size[1:])
            outside = pixels.clone()
            outside[:, top:bottom, left:right] = 0
            assert not outside.any()


def test_captum_where_it_is_right() -> None:
    attr = pytest.importorskip("captum.attr")
    make = CHAINS["groups, dilation, a linear layer"]
    net, x = nn.Sequential(*seeded(make)).eval(), seeded(lambda: torch.randn(1, 3, 20, 20))

    def of_class(logits: Tensor) -> Tensor:
        return F.one_hot(torch.tensor([2]), logits.shape[1]).to(logits)

    peers = {"deconvnet": attr.Deconvolution, "guided": attr.GuidedBackprop}
    for rule in BRANCHED:
        with pytest.warns(UserWarning, match="Setting (backward|forward)"):
            wanted = peers[rule](net).attribute(x.clone().requires_grad_(), target=2)
        torch.testing.assert_close(traced_back(net, x, Place(""), of_class, rule).pixels, wanted.detach())
    wanted = attr.Saliency(net).attribute(x.clone().requires_grad_(), target=2, abs=False)
    torch.testing.assert_close(traced_back(net, x, Place(""), of_class).pixels, wanted.detach())


def test_statistics_of_norms_are_held_fixed() -> None:
    """Each against its formula in numpy, with the slope that is left when mean and variance are numbers."""
    x = seeded(lambda: torch.randn(2, 6, 5, 5).double() * 3 + 1)
    weight = np.linspace(0.5, 2, 6)
    pixels = x.numpy()
    variances = {
        "layer": (nn.LayerNorm((6, 5, 5), elementwise_affine=False), pixels.var((1, 2, 3), keepdims=True)),
        "group": (
            nn.GroupNorm(3, 6),
            pixels.reshape(2, 3, -1).var(2).repeat(2, axis=1)[:, :, None, None],
        ),
        "instance": (nn.InstanceNorm2d(6, affine=True), pixels.var((2, 3), keepdims=True)),
        "batch": (nn.BatchNorm2d(6, track_running_stats=False), pixels.var((0, 2, 3), keepdims=True)),
    }
    for name, (norm, variance) in variances.items():
        norm.double()
        slope = 1 / np.sqrt(variance + 1e-5)
        if name != "layer":
            norm.weight.data = torch.from_numpy(weight)
            slope = slope * weight[:, None, None]
        found = traced_back(norm, x, Place(""), torch.ones_like, "deconvnet").pixels.numpy()
        np.testing.assert_allclose(found, np.broadcast_to(slope, found.shape), rtol=1e-9)
    plain = nn.RMSNorm(5, eps=1e-3).double()
    found = traced_back(plain, x, Place(""), torch.ones_like, "deconvnet").pixels.numpy()
    wanted = 1 / np.sqrt((pixels**2).mean(3, keepdims=True) + 1e-3)
    np.testing.assert_allclose(found, np.broadcast_to(wanted, found.shape), rtol=1e-9)


def test_stored_statistics_of_an_instance_norm_count() -> None:
    norm = nn.InstanceNorm2d(3, track_running_stats=True).eval()
    norm.running_var = torch.tensor([4.0, 9.0, 16.0])
    found = traced_back(norm, torch.randn(2, 3, 4, 4), Place(""), torch.ones_like, "deconvnet").pixels
    torch.testing.assert_close(
        found, torch.tensor([1 / 2, 1 / 3, 1 / 4]).view(1, 3, 1, 1).expand(2, 3, 4, 4), rtol=1e-4, atol=0
    )


@pytest.mark.parametrize("rule", BRANCHED)
@pytest.mark.parametrize(
    "odd",
    [
        nn.GELU(),
        nn.SiLU(inplace=True),
        nn.Tanh(),
        nn.Softmax(1),
        nn.Hardtanh(),
        nn.Threshold(0.5, 0),
        nn.LeakyReLU(),
    ],
)
def test_a_rule_without_meaning_is_refused(odd: nn.Module, rule: Rule) -> None:
    net, x = nn.Sequential(nn.Conv2d(3, 4, 3), odd, nn.Conv2d(4, 2, 3)), torch.randn(1, 3, 7, 7)
    with pytest.raises(NoMeaning, match=rf"{rule} needs rectifiers .*, 1 has .*; use gradient"):
        reconstruct(net, x, Place("2"), 0, [(0, 0)], rule)
    reconstruct(net, x, Place("2"), 0, [(0, 0)], "gradient")
    found = reconstruct(net, x, Place("0"), 0, [(0, 0)], rule)  # what lies beyond the unit may be anything
    assert found.pixels.any()


class Own(torch.autograd.Function):
    """Somebody's ReLU."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return g * (x > 0)


ZERO = torch.zeros(())


def unseen(x: Tensor) -> Tensor:
    """A ReLU that no mode is told of, as in compiled code."""
    with torch._C.DisableTorchFunction():
        return torch.relu(x)


@pytest.mark.parametrize(
    "form",
    [lambda x: torch.max(x, ZERO), lambda x: torch.maximum(ZERO, x), lambda x: torch.fmax(x, ZERO)],
)
def test_the_larger_of_a_number_and_zero_is_a_rectifier(form: Callable[[Tensor], Tensor]) -> None:
    a, b = nn.Conv2d(3, 8, 3, bias=False), nn.Conv2d(8, 4, 3, bias=False)
    written = Net(lambda m, x: m.b(form(m.a(x))), a=a, b=b)
    plain, x = nn.Sequential(a, nn.ReLU(), b), torch.randn(1, 3, 9, 9)
    wanted = reconstruct(plain, x, Place("2"), 1, [(2, 2)]).pixels
    torch.testing.assert_close(
        reconstruct(written, x, Place("b"), 1, [(2, 2)]).pixels, wanted, rtol=0, atol=0
    )


@pytest.mark.parametrize(
    "form",
    [
        lambda x: torch.where(x > 0, x, ZERO),
        lambda x: x * (x > 0),
        lambda x: x.masked_fill(x < 0, 0),
        lambda x: (x + x.abs()) / 2,
        unseen,
        Own.apply,
        lambda x: -(-x).clamp_max(0),
        lambda x: -torch.minimum(-x, ZERO),
    ],
    ids=["where", "mask", "masked_fill", "abs", "unseen", "own function", "clamp_max", "minimum"],
)
def test_what_cannot_be_told_to_be_a_rectifier_is_refused(form: Callable[[Tensor], Tensor]) -> None:
    net = Net(lambda m, x: m.b(form(m.a(x))), a=nn.Conv2d(3, 8, 3), b=nn.Conv2d(8, 4, 3))
    x = torch.randn(1, 3, 9, 9)
    for rule in BRANCHED:
        with pytest.raises(NoMeaning, match=f"{rule} needs rectifiers"):
            reconstruct(net, x, Place("b"), 1, [(2, 2)], rule)
    assert reconstruct(net, x, Place("b"), 1, [(2, 2)], "gradient").pixels.any()


def test_attention_is_refused() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    net = Net(
        lambda m, x: m.layer(m.conv(x).flatten(2).transpose(1, 2)), conv=nn.Conv2d(3, 8, 4, 4), layer=layer
    )
    with pytest.raises(NoMeaning, match=r"layer\S* has multi_head_attention_forward"):
        reconstruct(net, torch.randn(1, 3, 8, 8), Place("layer"), 0, [(0,)])


def test_without_switches_a_deconvnet_knows_nothing_of_the_picture() -> None:
    layers = seeded(lambda: [nn.Conv2d(3, 9, 3), nn.ReLU(), nn.Conv2d(9, 8, 3, stride=2), nn.ReLU()])
    net, x = nn.Sequential(*layers), seeded(lambda: torch.randn(2, 3, 9, 9))
    channel = int(net(x)[:, :, 1, 1].amin(0).argmax())
    found = {rule: reconstruct(net, x, Place("3"), channel, [(1, 1)] * 2, rule) for rule in BRANCHED}
    one, other = found["deconvnet"].pixels / found["deconvnet"].activation[:, channel, 1, 1].view(2, 1, 1, 1)
    assert one.any()
    torch.testing.assert_close(one, other)
    one, other = found["guided"].pixels / found["guided"].activation[:, channel, 1, 1].view(2, 1, 1, 1)
    assert not torch.allclose(one, other, atol=0.01 * float(one.abs().max()))


def test_a_rule_that_suits_the_operations() -> None:
    assert suited(["conv2d", "relu", "max_pool2d"]) == "deconvnet"
    assert suited(["conv2d", "relu6", "adaptive_avg_pool2d"]) == "guided"
    assert suited(["conv2d", "gelu", "max_pool2d"]) == "gradient"
    assert unfit(["conv2d", "tanh"], "guided") == "tanh"
    assert unfit(["conv2d", "tanh"], "gradient") is None
    with pytest.raises(UserError, match="unknown rule 'deconv'; did you mean deconvnet"):
        traced_back(nn.ReLU(), torch.ones(1, 1, 2, 2), Place(""), torch.ones_like, "deconv")  # type: ignore[arg-type]


def test_the_network_is_as_before() -> None:
    net = nn.Sequential(*seeded(CHAINS["batch norm"]), nn.Dropout(), LocalResponseNorm())
    net.train()
    net[1].eval()
    net[0].weight.requires_grad_(False)
    before, modes = copy.deepcopy(net.state_dict()), [m.training for m in net.modules()]
    random, x = torch.get_rng_state(), torch.zeros(1, 3, 20, 20)
    for rule in ("gradient", *BRANCHED):
        reconstruct(net, x, Place("8"), 0, [(0, 0)], rule)
    broken = nn.Sequential(net, nn.GELU())
    with pytest.raises(NoMeaning):
        reconstruct(broken, x, Place("1"), 0, [(0, 0)])
    assert [m.training for m in net.modules()] == modes
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)
    assert not net[0].weight.requires_grad and net[1].weight.requires_grad
    assert all(parameter.grad is None for parameter in net.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in broken.modules())
    assert torch.equal(F.relu(torch.tensor([-1.0, 2.0])), torch.tensor([0.0, 2.0]))
    assert not x.requires_grad


def test_a_network_may_write_into_its_input_and_be_asked_within_inference_mode() -> None:
    net = Net(lambda m, x: m.conv(x.relu_()), conv=seeded(lambda: nn.Conv2d(3, 2, 3)))
    x = seeded(lambda: torch.randn(1, 3, 3, 3))
    kept = x.clone()
    with torch.inference_mode():
        found = reconstruct(net, x, Place("conv"), 1, [(0, 0)])
    with torch.no_grad():
        value = net.conv(kept.relu())[0, 1, 0, 0]
        wanted = (value * net.conv.weight[1]).clamp(min=0)
    torch.testing.assert_close(found.pixels[0], wanted)
    assert torch.equal(x, kept)


NORMED: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "a function": lambda m, x: local_response_norm(x, alpha=1.0),
    "a function by name": lambda m, x: local_response_norm(size=5, alpha=1.0, x=x),
    "a module by name": lambda m, x: m.norm(x=x),
    "torch's module by name": lambda m, x: m.theirs(input=x),
    "torch's function": lambda m, x: F.local_response_norm(input=x, size=5, alpha=5.0, k=2.0),
}


@pytest.mark.parametrize("rule", BRANCHED)
@pytest.mark.parametrize("norm", NORMED.values(), ids=NORMED)
def test_every_way_to_call_local_response_normalisation_is_skipped(
    norm: Callable[[Any, Tensor], Tensor], rule: Rule
) -> None:
    a, b = seeded(lambda: (nn.Conv2d(3, 8, 3), nn.Conv2d(8, 4, 3)))
    ours, theirs = LocalResponseNorm(5, alpha=1.0), nn.LocalResponseNorm(5, alpha=5.0, k=2.0)
    net = Net(lambda m, x: m.b(norm(m, F.relu(m.a(x)))), a=a, b=b, norm=ours, theirs=theirs)
    x = seeded(lambda: torch.randn(1, 3, 9, 9))
    layers = [a, nn.ReLU(), theirs, b]
    with torch.no_grad():
        wanted = reconstruction(layers, x, nn.Sequential(*layers)(x), rule == "guided")
    found = traced_back(net, x, Place("b"), lambda activation: activation, rule).pixels
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6 * float(wanted.abs().max()))


def chunked(m: Any, x: Tensor) -> Tensor:
    first, second = m.conv(x).chunk(2, 1)
    return first.relu_() + second


def written_over_later(m: Any, x: Tensor) -> Tensor:
    y = m.conv(x).exp()
    out: Tensor = m.last(y * y)
    y.zero_()
    return out


@pytest.mark.parametrize("rule", ["gradient", *BRANCHED])
@pytest.mark.parametrize("run", [chunked, written_over_later])
def test_what_autograd_cannot_take_back_is_said_in_a_line(
    run: Callable[[Any, Tensor], Tensor], rule: Rule
) -> None:
    net = Net(run, conv=nn.Conv2d(3, 4, 3), last=nn.Conv2d(4, 2, 1))
    x = torch.randn(1, 3, 5, 5)
    with torch.no_grad():
        net(x)
    with pytest.raises(UserError, match=r"writes over in place .*; use `neocog see occlusion`"):
        reconstruct(net, x, Place(""), 0, [(0, 0)], rule)
