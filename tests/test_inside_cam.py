"""Class activation maps: Zhou's on a network that pools globally, the formulas by hand, which layer is read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cam_networks import SIZE, Tokens, flat
from neocog.analysis.capture import Place
from neocog.errors import UserError
from neocog.inside.evidence.cam import class_activation, grad_cam, layer_cam, stretched_over
from neocog.inside.evidence.last_maps import Maps, last_maps, maps_of
from neocog.inside.units import layer_of
from neocog.models.catalogue import MODELS
from networks import Net
from own_networks import LAST, OWN

GOLDEN = Path(__file__).parent / "golden" / "cams.npz"


def pooled_globally() -> nn.Sequential:
    torch.manual_seed(2)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.Conv2d(8, 6, 3), nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4),
    )  # fmt: skip


def test_where_the_network_pools_globally_grad_cam_is_cam() -> None:
    """Zhou et al. 2016, equation 2: the last linear layer's weights times the maps; over the number of places."""
    with torch.random.fork_rng(devices=[]):
        net, x = pooled_globally(), torch.randn(1, 3, 17, 15)
    maps = last_maps(net, (3, 17, 15))
    assert maps.name == "3" and maps.grid == (6, 5)
    found = class_activation(net, x, maps, [2, 0])
    with torch.no_grad():
        last, logits = net[:4](x)[0], net(x)[0]
        weight = net[6].weight.detach()
    np.testing.assert_allclose(found.activation, last.numpy(), rtol=1e-6)
    np.testing.assert_allclose(found.logits, logits.numpy(), rtol=1e-6)
    for i, target in enumerate((2, 0)):
        zhou = np.zeros((6, 5))
        for k in range(6):
            zhou += float(weight[target, k]) * last[k].numpy().astype(np.float64)
        plain = grad_cam(found.activation, found.gradients[i], rectify=False)
        np.testing.assert_allclose(plain * 30, zhou, atol=1e-5)
        np.testing.assert_allclose(found.grad_cam(i) * 30, np.maximum(zhou, 0), atol=1e-5)
        # there a derivative is the same at all places, so that LayerCAM takes the channels with positive weights
        positive = [k for k in range(6) if weight[target, k] > 0]
        wanted = sum(float(weight[target, k]) * last[k].numpy() for k in positive)
        np.testing.assert_allclose(found.layer_cam(i) * 30, wanted, atol=1e-5)


def test_the_formulas_number_by_number() -> None:
    rng = np.random.default_rng(0)
    activation, gradient = rng.normal(size=(3, 2, 4)), rng.normal(size=(3, 2, 4))
    for i, j in np.ndindex(2, 4):
        one = sum(gradient[k].mean() * activation[k, i, j] for k in range(3))
        other = sum(max(gradient[k, i, j], 0) * activation[k, i, j] for k in range(3))
        assert grad_cam(activation, gradient)[i, j] == pytest.approx(max(one, 0), abs=1e-12)
        assert layer_cam(activation, gradient)[i, j] == pytest.approx(max(other, 0), abs=1e-12)


def test_captum_agrees() -> None:
    attr = pytest.importorskip("captum.attr")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(6)
        net, x = flat(), torch.randn(1, *SIZE)
    for target in range(5):
        wanted = attr.LayerGradCam(net, net[3]).attribute(x, target=target, relu_attributions=True)
        found = class_activation(net, x, Maps("3", Place("3", 0), (6, 8)), [target]).grad_cam(0)
        np.testing.assert_allclose(found, wanted[0, 0].detach().numpy(), atol=1e-7)


@pytest.mark.parametrize(
    ("name", "make", "maps"),
    [
        ("flat", flat, Maps("3", Place("3", 0), (6, 8))),
        ("tokens", Tokens, Maps("mixed", Place("mixed", 0), (3, 4), np.arange(1, 13).reshape(3, 4))),
    ],
)
def test_the_maps_are_those_of_pytorch_grad_cam(name: str, make: Callable[[], nn.Module], maps: Maps) -> None:
    """Version 1.5.7, by scripts/make_cam_golden.py: as they are, and from 0 to 1 over the picture."""
    with torch.random.fork_rng(devices=[]):
        net, golden = make(), np.load(GOLDEN)
    net.load_state_dict({key: torch.from_numpy(golden[f"{name} weights {key}"]) for key in net.state_dict()})
    cams = class_activation(net, torch.from_numpy(golden["x"]), maps, [2])
    for kind, found in (("Grad-CAM", cams.grad_cam(0)), ("LayerCAM", cams.layer_cam(0))):
        wanted = golden[f"{name} {kind}"].clip(min=0)
        assert wanted.max() > 0
        np.testing.assert_allclose(found, wanted, atol=1e-6)
        over = stretched_over((found - found.min()) / (found - found.min()).max(), *SIZE[1:])
        over = (over - over.min()) / (over - over.min()).max()
        np.testing.assert_allclose(over, golden[f"{name} {kind} scaled"], atol=1e-5)


def test_gradients_at_a_layer_that_is_used_twice_are_of_the_call_that_is_meant() -> None:
    def run(m: Any, x: Tensor) -> Tensor:
        y = m.act(m.conv(x))
        out: Tensor = m.head(m.act(m.conv(y) * 0.5).flatten(1))
        return out

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = Net(run, conv=nn.Conv2d(2, 2, 3, padding=1), act=nn.ReLU(inplace=True), head=nn.Linear(50, 3))
        x = torch.randn(1, 2, 5, 5)
    found = class_activation(net, x, Maps("act", Place("act", 0), (5, 5)), [1])
    first = F.relu(net.conv(x)).detach().requires_grad_()
    logits = net.head(F.relu(net.conv(first) * 0.5).flatten(1))
    (wanted,) = torch.autograd.grad(logits[0, 1], first)
    np.testing.assert_allclose(found.activation, first[0].detach().numpy(), atol=1e-6)
    np.testing.assert_allclose(found.gradients[0], wanted[0].numpy(), atol=1e-6)
    assert not any(m._forward_hooks for m in net.modules())


# the last layer before pooling or flattening: what each paper's last stage puts out, by its place in the module
WANTED = {
    "alexnet": ("features.11", (13, 13)),
    "zfnet": ("relu5", (13, 13)),
    "vgg16": ("features.29", (14, 14)),
    "googlenet": ("inception5b", (7, 7)),
    "resnet18": ("layer4", (7, 7)),
    "resnet50": ("layer4", (7, 7)),
    "efficientnet_lite0": ("act2", (7, 7)),
    "lenet5": ("f3", (10, 10)),
}


@pytest.mark.parametrize("name", WANTED)
def test_the_last_maps(name: str) -> None:
    with torch.device("meta"):
        net = MODELS[name].build()
    maps = last_maps(net, MODELS[name].input_size)
    assert (maps.name, maps.grid) == WANTED[name] and maps.tokens is None


def test_the_last_maps_of_peoples_own_networks() -> None:
    found = {}
    for name, (make, side) in OWN.items():
        maps = last_maps(make().eval(), (3, side, side))
        assert not maps.channels_last
        found[name] = (maps.name, maps.grid, maps.tokens is not None)
    assert found == LAST


def test_a_norm_over_whole_maps_that_attention_reads() -> None:
    """Channels first: what is normed has its places where maps have them."""

    def run(m: Any, x: Tensor) -> Tensor:
        x = m.block(m.stem(x))
        tokens = m.norm(x).flatten(2).transpose(1, 2)
        attended = F.scaled_dot_product_attention(tokens, tokens, tokens).transpose(1, 2)
        out: Tensor = m.head((x + attended.view(x.shape)).mean((2, 3)))
        return out

    net = Net(
        run, stem=nn.Conv2d(3, 6, 4, 4), block=nn.Tanh(), norm=nn.LayerNorm((6, 2, 3)), head=nn.Linear(6, 2)
    )
    maps = last_maps(net, (3, 8, 12))
    assert (maps.name, maps.grid, maps.channels_last) == ("block", (2, 3), False)
    assert class_activation(net, torch.randn(1, 3, 8, 12), maps, [1]).activation.shape == (6, 2, 3)


@pytest.mark.parametrize("pool", ["token", "mean"])
def test_of_a_vision_transformer_the_last_attention_reads_it(pool: str) -> None:
    from neocog.models.vit import vit

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = vit("tiny", 16, img_size=48, num_classes=5, pool=pool)
        x = torch.randn(1, 3, 48, 64)
    maps = last_maps(net, (3, 48, 64))
    assert (maps.name, maps.grid) == ("blocks.10", (3, 4)) and maps.tokens is not None
    found = class_activation(net, x, maps, [3])
    stream = {}
    hook = net.blocks[11].norm1.register_forward_pre_hook(lambda _, given: stream.update(x=given[0]))
    tokens = None
    try:
        logits = net(x)
        tokens = stream["x"]
        (wanted,) = torch.autograd.grad(logits[0, 3], tokens)
    finally:
        hook.remove()
    patches = wanted[0, -12:].reshape(3, 4, -1).permute(2, 0, 1)
    np.testing.assert_allclose(found.gradients[0], patches.numpy(), atol=1e-7)
    assert found.grad_cam(0).shape == (3, 4)


def test_layers_by_name() -> None:
    from neocog.models.vit import vit

    with torch.random.fork_rng(devices=[]):
        net, size = vit("tiny", 16, img_size=48, num_classes=5), (3, 48, 48)
        x = torch.randn(1, *size)
    named = maps_of(layer_of(net, "vit", size, "blocks.3"), net, size)
    assert named.tokens is not None and named.grid == (3, 3)
    assert class_activation(net, x, named, [0]).activation.shape == (192, 3, 3)
    behind = maps_of(layer_of(net, "vit", size, "blocks.11"), net, size)
    with pytest.raises(UserError, match="the logits do not depend on blocks.11; name an earlier layer"):
        class_activation(net, x, behind, [0])
    with pytest.raises(UserError, match="needs maps or tokens, head gives vectors"):
        maps_of(layer_of(net, "vit", size, "head"), net, size)


def test_windows_of_tokens_that_lie_on_a_grid() -> None:
    """A transformer whose tokens stay in rows and columns, channels last, with a norm of queries inside attention."""

    def run(m: Any, x: Tensor) -> Tensor:
        x = m.embed(x).permute(0, 2, 3, 1)  # batch, rows, columns, dim
        for block in m.blocks:
            x = block(x)
        out: Tensor = m.head(x.mean((1, 2)))
        return out

    def block(m: Any, x: Tensor) -> Tensor:
        y = m.norm(x).flatten(1, 2)[:, None]
        attended = F.scaled_dot_product_attention(F.layer_norm(y, (8,)), y, y)
        out: Tensor = x + attended[:, 0].view(x.shape)
        return out

    blocks = nn.ModuleList([Net(block, norm=nn.LayerNorm(8)) for _ in range(3)])
    net = Net(run, embed=nn.Conv2d(3, 8, 4, 4), blocks=blocks, head=nn.Linear(8, 2))
    maps = last_maps(net, (3, 8, 12))
    assert (maps.name, maps.grid, maps.channels_last) == ("blocks.1", (2, 3), True)
    found = class_activation(net, torch.randn(1, 3, 8, 12), maps, [1])
    assert found.activation.shape == (8, 2, 3)


def test_a_network_that_decides_on_values() -> None:
    def run(m: Any, x: Tensor) -> Tensor:
        out: Tensor = m.conv(x if x.sum() > 0 else -x).mean((2, 3))
        return out

    with pytest.raises(UserError, match="values"):
        last_maps(Net(run, conv=nn.Conv2d(3, 2, 3)), (3, 6, 6))


def test_without_a_gradient_there_is_no_map() -> None:
    def run(m: Any, x: Tensor) -> Tensor:
        return (m.conv(x) > 0).float().sum((2, 3))

    net = Net(run, conv=nn.Conv2d(3, 2, 3))
    with pytest.raises(UserError, match="have no gradient at the picture; use `neocog see occlusion`"):
        class_activation(net, torch.randn(1, 3, 6, 6), Maps("conv", Place("conv", 0), (4, 4)), [1])


def test_without_places_there_is_no_map() -> None:
    with pytest.raises(
        UserError, match="needs a convolution with more than one position; use `see occlusion`"
    ):
        last_maps(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), (3, 2, 2))


def test_tokens_are_placed_by_what_they_are_not_by_where_they_stand() -> None:
    """A class token behind the patches is left out as one before them is."""
    tokens = np.array([[5, 0], [2, 4]])
    given = torch.arange(18.0).reshape(6, 3)
    found = Maps("blocks", Place("blocks", 0), (2, 2), tokens).placed(given)
    for row, column in np.ndindex(2, 2):
        np.testing.assert_array_equal(found[:, row, column], given[tokens[row, column]].numpy())
