"""What is particular to each family: towers, constraints, dense forms, auxiliary heads, shortcuts, positions."""

import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neocog.errors import UserError
from neocog.models import build
from neocog.models.alexnet_towers import TwoTowers
from neocog.models.bit import bit
from neocog.models.googlenet import forward_auxiliary
from neocog.models.resnet import PadShortcut, resnet, resnet_cifar
from neocog.models.vgg import vgg
from neocog.models.vit import vit
from neocog.models.zfnet import renormalise_filters


def liven(net: nn.Module) -> nn.Module:
    """Batch norms that have seen something: fresh ones would hide a wrong epsilon or order."""
    torch.manual_seed(0)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.running_mean, module.running_var, module.weight, module.bias):
                nn.init.uniform_(tensor, 0.001, 1)
    return net.eval()


@pytest.mark.parametrize("name", ["alexnet_2012", "caffenet"])
def test_two_towers_on_two_devices_are_the_grouped_net(name: str) -> None:
    """Biases at random and activations of some size, so that response normalisation across the cut matters."""
    torch.manual_seed(0)
    net = build(name, num_classes=7).eval()
    for layer in net:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.normal_(layer.bias)
    x = torch.randn(2, 3, 227, 227) * 60
    towers = TwoTowers(net, "cpu", torch.device("cpu", 0))
    with torch.no_grad():
        torch.testing.assert_close(towers(x), net(x), rtol=1e-4, atol=1e-4)
    halves = [sum(p.numel() for p in half.parameters()) for half in (towers.left, towers.right)]
    assert sum(halves) == sum(p.numel() for p in net.parameters())
    assert abs(halves[0] - halves[1]) <= 4097  # seven classes: four here, three there


def test_only_a_net_of_two_towers_is_cut_in_two() -> None:
    with pytest.raises(UserError, match="only alexnet_2012 and caffenet with two classes or more"):
        TwoTowers(build("zfnet"), "cpu", "cpu")


def test_224_pixels_are_padded_to_227_as_cuda_convnet_rounds() -> None:
    net = build("alexnet_2012").eval()
    x = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        torch.testing.assert_close(net(x), net(F.pad(x, (0, 3, 0, 3))), rtol=0, atol=0)
        assert net.conv1(x).shape[-1] == 55


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("alexnet_2012", {"conv1": 55, "pool1": 27, "conv2": 27, "pool2": 13, "conv5": 13, "pool5": 6}),
        ("zfnet", {"conv1": 110, "pool1": 55, "conv2": 26, "pool2": 13, "conv5": 13, "pool5": 6}),
        (
            "googlenet_2014",
            {"conv1": 112, "maxpool1": 56, "maxpool2": 28, "maxpool3": 14, "inception4e": 14, "maxpool4": 7},
        ),
    ],
)  # fmt: skip
def test_maps_have_the_papers_sizes(name: str, sizes: dict[str, int]) -> None:
    """Krizhevsky et al. 2012, section 3.5; Zeiler and Fergus 2014, figure 3; Szegedy et al. 2015, table 1."""
    net, found = build(name).to("meta").eval(), {}
    for key in sizes:
        net.get_submodule(key).register_forward_hook(
            lambda _, __, y, key=key: found.__setitem__(key, y.shape[-1])
        )
    net(torch.empty(1, 3, 224, 224, device="meta"))
    assert found == sizes


def test_the_first_weights_of_2012_are_the_papers() -> None:
    net = build("alexnet_2012")
    assert net.fc7.weight.std().item() == pytest.approx(0.01, rel=0.01)
    biases = {
        name: layer.bias.unique().tolist() for name, layer in net.named_children() if hasattr(layer, "bias")
    }
    awake = {"conv2", "conv4", "conv5", "fc6", "fc7"}
    assert biases == {name: [1.0] if name in awake else [0.0] for name in biases}


def test_filters_are_scaled_back_to_the_radius_and_no_further() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 5), nn.Linear(4, 4))
    with torch.no_grad():
        net[0].weight.mul_(torch.linspace(0.1, 4, 8)[:, None, None, None])
    before, linear = net[0].weight.detach().numpy().copy(), net[1].weight.detach().clone()
    renormalise_filters(net, radius=0.1)
    rms = np.sqrt((before**2).reshape(8, -1).mean(1))
    assert (rms > 0.1).any()
    assert (rms < 0.1).any()
    expected = before * np.where(rms > 0.1, 0.1 / rms, 1)[:, None, None, None]
    np.testing.assert_allclose(net[0].weight.detach().numpy(), expected, rtol=1e-5)
    assert torch.equal(net[1].weight, linear)


def test_vgg_c_has_a_1x1_convolution_where_d_has_its_third_3x3() -> None:
    kernels = {
        column: [m.kernel_size[0] for m in vgg(column).features if isinstance(m, nn.Conv2d)]
        for column in "CD"
    }
    assert kernels == {"C": [3] * 6 + [1, 3, 3, 1, 3, 3, 1], "D": [3] * 13}


@pytest.mark.parametrize("name", ["googlenet", "googlenet_2014"])
def test_auxiliary_heads_stand_on_4a_and_4d_and_leave_the_logits_alone(name: str) -> None:
    torch.manual_seed(0)
    net = liven(build(name, num_classes=6, aux=True))
    x = torch.randn(2, 3, 224, 224)
    seen: dict[str, Tensor] = {}
    for key in ("inception4a", "inception4d"):
        net.get_submodule(key).register_forward_hook(lambda _, __, y, key=key: seen.__setitem__(key, y))
    with torch.no_grad():
        logits, first, second = forward_auxiliary(net, x)
        torch.testing.assert_close(logits, net(x), rtol=0, atol=0)
        pool = nn.AvgPool2d(5, 3) if name == "googlenet_2014" else nn.AdaptiveAvgPool2d(4)
        for head, key, given in ((net.aux1, "inception4a", first), (net.aux2, "inception4d", second)):
            y = head.conv(pool(seen[key])).flatten(1)
            y = F.relu(y @ head.fc1.weight.T + head.fc1.bias) @ head.fc2.weight.T + head.fc2.bias
            torch.testing.assert_close(given, y)
    sum(out.sum() for out in forward_auxiliary(net.train(), x)).backward()
    assert [key for key, p in net.named_parameters() if p.grad is None] == []


def test_a_googlenet_without_auxiliary_heads_says_so() -> None:
    with pytest.raises(UserError, match="no auxiliary heads; build it with aux=True"):
        forward_auxiliary(build("googlenet"), torch.zeros(1, 3, 64, 64))


@pytest.mark.parametrize("depth", [18, 50])
def test_a_block_whose_last_scale_is_zero_is_its_shortcut(depth: int) -> None:
    """ReLU of the shortcut: where it is the identity on what a ReLU left, nothing changes (section 3.1)."""
    net = resnet(depth, zero_last=True).eval()
    x = torch.randn(2, net.layer1[0].conv1.in_channels, 8, 8).relu()
    with torch.no_grad():
        y = net.layer1[0](x)
        expected = F.relu(net.layer1[0].downsample(x))
        torch.testing.assert_close(y, expected, rtol=0, atol=0)
        torch.testing.assert_close(net.layer1[1](y), y, rtol=0, atol=0)


def test_versions_stride_in_different_places_and_differ() -> None:
    blocks = {version: resnet(50, version=version).layer2[0] for version in ("v1", "v1.5")}
    strides = {v: [c.stride[0] for c in (b.conv1, b.conv2, b.conv3)] for v, b in blocks.items()}
    assert strides == {"v1": [2, 1, 1], "v1.5": [1, 2, 1]}


def test_a_basic_block_computes_the_papers_equation() -> None:
    block = liven(resnet(18)).layer2[0]
    x = torch.randn(2, 64, 10, 10)

    def bn(y: Tensor, m: nn.BatchNorm2d) -> Tensor:
        scale = m.weight / (m.running_var + 1e-5).sqrt()
        return (y - m.running_mean[:, None, None]) * scale[:, None, None] + m.bias[:, None, None]

    y = bn(F.conv2d(x, block.conv1.weight, stride=2, padding=1), block.bn1).clamp(min=0)
    y = bn(F.conv2d(y, block.conv2.weight, padding=1), block.bn2)
    around = bn(F.conv2d(x, block.downsample[0].weight, stride=2), block.downsample[1])
    with torch.no_grad():
        torch.testing.assert_close(block(x.clone()), (y + around).clamp(min=0), rtol=1e-4, atol=1e-4)


def test_a_plain_net_is_a_residual_one_without_its_shortcuts() -> None:
    plain, residual = liven(resnet_cifar(20, shortcut="none")), resnet_cifar(20).eval()
    residual.load_state_dict(plain.state_dict())
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert not torch.allclose(plain(x), residual(x))
        for block in residual.modules():
            if hasattr(block, "downsample"):
                nothing = nn.Threshold(float("inf"), 0.0)  # zero for any input
                block.downsample = nn.Sequential(block.downsample, nothing)
        torch.testing.assert_close(plain(x), residual(x))


def test_option_a_pads_half_of_the_new_maps_on_each_side() -> None:
    """As the CIFAR weights in circulation have it: planes // 4 zero maps on each side."""
    x = torch.randn(1, 16, 6, 6)
    y = PadShortcut(16, 2)(x)
    assert y.shape == (1, 32, 3, 3)
    assert torch.equal(y[:, 8:24], x[:, :, ::2, ::2])
    assert not y[:, :8].any()
    assert not y[:, 24:].any()


@pytest.mark.parametrize("depth", [19, 2, 21])
def test_a_depth_that_is_none_is_refused(depth: int) -> None:
    with pytest.raises(UserError, match="depth must be 6n \\+ 2"):
        resnet_cifar(depth)
    with pytest.raises(UserError, match="depth must be one of 18, 34, 50, 101, 152"):
        resnet(depth)


def test_bit_convolves_with_standardised_weights_and_pads_its_pool_with_zeros() -> None:
    net = bit(50, 1).eval()
    x = torch.randn(1, 3, 32, 32)
    w = net.stem.conv.weight.detach().double().numpy()
    w = (w - w.mean((1, 2, 3), keepdims=True)) / np.sqrt(w.var((1, 2, 3), keepdims=True) + 1e-8)
    y = F.conv2d(x, torch.from_numpy(w).float(), stride=2, padding=3)
    expected = F.max_pool2d(F.pad(y, (1, 1, 1, 1)), 3, 2)
    with torch.no_grad():
        torch.testing.assert_close(net.stem(x), expected, rtol=1e-4, atol=1e-4)


def lite_by_hand(state: dict[str, Tensor], x: Tensor) -> Tensor:
    """EfficientNet-Lite in evaluation mode from its tensors alone, as TensorFlow computes it."""

    def conv(x: Tensor, name: str, stride: int = 1) -> Tensor:
        weight = state[f"{name}.weight"]
        kernel, groups = weight.shape[-1], x.shape[1] // weight.shape[1]
        total = max(kernel - (x.shape[-1] % stride or stride), 0)
        before, after = total // 2, total - total // 2
        return F.conv2d(F.pad(x, (before, after, before, after)), weight, stride=stride, groups=groups)

    def norm(x: Tensor, name: str) -> Tensor:
        mean, var, weight, bias = (
            state[f"{name}.{part}"][:, None, None]
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (var + 1e-3).sqrt() * weight + bias

    x = norm(conv(x, "conv_stem", 2), "bn1").clamp(0, 6)
    blocks = dict.fromkeys(found[0] for name in state if (found := re.match(r"blocks\.(\d)\.(\d)", name)))
    for block in blocks:
        stage, place = map(int, block.split(".")[1:])
        stride = (1, 2, 2, 2, 1, 2, 1)[stage] if place == 0 else 1
        if stage == 0:
            y = norm(conv(x, f"{block}.conv_dw"), f"{block}.bn1").clamp(0, 6)
            y = norm(conv(y, f"{block}.conv_pw"), f"{block}.bn2")
        else:
            y = norm(conv(x, f"{block}.conv_pw"), f"{block}.bn1").clamp(0, 6)
            y = norm(conv(y, f"{block}.conv_dw", stride), f"{block}.bn2").clamp(0, 6)
            y = norm(conv(y, f"{block}.conv_pwl"), f"{block}.bn3")
        x = x + y if place else y
    x = norm(conv(x, "conv_head"), "bn2").clamp(0, 6).mean((2, 3))
    return x @ state["classifier.weight"].T + state["classifier.bias"]


@pytest.mark.parametrize("side", [64, 75])
def test_efficientnet_lite_computes_what_its_definition_says(side: int) -> None:
    net = liven(build("efficientnet_lite0"))
    x = torch.randn(2, 3, side, side)
    with torch.no_grad():
        got, expected = net(x), lite_by_hand(net.state_dict(), x)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)  # single precision through 50 layers


def test_an_mbconv_with_squeeze_and_excitation_computes_what_it_should() -> None:
    block = liven(build("efficientnet_b0")).blocks[1][1]
    x = torch.randn(2, 24, 9, 9)

    def norm(y: Tensor, m: nn.BatchNorm2d) -> Tensor:
        return F.batch_norm(y, m.running_mean, m.running_var, m.weight, m.bias, eps=1e-5)

    def swish(y: Tensor) -> Tensor:
        return y / (1 + (-y).exp())

    y = swish(norm(F.conv2d(x, block.conv_pw.weight), block.bn1))
    y = swish(norm(F.conv2d(y, block.conv_dw.weight, padding=1, groups=144), block.bn2))
    squeezed = swish(
        F.conv2d(y.mean((2, 3), keepdim=True), block.se.conv_reduce.weight, block.se.conv_reduce.bias)
    )
    assert squeezed.shape[1] == 6  # a quarter of the block's input, not of its middle
    y = y * torch.sigmoid(F.conv2d(squeezed, block.se.conv_expand.weight, block.se.conv_expand.bias))
    y = norm(F.conv2d(y, block.conv_pwl.weight), block.bn3)
    with torch.no_grad():
        torch.testing.assert_close(block(x), x + y, rtol=1e-4, atol=1e-4)


def test_blocks_are_skipped_with_a_probability_that_grows_with_depth() -> None:
    net = build("efficientnet_b0", drop_path=0.2)
    drops = [m.drop_path.p for stage in net.blocks for m in stage if m.drop_path is not None]
    places = [n for n, m in enumerate(m for stage in net.blocks for m in stage) if m.drop_path is not None]
    assert drops == pytest.approx([0.2 * n / 16 for n in places])


def vit_by_hand(net: nn.Module, x: Tensor, heads: int) -> Tensor:
    """A pre-norm transformer from torch's own layer, fed with the network's tensors."""
    state = net.state_dict()
    dim = state["pos_embed"].shape[-1]
    y = F.conv2d(x, state["patch_embed.proj.weight"], state["patch_embed.proj.bias"], stride=16)
    y = torch.cat([state["cls_token"].expand(len(x), 1, dim), y.flatten(2).mT], 1) + state["pos_embed"]
    layer = nn.TransformerEncoderLayer(
        dim,
        heads,
        4 * dim,
        dropout=0,
        activation="gelu",
        layer_norm_eps=1e-6,
        batch_first=True,
        norm_first=True,
    )
    names = {
        "self_attn.in_proj_weight": "attn.qkv.weight", "self_attn.in_proj_bias": "attn.qkv.bias",
        "self_attn.out_proj.weight": "attn.proj.weight", "self_attn.out_proj.bias": "attn.proj.bias",
        "linear1.weight": "mlp.fc1.weight", "linear1.bias": "mlp.fc1.bias",
        "linear2.weight": "mlp.fc2.weight", "linear2.bias": "mlp.fc2.bias",
        **{f"norm{n}.{p}": f"norm{n}.{p}" for n in (1, 2) for p in ("weight", "bias")},
    }  # fmt: skip
    for i in range(12):
        layer.load_state_dict({theirs: state[f"blocks.{i}.{own}"] for theirs, own in names.items()})
        y = layer(y)
    y = F.layer_norm(y, (dim,), state["norm.weight"], state["norm.bias"], 1e-6)[:, 0]
    return y @ state["head.weight"].T + state["head.bias"]


def test_a_vit_computes_what_torchs_transformer_computes() -> None:
    torch.manual_seed(0)
    net = build("vit_tiny_patch16_224").eval()
    for p in net.parameters():
        nn.init.normal_(p, std=0.05)
    x = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        torch.testing.assert_close(net(x), vit_by_hand(net, x, heads=3), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("positions", ["learned", "sincos_1d", "sincos_2d", "none"])
@pytest.mark.parametrize("pool", ["token", "mean"])
def test_a_vit_is_blind_to_the_order_of_patches_only_without_positions(positions: str, pool: str) -> None:
    torch.manual_seed(0)
    net = vit("tiny", 16, 64, num_classes=4, positions=positions, pool=pool).eval()
    x = torch.randn(1, 3, 64, 64)
    swapped = torch.cat([x[..., 16:32], x[..., :16], x[..., 32:]], dim=-1)
    with torch.no_grad():
        same = torch.allclose(net(x), net(swapped), atol=1e-5)
    assert same == (positions == "none")
    assert ("cls_token" in net.state_dict()) == (pool == "token")
    assert ("pos_embed" in net.state_dict()) == (positions == "learned")


@pytest.mark.parametrize("rule", ["google", "torchvision", "timm"])
def test_another_size_gets_interpolated_positions(rule: str) -> None:
    """A net built for the other size, given the positions that the rule makes, computes the same."""
    torch.manual_seed(0)
    net = vit("tiny", 16, 64, num_classes=4, resize=rule).eval()
    nn.init.normal_(net.pos_embed)
    larger = vit("tiny", 16, 96, num_classes=4).eval()
    options = {
        "google": {"mode": "bilinear", "align_corners": True},
        "torchvision": {"mode": "bicubic", "align_corners": True},
        "timm": {"mode": "bicubic", "antialias": True},
    }[rule]
    grid = net.pos_embed[:, 1:].mT.reshape(1, 192, 4, 4)
    grown = F.interpolate(grid, (6, 6), **options).flatten(2).mT
    larger.load_state_dict(net.state_dict() | {"pos_embed": torch.cat([net.pos_embed[:, :1], grown], 1)})
    x = torch.randn(1, 3, 96, 96)
    with torch.no_grad():
        torch.testing.assert_close(net(x), larger(x), rtol=1e-4, atol=1e-5)
        other = "timm" if rule == "google" else "google"
        larger.choices = larger.choices.__class__(resize=other)
        changed = vit("tiny", 16, 64, num_classes=4, resize=other).eval()
        changed.load_state_dict(net.state_dict())
        assert not torch.allclose(changed(x), net(x), atol=1e-3)


def test_gelu_by_tanh_is_googles_and_differs_a_little() -> None:
    torch.manual_seed(0)
    exact, tanh = vit("tiny", 16, 32, 4).eval(), vit("tiny", 16, 32, 4, gelu="tanh").eval()
    tanh.load_state_dict(exact.state_dict())
    x = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        difference = (exact(x) - tanh(x)).abs().max().item()
    assert 0 < difference < 5e-3
    assert [m.approximate for m in tanh.modules() if isinstance(m, nn.GELU)] == ["tanh"] * 12
