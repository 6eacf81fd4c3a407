"""What is decayed, and the rates of layers: against timm, and worked out by hand."""

import csv
from pathlib import Path

import pytest
import torch
from torch import nn

from neocog.errors import UserError
from neocog.layers.chain import chain
from neocog.models import build
from neocog.training.optimizers.groups import layer_blocks, parameter_groups
from neocog.training.recipes.recipe import Recipe

with (Path(__file__).parent / "golden" / "layer_decay.csv").open(encoding="utf-8") as file:
    TIMM = list(csv.DictReader(line for line in file if not line.startswith("#")))


def told(net: nn.Module, recipe: Recipe, head: str = "") -> dict[str, tuple[float, float]]:
    """(weight decay, scale) of each trainable parameter by its name."""
    names = {id(p): name for name, p in net.named_parameters()}
    return {
        names[id(p)]: (group["weight_decay"], group["scale"])
        for group in parameter_groups(net, recipe, head)
        for p in group["params"]
    }


@pytest.mark.parametrize("name", ["resnet18", "vit_ti_16"])
def test_decay_and_scales_are_timms(name: str) -> None:
    """timm's param_groups_layer_decay, for every parameter (benchmarks/peers/print_optimizers.py)."""
    with torch.device("meta"):
        net = build(name)
    got = told(net, Recipe(weight_decay=0.05, layer_decay=0.75))
    want = {
        row["parameter"]: (float(row["weight_decay"]), float(row["scale"]))
        for row in TIMM
        if row["network"] == name
    }
    assert got.keys() == want.keys()
    for parameter, numbers in want.items():
        assert got[parameter] == pytest.approx(numbers), parameter


class Wrapped(nn.Module):
    """As Hugging Face's classifiers: all but the head inside one module, with blocks in a list."""

    def __init__(self) -> None:
        super().__init__()
        self.classifier = nn.Linear(4, 2)  # named before what it reads
        self.inner = nn.Module()
        self.inner.mask_token = nn.Parameter(torch.zeros(1, 1, 4))
        self.inner.embed = nn.Linear(3, 4)
        self.inner.blocks = nn.ModuleList(nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4)) for _ in range(2))
        self.inner.norm = nn.LayerNorm(4)


def test_blocks_of_a_wrapped_network() -> None:
    assert layer_blocks(Wrapped(), "classifier") == [
        ["inner.mask_token", "inner.embed.weight", "inner.embed.bias"],
        [f"inner.blocks.0.{name}" for name in ("0.weight", "0.bias", "1.weight", "1.bias")],
        [
            *(f"inner.blocks.1.{name}" for name in ("0.weight", "0.bias", "1.weight", "1.bias")),
            *("inner.norm.weight", "inner.norm.bias"),
        ],
        ["classifier.weight", "classifier.bias"],
    ]


def test_blocks_of_a_chain_and_of_one_layer() -> None:
    net = chain(
        norm=nn.BatchNorm2d(1),
        c1=nn.Conv2d(1, 2, 3),
        act=nn.PReLU(),
        c2=nn.Conv2d(2, 2, 3),
        fc=nn.Linear(2, 2),
    )
    assert layer_blocks(net) == [
        ["norm.weight", "norm.bias", "c1.weight", "c1.bias", "act.weight"],
        ["c2.weight", "c2.bias"],
        ["fc.weight", "fc.bias"],
    ]
    assert layer_blocks(nn.Linear(2, 2)) == [["weight", "bias"]]


def test_every_parameter_is_in_one_block() -> None:
    for name in (
        "lenet5",
        "alexnet",
        "vgg16_bn",
        "googlenet",
        "googlenet_2014",
        "bit_r50x1",
        "efficientnet_b0",
    ):
        with torch.device("meta"):
            net = build(name)
        names = [parameter for block in layer_blocks(net) for parameter in block]
        assert sorted(names) == sorted(parameter for parameter, _ in net.named_parameters())


def test_auxiliary_heads_learn_like_the_head() -> None:
    from neocog.models.googlenet import googlenet

    with torch.device("meta"):
        net = googlenet(num_classes=10, aux=True)
    scales = told(net, Recipe(layer_decay=0.5), net.head_at)
    assert {name: scale for name, (_, scale) in scales.items() if name.startswith((*net.aside, "fc"))} == {
        name: 1.0 for name, _ in net.named_parameters() if name.startswith((*net.aside, "fc"))
    }
    assert scales["inception5b.branch1.conv.weight"][1] == 0.5


def small() -> nn.Sequential:
    return chain(conv=nn.Conv2d(1, 2, 3), norm=nn.BatchNorm2d(2), flatten=nn.Flatten(), fc=nn.Linear(2, 2))


def test_head_and_layers_multiply() -> None:
    recipe = Recipe(lr=0.2, weight_decay=0.1, layer_decay=0.5, head_lr=10)
    want = {
        "conv.weight": (0.1, 0.5),
        "conv.bias": (0.0, 0.5),
        "norm.weight": (0.0, 0.5),
        "norm.bias": (0.0, 0.5),
        "fc.weight": (0.1, 10.0),
        "fc.bias": (0.0, 10.0),
    }
    assert told(small(), recipe, "fc") == want
    assert told(small(), recipe) == want
    groups = parameter_groups(small(), recipe)
    assert [group["lr"] for group in groups] == pytest.approx([0.1, 0.1, 2.0, 2.0])


def test_equal_groups_are_one_in_the_networks_order() -> None:
    groups = parameter_groups(net := small(), Recipe(weight_decay=0.1))
    assert [(g["weight_decay"], g["scale"], len(g["params"])) for g in groups] == [(0.1, 1, 2), (0.0, 1, 4)]
    assert groups[0]["params"][0] is net.conv.weight
    assert len(parameter_groups(small(), Recipe(weight_decay=0))) == 1


def test_decay_all() -> None:
    assert {d for d, _ in told(small(), Recipe(weight_decay=0.1, decay_all=True)).values()} == {0.1}


def test_norms_of_two_axes_and_what_a_network_states_are_not_decayed() -> None:
    class Stated(nn.Sequential):
        def no_weight_decay(self) -> set[str]:
            return {"1.weight"}

    net = Stated(nn.LayerNorm((2, 3)), nn.Linear(3, 3), nn.Linear(3, 3))
    assert [name for name, (decay, _) in told(net, Recipe(weight_decay=0.1)).items() if decay] == ["2.weight"]


def test_frozen_parameters_are_left_out_and_scales_stay() -> None:
    net = small()
    net.fc.requires_grad_(False)
    assert told(net, Recipe(weight_decay=0.1, layer_decay=0.5), "fc")["conv.weight"] == (0.1, 0.5)
    assert "fc.weight" not in told(net, Recipe(), "fc")
    net.requires_grad_(False)
    with pytest.raises(UserError, match="got none that is not frozen"):
        parameter_groups(net, Recipe())


def test_an_unknown_head_is_an_error() -> None:
    with pytest.raises(UserError, match="unknown last layer 'fd'; did you mean fc"):
        parameter_groups(small(), Recipe(), "fd")
