"""What papers call a layer is what the next layer reads: against forwards written here and others' numbers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neocog.errors import UserError
from neocog.inference.tapping import Tap, Tapped
from neocog.models import MODELS, build
from neocog.models.layer_names import TABLES, find_layer, paper_names, stages


def forward_2012(state: dict[str, Tensor], x: Tensor, k: float, pool_first: bool) -> dict[str, Tensor]:
    """AlexNet or CaffeNet literally: every layer of the paper behind its ReLU, before dropout."""

    def conv(i: int, x: Tensor, **how: Any) -> Tensor:
        return F.relu(F.conv2d(x, state[f"conv{i}.weight"], state[f"conv{i}.bias"], **how))

    def norm(x: Tensor) -> Tensor:
        return F.local_response_norm(x, 5, 1e-4, 0.75, k)

    def pool(x: Tensor) -> Tensor:
        return F.max_pool2d(x, 3, 2, ceil_mode=True)

    got = {"conv1": conv(1, x, stride=4)}
    x = norm(pool(got["conv1"])) if pool_first else pool(norm(got["conv1"]))
    got["conv2"] = conv(2, x, padding=2, groups=2)
    x = norm(pool(got["conv2"])) if pool_first else pool(norm(got["conv2"]))
    got["conv3"] = conv(3, x, padding=1)
    got["conv4"] = conv(4, got["conv3"], padding=1, groups=2)
    got["conv5"] = conv(5, got["conv4"], padding=1, groups=2)
    got["pool5"] = pool(got["conv5"])
    got["fc6"] = F.relu(F.linear(got["pool5"].flatten(1), state["fc6.weight"], state["fc6.bias"]))
    got["fc7"] = F.relu(F.linear(got["fc6"], state["fc7.weight"], state["fc7.bias"]))
    got["fc8"] = F.linear(got["fc7"], state["fc8.weight"], state["fc8.bias"])
    return {**got, "decaf5": got["pool5"], "decaf6": got["fc6"], "decaf7": got["fc7"]}


def forward_2014(state: dict[str, Tensor], x: Tensor) -> dict[str, Tensor]:
    """The one-tower net literally, its layers numbered as torchvision numbers them."""
    got = {}
    # layer, its number, stride, padding
    for i, at, stride, padding in ((1, 0, 4, 2), (2, 3, 1, 2), (3, 6, 1, 1), (4, 8, 1, 1), (5, 10, 1, 1)):
        weight, bias = state[f"features.{at}.weight"], state[f"features.{at}.bias"]
        x = F.relu(F.conv2d(x, weight, bias, stride, padding))
        got[f"conv{i}"] = x
        if i in (1, 2, 5):
            x = got[f"pool{i}"] = F.max_pool2d(x, 3, 2)
    x = got["decaf5"] = x.flatten(1)
    for name, at in (("fc6", 1), ("fc7", 4)):
        x = got[name] = F.relu(F.linear(x, state[f"classifier.{at}.weight"], state[f"classifier.{at}.bias"]))
    got["fc8"] = F.linear(x, state["classifier.6.weight"], state["classifier.6.bias"])
    return {**got, "decaf6": got["fc6"], "decaf7": got["fc7"]}


@torch.no_grad()
@pytest.mark.parametrize("name", ["alexnet_2012", "caffenet", "alexnet"])
def test_alexnets_layers_are_those_of_a_forward_written_by_hand(name: str) -> None:
    with torch.device("meta"):  # 61 million numbers, drawn once and not twice
        net = build(name).eval()
    state = net.to_empty(device="cpu").state_dict()
    for tensor in state.values():
        tensor.uniform_(-0.03, 0.03, generator=torch.Generator().manual_seed(tensor.numel()))
    size = MODELS[name].input_size
    x = torch.randn(1, *size, generator=torch.Generator().manual_seed(2))
    wanted = (
        forward_2014(state, x)
        if name == "alexnet"
        else forward_2012(state, x, 1.0 if name == "caffenet" else 2.0, name == "caffenet")
    )
    assert set(TABLES[name]) <= set(wanted)
    layers = [layer for layer in wanted if layer in TABLES[name]]
    taps = [Tap(layer, find_layer(net, name, layer).module, "flat") for layer in layers]
    got = dict(
        zip(layers, Tapped(net, taps, size)(x).split([wanted[k].numel() for k in layers], 1), strict=True)
    )
    for layer in layers:
        torch.testing.assert_close(got[layer], wanted[layer].flatten(1), rtol=1e-4, atol=1e-4)
        if layer not in ("fc8", "pool1", "pool2", "pool5"):
            assert (got[layer] == 0).any() and (got[layer] >= 0).all(), layer


def test_a_modules_own_output_is_had_by_saying_so() -> None:
    with torch.device("meta"):
        net = build("alexnet_2012")
    assert find_layer(net, "alexnet_2012", "fc6").module == "relu6"
    assert find_layer(net, "alexnet_2012", "module:fc6").module == "fc6"
    assert find_layer(net, "alexnet_2012", "norm1").module == "norm1"
    assert [find_layer(net, "alexnet_2012", name).flat for name in ("decaf5", "pool5")] == [True, False]


# relu3_3 is 15 in torchvision's VGG-16 and relu4_1 is 20 in its VGG-19: the numbers of perceptual loss (Johnson et al.
# 2016) and of style transfer (Gatys et al. 2016) wherever they are written with torchvision
@pytest.mark.parametrize(
    ("model", "layer", "module"),
    [
        ("vgg16", "conv1_2", "features.3"),
        ("vgg16", "conv2_2", "features.8"),
        ("vgg16", "conv3_3", "features.15"),
        ("vgg16", "conv4_3", "features.22"),
        ("vgg16", "pool5", "features.30"),
        ("vgg16_bn", "conv2_2", "features.12"),
        ("vgg19", "conv1_1", "features.1"),
        ("vgg19", "conv2_1", "features.6"),
        ("vgg19", "conv3_1", "features.11"),
        ("vgg19", "conv4_1", "features.20"),
        ("vgg19", "conv5_1", "features.29"),
        ("torchvision:vgg19", "pool1", "features.4"),
        ("vgg16", "fc7", "classifier.4"),
        ("resnet18", "conv5_x", "layer4"),
        ("torchvision:resnet50", "conv1", "relu"),
        ("lenet5", "C3", "f3"),
        ("lenet5", "c3", "c3"),
    ],
)
def test_papers_names_lead_to_the_modules_that_others_number(model: str, layer: str, module: str) -> None:
    with torch.device("meta"):
        net = build(model.removeprefix("torchvision:"))
    assert find_layer(net, model, layer).module == module


@pytest.mark.parametrize("name", sorted({*TABLES, "vgg11", "vgg16_c", "vgg11_lrn", "resnet50"}))
def test_every_name_of_the_tables_leads_to_a_module_there_is(name: str) -> None:
    with torch.device("meta"):
        net = build(name)
    papers = paper_names(name, net)
    assert papers
    for layer in papers:
        assert isinstance(net.get_submodule(find_layer(net, name, layer).module), nn.Module)
    kinds = {layer: type(net.get_submodule(module)) for layer, module in papers.items()}
    if name.startswith(("alexnet", "caffenet", "zfnet", "vgg")):
        assert all(kinds[layer] is nn.ReLU for layer in kinds if layer.startswith(("conv", "fc6", "fc7")))
        assert kinds["pool5"] is nn.MaxPool2d


def test_an_unknown_layer_is_answered_with_the_nearest_names() -> None:
    with torch.device("meta"):
        net = build("alexnet")
    with pytest.raises(UserError, match="unknown layer 'conv_5'; did you mean conv5"):
        find_layer(net, "alexnet", "conv_5")
    with pytest.raises(
        UserError,
        match="unknown layer 'xyzzy' of alexnet: .*; here there are conv1, pool1, .* fc7, features$",
    ):
        find_layer(net, "alexnet", "xyzzy")
    with pytest.raises(UserError, match="unknown layer 'feature'; did you mean features"):
        find_layer(net, "alexnet", "feature")
    with pytest.raises(UserError, match="unknown module 'fc6'"):
        find_layer(net, "alexnet", "module:fc6")


def test_a_papers_name_of_other_networks_is_answered_with_these_and_the_stages_there_are() -> None:
    with torch.device("meta"):
        net = build("efficientnet_lite0")
    nine = "conv_stem, blocks.0, blocks.1, blocks.2, blocks.3, blocks.4, blocks.5, blocks.6, conv_head"
    for layer, networks in {
        "fc6": "alexnet, alexnet_2012, caffenet, zfnet, zfnet_512, vgg16",
        "F6": "lenet5, lenet5_modern",
        "conv5_x": "resnet50",
    }.items():
        with pytest.raises(UserError) as refused:
            find_layer(net, "efficientnet_lite0", layer)
        assert str(refused.value) == (
            f"unknown layer '{layer}' of efficientnet_lite0: {layer} is one of {networks}; "
            f"here there are {nine}, features"
        )


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("resnet18", "conv1", "conv5_x"),
        ("alexnet", "conv1", "fc7"),
        ("lenet5", "C1", "F6"),
        ("lenet_caffe", "ip1", "ip1"),
        ("efficientnet_lite0", "conv_stem", "conv_head"),
    ],
)
def test_stages_end_before_the_last_layer(name: str, first: str, last: str) -> None:
    with torch.device("meta"):
        net = build(name)
    found = stages(net, name)
    assert (found[0], found[-1]) == (first, last)


@torch.no_grad()
def test_hes_first_convolution_is_what_the_pooling_behind_it_reads() -> None:
    net, x = build("resnet18").eval(), torch.randn(2, 3, 64, 64)
    state = net.state_dict()
    names = ("running_mean", "running_var", "weight", "bias")
    wanted = F.conv2d(x, state["conv1.weight"], stride=2, padding=3)
    wanted = F.relu(F.batch_norm(wanted, *(state[f"bn1.{name}"] for name in names)))
    tap = Tap("conv1", find_layer(net, "resnet18", "conv1").module, "flat")
    torch.testing.assert_close(Tapped(net, (tap,), (3, 64, 64))(x), wanted.flatten(1), rtol=1e-4, atol=1e-4)
    assert find_layer(net, "resnet18", "module:conv1").module == "conv1"


def test_users_and_timms_networks_have_no_names_of_papers() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3))
    assert paper_names("my/alexnet.py:alexnet", net) == paper_names("timm:vgg16", net) == {}
