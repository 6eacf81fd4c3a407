"""The networks' tensors and counts against torchvision's and timm's lists, separate counts, and the papers."""

import csv
import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from neocog.errors import UserError
from neocog.models import ALIASES, MODELS, build, canonical
from neocog.models.efficientnet import SCALES, round_channels

GOLDEN = Path(__file__).parent / "golden"
# state dicts (name -> shape, in order), parameters and MACs of torchvision 0.29.2 and timm 1.0.31, written by them
PEERS: dict[str, dict[str, Any]] = json.loads(gzip.decompress((GOLDEN / "state_dicts.json.gz").read_bytes()))


def rows(name: str) -> list[dict[str, str]]:
    lines = (GOLDEN / name).read_text("utf-8").splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def ours(peer: str) -> tuple[str, dict[str, Any]]:
    """Our name and options of the network that `library/name` is."""
    library, _, name = peer.partition("/")
    if name.startswith("googlenet"):
        return "googlenet", {"aux": name == "googlenet"}
    if library == "timm" and ("lite" in name or "_l2" in name):
        return name.removeprefix("tf_"), {}
    return name, {}


def on_meta(name: str, **options: Any) -> nn.Module:
    with torch.device("meta"):
        return build(name, **options)


def shapes(net: nn.Module) -> dict[str, list[int]]:
    return {name: list(tensor.shape) for name, tensor in net.state_dict().items()}


def parameters(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


@cache
def macs(name: str, *size: int) -> int:
    """As torch counts them: convolutions, linear layers and attention, without biases."""
    net = on_meta(name).eval()
    with FlopCounterMode(display=False) as counter:
        net(torch.empty(1, *size, device="meta"))
    return counter.get_total_flops() // 2


@pytest.mark.parametrize("peer", PEERS)
def test_tensors_have_the_peers_names_and_shapes_in_the_peers_order(peer: str) -> None:
    name, options = ours(peer)
    assert list(shapes(on_meta(name, **options)).items()) == list(PEERS[peer]["shapes"].items())


@pytest.mark.parametrize("peer", [peer for peer in PEERS if PEERS[peer]["macs"]])
def test_parameters_and_macs_are_the_peers(peer: str) -> None:
    name, options = ours(peer)
    net, golden = on_meta(name, **options), PEERS[peer]
    assert parameters(net) == golden["params"]
    assert macs(name, *golden["input"][1:]) == golden["macs"]


@pytest.mark.parametrize("row", rows("counts.csv"), ids=lambda row: row["name"])
def test_parameters_and_macs_are_those_of_a_separate_count(row: dict[str, str]) -> None:
    net, size = on_meta(row["name"]), int(row["size"])
    assert parameters(net) == int(row["params"])
    assert macs(row["name"], MODELS[row["name"]].input_size[0], size, size) == int(row["macs"])


@pytest.mark.parametrize("row", rows("papers.csv"), ids=lambda row: f"{row['name']} {row['figure']}")
def test_what_the_paper_prints_is_ours_rounded(row: dict[str, str]) -> None:
    net = on_meta(row["name"])
    count = (
        parameters(net) if row["figure"] == "params" else macs(row["name"], *MODELS[row["name"]].input_size)
    )
    digits = len(row["printed"].partition(".")[2])
    assert f"{count / int(row['unit']):.{digits}f}" == row["printed"], row["source"]


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("googlenet_2014", {"aux": True}, 13_378_280),  # Caffe's bvlc_googlenet
        ("resnetv2_152x4_bit", {"num_classes": 0}, 928_340_224),  # "928 million", Kolesnikov et al. 2020
        ("resnetv2_152x4_bit", {"num_classes": 21_843}, 1_107_299_923),  # ImageNet-21k's classes
        ("vit_huge_patch14_224", {"num_classes": 0}, 630_764_800),  # timm's, which comes without a classifier
        ("resnet110_cifar", {"num_classes": 100}, 1_733_812),
        ("alexnet", {"num_classes": 0}, 61_100_840 - 4_097_000),
    ],
)
def test_options_change_the_count_as_they_should(name: str, options: dict[str, Any], expected: int) -> None:
    assert parameters(on_meta(name, **options)) == expected


def test_every_model_is_held_against_somebody_elses_count() -> None:
    """The Neocognitron's and LeNet-5's stand in their own tests, CaffeNet's and the rest here."""
    counted = {row["name"] for row in [*rows("counts.csv"), *rows("papers.csv")]}
    counted |= {ours(peer)[0] for peer in PEERS}
    # the same function and table as a counted one, with batch norm, another size or another patch
    derived = {"vgg16_c_bn", "vgg11_lrn_bn", *(name for name in MODELS if name.startswith("vit_"))}
    assert set(MODELS) - counted - derived == {"neocognitron", "neocognitron_1988"}


@pytest.mark.parametrize("name", ["vgg16_c", "vgg11_lrn"])
def test_batch_norm_adds_two_parameters_for_each_map_of_each_convolution(name: str) -> None:
    plain, normed = on_meta(name), on_meta(f"{name}_bn")
    maps = sum(layer.out_channels for layer in plain.modules() if isinstance(layer, nn.Conv2d))
    assert parameters(normed) - parameters(plain) == 2 * maps


def vit_count(dim: int, depth: int, patch: int, side: int) -> int:
    """Parameters of a Vision Transformer in closed form (Dosovitskiy et al. 2021, section 3.1)."""
    tokens = (side // patch) ** 2 + 1
    block = 2 * 2 * dim + (3 * dim * dim + 3 * dim) + (dim * dim + dim) + (8 * dim * dim + 5 * dim)
    embedding = 3 * patch**2 * dim + dim + dim + tokens * dim
    return embedding + depth * block + 2 * dim + 1000 * dim + 1000


@pytest.mark.parametrize("name", [name for name in MODELS if name.startswith("vit_")])
def test_a_vit_has_as_many_parameters_as_its_formula(name: str) -> None:
    _, size, patch, side = name.split("_")
    dim, depth = {
        "tiny": (192, 12),
        "small": (384, 12),
        "base": (768, 12),
        "large": (1024, 24),
        "huge": (1280, 32),
    }[size]
    assert parameters(on_meta(name)) == vit_count(dim, depth, int(patch.removeprefix("patch")), int(side))


INPUTS = {  # Tan and Le 2019, table 8 of the code's README; Xie et al. 2020 for L2; Lite's README
    **dict(zip((f"b{n}" for n in range(8)), (224, 240, 260, 300, 380, 456, 528, 600), strict=True)),
    "l2": 800,
    **dict(zip((f"lite{n}" for n in range(5)), (224, 240, 260, 280, 300), strict=True)),
}


@pytest.mark.parametrize("name", [name for name in MODELS if "efficientnet" in name])
def test_each_efficientnet_has_the_input_size_its_authors_gave_it(name: str) -> None:
    size = INPUTS[name.rpartition("_")[2]]
    assert MODELS[name].input_size == (3, size, size)


@given(st.floats(1, 2000))
def test_a_width_becomes_the_nearest_multiple_of_eight_that_is_not_a_tenth_below(width: float) -> None:
    allowed = [n for n in range(8, 2100, 8) if n >= 0.9 * width]
    assert round_channels(width) == min(allowed, key=lambda n: (abs(n - width), -n))


def test_the_scales_of_the_forms_are_all_offered() -> None:
    assert {name.rpartition("_")[2] for name in MODELS if "efficientnet" in name} == set(SCALES)


@pytest.mark.parametrize(
    ("other", "name"),
    [
        ("VGG-D", "vgg16"),
        ("vgg_a_lrn", "vgg11_lrn"),
        ("vit_b_16", "vit_base_patch16_224"),
        ("ViT-H/14", "vit_huge_patch14_224"),
        ("vit_l_32", "vit_large_patch32_224"),
        ("LeNet-5", "lenet5"),
        ("ResNet50", "resnet50"),
        ("BiT-R152x4", "resnetv2_152x4_bit"),
    ],
)
def test_a_network_answers_to_its_other_names(other: str, name: str) -> None:
    assert canonical(other) == name


def test_no_alias_hides_a_model() -> None:
    assert not set(ALIASES) & set(MODELS)
    assert set(ALIASES.values()) <= set(MODELS)


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match="unknown model 'lenet6'; did you mean lenet5"):
        build("lenet6")


def test_an_unknown_option_is_refused_with_those_there_are() -> None:
    with pytest.raises(UserError, match="unknown option of vgg16 'dropuot'; did you mean dropout"):
        build("vgg16", dropuot=0.1)
    with pytest.raises(UserError, match="unknown option of vit_tiny_patch16_224 'gelo'; did you mean gelu"):
        build("vit_tiny_patch16_224", gelo="tanh")
    with pytest.raises(UserError, match="unknown gelu 'tan'; did you mean tanh"):
        build("vit_tiny_patch16_224", gelu="tan")


@pytest.mark.parametrize("options", [{"num_classes": -1}, {"in_chans": 0}])
def test_a_network_for_nothing_is_refused(options: dict[str, int]) -> None:
    with pytest.raises(UserError, match="num_classes must be at least 0 and in_chans at least 1, got"):
        build("lenet5_modern", **options)
