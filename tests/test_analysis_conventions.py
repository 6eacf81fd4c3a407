"""Multiply-adds under each convention against the tools and papers that print them."""

import csv
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from neocog.analysis.cost import counted
from neocog.analysis.table import summarize
from neocog.errors import UserError
from neocog.layers.attention import Attention
from neocog.models import build

PRINTED = Path(__file__).parent / "golden" / "printed_counts.csv"


class Matmul(Attention):
    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self._heads(x)
        weights = (query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5).softmax(-1)
        joined: Tensor = self.proj((weights @ value).transpose(1, 2).flatten(2))
        return joined


class Module(nn.Module):
    def __init__(self, dim: int, heads: int, weights: bool = False):
        super().__init__()
        self.attention, self.weights = nn.MultiheadAttention(dim, heads, batch_first=True), weights

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.attention(x, x, x, need_weights=self.weights)[0]
        return out


def spelled(label: str) -> nn.Module:
    """A network by name, with its attention in another spelling where one is named."""
    name, _, how = label.partition(" ")
    with torch.device("meta"):
        net = build(name)
        for place, module in list(net.named_modules()):
            if how in ("matmul", "module", "weighted") and type(module) is Attention:
                dim, heads = module.proj.in_features, module.heads
                new = Matmul(dim, heads) if how == "matmul" else Module(dim, heads, how == "weighted")
                parent, _, own = place.rpartition(".")
                setattr(net.get_submodule(parent), own, new)
    return net


def printed(counter: str) -> dict[str, int]:
    """What a tool prints for each network."""
    lines = [line for line in PRINTED.read_text().splitlines() if not line.startswith("#")]
    return {row["network"]: int(row["printed"]) for row in csv.DictReader(lines) if row["counter"] == counter}


def count(label: str, convention: str) -> int:
    size = (3, 227, 227) if label == "alexnet" else (3, 224, 224)
    return summarize(spelled(label), size, convention=convention).macs


@pytest.mark.parametrize("label", printed("fvcore"))
def test_fvcore_is_reproduced_to_the_unit(label: str) -> None:
    assert count(label, "fvcore") == printed("fvcore")[label]


@pytest.mark.parametrize("label", printed("torch meta"))
def test_torchs_counter_is_reproduced_to_the_unit(label: str) -> None:
    assert count(label, "flop") == printed("torch meta")[label] == 2 * count(label, "mac")


def test_all_spellings_of_attention_cost_the_same() -> None:
    """196*768*768 + 12 * (12 N D^2 + 2 N^2 D) + 1000 D with N = 197 and D = 768."""
    expected = 196 * 768**2 + 12 * (12 * 197 * 768**2 + 2 * 197**2 * 768) + 1000 * 768
    labels = [label for label in printed("fvcore") if label.startswith("vit")]
    assert len(labels) == 4
    assert {count(label, "mac") for label in labels} == {expected}


def test_papers_leave_attentions_products_out() -> None:
    """They are what torch's counter does not see on a CPU, where attention is one fused kernel."""
    label = "vit_base_patch16_224 fused"
    without = printed("torch cpu")[label] // 2
    assert {count(name, "paper") for name in printed("fvcore") if name.startswith("vit")} == {without}


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("resnet18", 1.8),
        ("resnet34_a", 3.6),
        ("resnet50_v1", 3.9),
        ("resnet101_v1", 7.6),
        ("resnet152_v1", 11.3),
    ],
)
def test_papers_flops_are_the_residual_networks_row(name: str, billions: float) -> None:
    """He et al. 2016, table 1; the 50 layers are printed as 3.8, cut off and not rounded."""
    assert round(count(name, "paper") / 1e9, 1) == billions


def test_fvcore_counts_norms_average_pools_and_resizing_by_its_own_table() -> None:
    """Affine batch norms 2 for each number, layer norms 5, plain ones 1 and 4; bilinear resizing 4 a number."""
    nets: dict[nn.Module, int] = {
        nn.BatchNorm2d(3): 2 * 48,
        nn.BatchNorm2d(3, affine=False): 48,
        nn.GroupNorm(1, 3): 5 * 48,
        nn.LayerNorm((3, 4, 4), elementwise_affine=False): 4 * 48,
        nn.AdaptiveAvgPool2d(2): 48,
        nn.AvgPool2d(2): 0,
        nn.Upsample(scale_factor=2): 192,
        nn.Upsample(scale_factor=2, mode="bilinear"): 4 * 192,
        nn.Upsample(scale_factor=2, mode="bicubic"): 0,
    }
    for net, expected in nets.items():
        assert summarize(net, (3, 4, 4), convention="fvcore").macs == expected, net


def test_an_unknown_convention_names_the_known_ones() -> None:
    op = summarize(nn.Linear(5, 5), (4, 5)).trace.ops[1]
    with pytest.raises(UserError, match="convention 'flops'.*flop"):
        counted(op, "flops")
