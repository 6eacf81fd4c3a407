"""Layers of any network: where they are read, and which pixels their units see."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from neocog.analysis.capture import Place, capture
from neocog.errors import UserError
from neocog.inside.units import Layer, Window, layer_of, layers_of
from neocog.models import MODELS
from networks import Net
from own_networks import LookingTwice
from test_models_contract import FAMILIES, alive

# What needs a forward takes minutes over all; in the suite a few kinds stand for the rest.
LIKE_OTHERS = {
    *("alexnet_2012", "vgg11_bn", "googlenet_2014", "resnet50", "resnet50_v1", "resnet18_c"),
    *("plain20_cifar", "tf_efficientnet_b0", "efficientnet_b0"),
}
FEW = [name for name in FAMILIES if name not in LIKE_OTHERS]
EVERY = list(MODELS) if os.environ.get("NEOCOG_EVERY_MODEL") else FEW
RECTIFIED = ("alexnet", "zfnet", "googlenet", "efficientnet_lite0")
SUPPORTED = ["lenet5", "alexnet", "resnet18", "efficientnet_lite0", "quick_convnet"]


def outputs(net: nn.Module, x: Tensor) -> dict[str, list[Tensor]]:
    """What every call of every module gives, by hooks of our own."""
    found: dict[str, list[Tensor]] = {}
    handles = [
        module.register_forward_hook(
            lambda _, __, out, n=name: found.setdefault(n, []).append(
                out.clone() if isinstance(out, Tensor) else out
            )
        )
        for name, module in net.named_modules()
    ]
    with torch.no_grad():
        net(x)
    for handle in handles:
        handle.remove()
    return found


@pytest.mark.parametrize("name", EVERY)
def test_places_are_what_the_module_gives_and_windows_lie_inside(name: str) -> None:
    net, x = alive(name)
    layers = layers_of(net, name, tuple(x.shape[1:]))
    modules = dict(net.named_modules())
    truth = outputs(net, x[:1])
    with capture(net, [layer.place for layer in layers]) as seen, torch.no_grad():
        seen.run(x[:1])
    for layer in layers:
        activation = seen[layer.place]
        assert torch.equal(activation, truth[layer.place.module][layer.place.call]), layer.name
        assert tuple(activation.shape) == (1, *layer.shape), layer.name
        if isinstance(modules[layer.place.module], nn.ReLU | nn.ReLU6):
            assert float(activation.min()) >= 0
        if layer.kind == "maps":
            for at in ((0, 0), (layer.shape[1] - 1, layer.shape[2] - 1)):
                inside = layer.reads(at)
                assert inside.within(layer.size) == inside
                assert inside.top < inside.bottom and inside.left < inside.right
    assert len({layer.place for layer in layers}) == len({layer.name for layer in layers}) == len(layers)
    kinds = {layer.kind for layer in layers}
    assert "maps" in kinds and ("tokens" in kinds) == name.startswith("vit")
    if name in RECTIFIED:
        assert sum(isinstance(modules[layer.place.module], nn.ReLU | nn.ReLU6) for layer in layers) > 1


def test_what_follows_is_part_of_a_layer_only_if_it_is_a_norm_or_a_non_linearity() -> None:
    first, second, last = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)
    net = nn.Sequential(first, second, nn.BatchNorm2d(3), nn.Tanh(), nn.Softmax(1), last)
    assert [layer.place.module for layer in layers_of(net, "mine", (3, 8, 8))] == ["0", "3", "5"]
    nested = nn.Sequential(nn.Sequential(first, nn.ReLU(), nn.Dropout()), nn.Sequential(last))
    assert [layer.place.module for layer in layers_of(nested, "mine", (3, 8, 8))] == ["0.1", "1.0"]


def support(net: nn.Module, x: Tensor, layer: Layer, at: tuple[int, int]) -> Window:
    """The rectangle around the pixels with a gradient, by autograd alone."""
    pixels = x.detach().clone().requires_grad_()
    found: list[Tensor] = []
    module = net.get_submodule(layer.place.module)
    handle = module.register_forward_hook(lambda _, __, out: found.append(out.clone()))
    net(pixels)
    handle.remove()
    values = found[layer.place.call][0, :, at[0], at[1]]
    weights = torch.linspace(0.5, 1.5, len(values), dtype=values.dtype)
    (gradient,) = torch.autograd.grad((values * weights).sum(), pixels)
    rows, columns = (np.flatnonzero(gradient.abs().sum(dim=(0, 1, axis)).numpy()) for axis in (3, 2))
    if not len(rows):
        return Window(0, 0, 0, 0)
    return Window(int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)


@pytest.mark.parametrize("name", SUPPORTED)
def test_windows_hold_the_support_of_the_gradient(name: str) -> None:
    net, x = alive(name)
    layers = [layer for layer in layers_of(net, name, tuple(x.shape[1:])) if layer.kind == "maps"]
    rng = np.random.default_rng(0)
    picked = [layers[i] for i in sorted({0, 1, len(layers) // 2, len(layers) - 1})]
    for layer in picked:
        height, width = layer.shape[1:]
        at = (int(rng.integers(height)), int(rng.integers(width)))
        found, inside = support(net, x[:1], layer, at), layer.reads(at)
        window = layer.window(at).within(layer.size)
        if found.bottom:
            assert inside.top <= found.top and found.bottom <= inside.bottom
            assert inside.left <= found.left and found.right <= inside.right
        assert window.top <= inside.top and inside.bottom <= window.bottom
        assert window.left <= inside.left and inside.right <= window.right


def test_without_rectifiers_the_support_is_the_window() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(2, 3, (5, 3), (2, 1), (2, 0)),
        nn.Conv2d(3, 3, 3, 2, 1, dilation=2),
        nn.AvgPool2d(3, 2),
        nn.Conv2d(3, 2, 2),
    )
    size = (2, 61, 47)
    x = torch.randn(1, *size)
    for name in ("0", "1", "2", "3"):
        layer = layer_of(net, "mine", size, name)
        height, width = layer.shape[1:]
        for at in ((0, 0), (height // 2, width // 2), (height - 1, width - 1)):
            assert support(net, x, layer, at) == layer.reads(at), (name, at)
    last = layer_of(net, "mine", size, "3")
    assert last.window((0, 0)).top < 0  # it begins in the padding, and so the arithmetic of crops needs it


def test_the_part_inside_is_cut_off_at_the_pictures_edge() -> None:
    assert Window(-3, 2, 5, 90).within((40, 50)) == Window(0, 2, 5, 50)
    assert Window(60, -9, 70, -2).within((40, 50)) == Window(60, 0, 60, 0)


class Functional(nn.Module):
    """Convolution and pool called as functions, with a weight of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 3, 3, 3))
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(nn.functional.conv2d(x, self.weight))
        out: Tensor = self.head(x.mean((2, 3)))
        return out


def test_what_no_module_gives_is_left_out() -> None:
    assert [layer.name for layer in layers_of(Functional(), "mine", (3, 9, 9))] == ["head"]


def test_what_no_pixel_reaches_is_left_out_and_refused_by_name() -> None:
    net = LookingTwice()
    names = [layer.name for layer in layers_of(net, "mine", (3, 32, 32))]
    assert names == ["stem", "body.linear", "second.q", "head"]
    with pytest.raises(UserError, match=r"no pixel of the picture reaches first\.q; name another layer"):
        layer_of(net, "mine", (3, 32, 32), "first.q")


class Last(nn.Module):
    """Channels last between the convolution and the head, as ConvNeXt has them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.mlp = nn.Linear(4, 8)
        self.act = nn.GELU()
        self.head = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.mlp(self.conv(x).permute(0, 2, 3, 1)))
        out: Tensor = self.head(x.mean((1, 2)))
        return out


def test_a_linear_layer_on_maps_with_channels_last_gives_no_maps() -> None:
    assert [(layer.name, layer.kind) for layer in layers_of(Last(), "mine", (3, 9, 9))] == [
        ("conv", "maps"),
        ("head", "vector"),
    ]


def test_a_residual_sum_is_not_of_the_layer_before_it() -> None:
    net, x = alive("resnet18")
    layer = layer_of(net, "resnet18", tuple(x.shape[1:]), "layer1.0.conv2")
    assert layer.place == Place("layer1.0.bn2", 0)
    truth = outputs(net, x[:1])
    assert float(truth["layer1.0.bn2"][0].min()) < 0


def test_a_layer_has_a_papers_name_a_modules_or_none() -> None:
    net, x = alive("alexnet")
    size = tuple(x.shape[1:])
    same = [layer_of(net, "alexnet", size, name) for name in ("conv2", "features.4", "module:features.4")]
    assert {layer.place.module for layer in same} == {"features.4"}
    assert len({layer.window((3, 2)) for layer in same}) == 1
    assert layer_of(net, "alexnet", size, "module:features.3").place.module == "features.3"
    assert layer_of(net, "alexnet", size, "pool1").shape[0] == 64
    with pytest.raises(UserError, match=r"unknown layer 'conv9'; did you mean conv"):
        layer_of(net, "alexnet", size, "conv9")
    with pytest.raises(UserError, match=r"unknown layer 'zzzz' of alexnet; there are conv1, conv2"):
        layer_of(net, "alexnet", size, "zzzz")


def test_cells_of_the_neocognitron_are_read_at_the_end_of_their_layer() -> None:
    """Excitation over inhibition, rectified: S-cells, and C-cells behind them (Fukushima 1980, sizes of section 5)."""
    net, x = alive("neocognitron")
    layers = {layer.name: layer.shape for layer in layers_of(net, "neocognitron", tuple(x.shape[1:]))}
    cells = {name: shape for name, shape in layers.items() if "." not in name}
    assert cells == {
        "us1": (24, 16, 16), "uc1": (24, 10, 10), "us2": (24, 8, 8), "uc2": (24, 6, 6), "us3": (24, 2, 2),
        "uc3": (24, 1, 1),
    }  # fmt: skip


def test_what_a_module_gives_when_it_is_called_again_has_a_name_of_its_own() -> None:
    net = Net(lambda m, x: m.conv(m.conv(m.stem(x))), stem=nn.Conv2d(3, 4, 3), conv=nn.Conv2d(4, 4, 3))
    x = torch.randn(1, 3, 12, 12)
    names = [layer.name for layer in layers_of(net, "net", (3, 12, 12))]
    assert names == ["stem", "conv", "conv (2)"]
    second = layer_of(net, "net", (3, 12, 12), "conv (2)")
    with capture(net, [second.place]) as seen, torch.no_grad():
        seen.run(x)
        torch.testing.assert_close(seen[second.place], net(x), rtol=0, atol=0)


class Masked(nn.Module):
    """A convolution that gives two tensors, as partial convolutions do."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 3, 3, 3))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return nn.functional.conv2d(x, self.weight), x.new_ones(len(x))


def test_a_module_that_gives_several_tensors_is_left_out() -> None:
    net = Net(lambda m, x: m.last(m.masked(x)[0]), masked=Masked(), last=nn.Conv2d(4, 2, 3))
    assert [layer.name for layer in layers_of(net, "net", (3, 12, 12))] == ["last"]
    with pytest.raises(
        UserError, match="masked must give maps, tokens or a vector, it gives no single tensor"
    ):
        layer_of(net, "net", (3, 12, 12), "masked")
    net.unused = nn.Conv2d(3, 3, 1)
    with pytest.raises(UserError, match="unused must give maps, tokens or a vector, it gives nothing"):
        layer_of(net, "net", (3, 12, 12), "unused")


def test_units_are_read_behind_the_norm_of_what_gives_several_tensors() -> None:
    net = Net(
        lambda m, x: m.last(m.norm(m.masked(x)[0])),
        masked=Masked(),
        norm=nn.BatchNorm2d(4),
        last=nn.Conv2d(4, 2, 3),
    )
    assert [layer.place.module for layer in layers_of(net, "net", (3, 12, 12))] == ["norm", "last"]


class Logging(nn.Conv2d):
    """Its last operations are no part of what it gives."""

    def forward(self, x: Tensor) -> Tensor:
        out = super().forward(x)
        self.largest = (out.mean((2, 3)) * 2).amax()
        return out


def test_what_a_module_computes_beside_what_it_gives_is_not_its_output() -> None:
    net = Net(lambda m, x: m.conv(m.conv(m.stem(x))), stem=nn.Conv2d(3, 4, 3), conv=Logging(4, 4, 3))
    x = torch.randn(1, 3, 12, 12)
    layers = layers_of(net, "net", (3, 12, 12))
    assert [(layer.name, layer.shape) for layer in layers] == [
        ("stem", (4, 10, 10)), ("conv", (4, 8, 8)), ("conv (2)", (4, 6, 6)),
    ]  # fmt: skip
    assert [layer.window((0, 0)) for layer in layers] == [(0, 0, 3, 3), (0, 0, 5, 5), (0, 0, 7, 7)]
    named = layer_of(net, "net", (3, 12, 12), "module:conv")
    assert named.shape == (4, 6, 6)
    with capture(net, [named.place]) as seen, torch.no_grad():
        seen.run(x)
        torch.testing.assert_close(seen[named.place], net(x), rtol=0, atol=0)


class Basic(nn.Module):
    """A convolution whose norm is a module and whose ReLU is not, as torchvision's GoogLeNet is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.relu(self.bn(self.conv(x)), inplace=True)


def test_a_non_linearity_that_the_module_around_calls_belongs_to_its_units() -> None:
    net = nn.Sequential(Basic(), nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 2, 3))).eval()
    first, second = layers_of(net, "net", (3, 12, 12))
    assert (first.name, first.place, first.weights) == ("0.conv", Place("0", 0), "0.conv")
    assert (second.name, second.place) == (
        "1",
        Place("1", 0),
    )  # whose weight is computed by modules inside it
    truth = outputs(net, torch.randn(1, 3, 12, 12))
    assert float(truth["0"][0].min()) == 0 > float(truth["0.conv"][0].min())
