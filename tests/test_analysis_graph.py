"""The graph of a network: edges typed by hand, totals counted by torch, blocks from the papers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from neocog.analysis.graph import bars_of, graph_of
from neocog.analysis.table import Summary, summarize
from neocog.draw.network import Graph, folded
from neocog.models import MODELS, build


class Residual(nn.Module):
    """conv - conv - add, around which the input goes."""

    def __init__(self, width: int):
        super().__init__()
        self.conv1, self.conv2 = (nn.Conv2d(width, width, 3, padding=1) for _ in range(2))
        self.bn = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.bn(self.conv2(self.conv1(x))) + x)


class Branches(nn.Module):
    """Three branches, one of them two layers long, joined by cat."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)
        self.a, self.b, self.c = nn.Conv2d(8, 4, 1), nn.Conv2d(8, 4, 1), nn.Conv2d(4, 4, 3, padding=1)
        self.pool = nn.MaxPool2d(3, stride=1, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return torch.cat([self.a(x), self.c(self.b(x)), self.pool(x)], 1)


class Gate(nn.Module):
    """Squeeze and excite: a conv's output times what two 1 x 1 convs make of its mean."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.less, self.more = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 2, 1), nn.Conv2d(2, 8, 1)
        self.last = nn.Conv2d(8, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        gate = self.more(torch.relu(self.less(x.mean((2, 3), keepdim=True))))
        return self.last(x * torch.sigmoid(gate))


class Positions(nn.Module):
    """Adds a parameter, cast to the type of what it is added to."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.places = nn.Conv2d(3, 4, 1), nn.Parameter(torch.zeros(1, 4, 8, 8))

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return x + self.places.to(x)


class Hourglass(nn.Module):
    """Equal blocks; the output of the first goes around the second and third."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 1)
        self.blocks = nn.ModuleList([Residual(4) for _ in range(4)])

    def forward(self, x: Tensor) -> Tensor:
        first = self.blocks[0](self.stem(x))
        return self.blocks[3](self.blocks[2](self.blocks[1](first)) + first)


def graph(net: nn.Module, *size: int) -> Graph:
    return graph_of(summarize(net, size or (3, 16, 16)))


def named(found: Graph) -> set[tuple[str, str]]:
    names = {-1: "picture", **{i: node.label for i, node in enumerate(found.nodes)}}
    return {(names[a], names[b]) for a, b in found.edges}


def of_model(name: str) -> Summary:
    with torch.device("meta"):
        return summarize(build(name), MODELS[name].input_size, name=name)


def test_a_chain_is_a_path() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(196, 5))
    found = graph(net)
    assert named(found) == {
        ("picture", "conv1"),
        ("conv1", "pool1"),
        ("pool1", "flatten"),
        ("flatten", "fc2"),
    }
    assert [node.kind for node in found.nodes] == ["conv", "pool", "other", "linear"]


def test_a_skip_ends_in_a_join() -> None:
    found = graph(nn.Sequential(nn.Conv2d(3, 4, 1), Residual(4)))
    assert sorted(found.edges) == [(-1, 0), (0, 1), (0, 3), (1, 2), (2, 3)]
    assert [node.op for node in found.nodes] == ["conv2d", "conv2d", "conv2d", "add"]
    assert [node.kind for node in found.nodes][-1] == "join"


def test_branches_meet_in_cat() -> None:
    assert named(graph(Branches())) == {
        ("picture", "stem"),
        ("stem", "a"),
        ("stem", "b"),
        ("b", "c"),
        ("stem", "pool"),
        ("a", "cat"),
        ("c", "cat"),
        ("pool", "cat"),
    }


def test_a_gate_is_a_join_of_its_own() -> None:
    found = graph(Gate())
    assert named(found) == {
        ("picture", "conv"),
        ("conv", "mean"),
        ("mean", "less"),
        ("less", "more"),
        ("more", "mul"),
        ("conv", "mul"),
        ("mul", "last"),
    }
    assert next(node for node in found.nodes if node.label == "mul").output_size == (8, 14, 14)


def test_a_parameter_cast_to_the_type_of_a_map_joins_nothing() -> None:
    found = graph(Positions(), 3, 8, 8)
    assert [(node.op, node.params) for node in found.nodes] == [("conv2d", 3 * 4 + 4 + 4 * 8 * 8)]


def test_a_kernel_is_written_with_what_is_unusual() -> None:
    net = nn.Sequential(
        nn.Conv2d(4, 8, 3, stride=2),
        nn.Conv2d(8, 8, (1, 5), groups=8),
        nn.Conv2d(8, 8, 3, dilation=2, groups=2),
        nn.MaxPool2d((2, 1)),
    )
    windows = [node.window for node in graph(net, 4, 32, 32).nodes]
    assert windows == ["3x3 / 2", "1x5, depthwise", "3x3, dilation 2, 2 groups", "2x1 / 2x1"]


def test_every_pool_of_googlenet_is_a_node() -> None:
    """Table 1 of Szegedy et al.: four max pools, one average pool, and one pool in each of nine inceptions."""
    found = graph_of(of_model("googlenet"))
    assert sum(node.kind == "pool" for node in found.nodes) == 4 + 1 + 9
    assert sum(node.op == "cat" for node in found.nodes) == 9


def test_resnet_joins_twice_the_paths_of_its_blocks() -> None:
    found = graph_of(of_model("resnet50"))
    joins = [i for i, node in enumerate(found.nodes) if node.op == "add"]
    assert len(joins) == 3 + 4 + 6 + 3
    assert all(sum(b == i for _, b in found.edges) == 2 for i in joins)


@pytest.mark.parametrize(
    ("name", "repeats"),
    [
        ("resnet50", [1, 2, 1, 3, 1, 5, 1, 2]),
        ("resnet152", [1, 2, 1, 7, 1, 35, 1, 2]),
        ("vit_base_patch16_224", [12]),
    ],
)
def test_equal_blocks_fold_as_the_papers_count_them(name: str, repeats: list[int]) -> None:
    """He et al., table 1, the first block of a stage apart; Dosovitskiy et al., table 1."""
    small = folded(graph_of(of_model(name)))
    assert [block.repeat for block in small.blocks] == repeats


def test_a_folded_graph_keeps_its_ends() -> None:
    small = folded(
        graph(nn.Sequential(nn.Conv2d(3, 4, 1), *(Residual(4) for _ in range(5)), nn.Conv2d(4, 2, 1)))
    )
    assert sorted(small.edges) == [(-1, 0), (0, 1), (0, 3), (1, 2), (2, 3), (3, 4)]
    assert (small.blocks[0].name, small.blocks[0].last, small.blocks[0].repeat) == ("1", "5", 5)


def test_unequal_blocks_do_not_fold() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 1), Residual(4), nn.Conv2d(4, 6, 1), Residual(6))
    assert folded(graph(net)) == graph(net)


def test_blocks_that_are_passed_by_do_not_fold_into_what_they_pass() -> None:
    found = graph(Hourglass())
    assert [block.repeat for block in folded(found).blocks] == [1, 2, 1]
    assert [(a, b) for a, b in folded(found).edges if b - a > 3] == [(3, 7)]


@pytest.mark.parametrize(
    "name", ["alexnet", "googlenet", "resnet18", "efficientnet_b0", "vit_tiny_patch16_224"]
)
def test_every_parameter_and_product_is_in_one_node(name: str) -> None:
    with torch.device("meta"):
        net = build(name).eval()
        counter = FlopCounterMode(display=False)
        with counter:
            net(torch.empty(1, *MODELS[name].input_size))
    found = graph_of(of_model(name))
    assert found.params == sum(p.numel() for p in net.parameters())
    assert found.macs == counter.get_total_flops() // 2


@pytest.mark.parametrize(
    "name", ["lenet5", "neocognitron", "googlenet", "efficientnet_b0", "resnetv2_50x1_bit"]
)
def test_edges_lead_forward_and_every_node_is_reached(name: str) -> None:
    with torch.device("cpu" if name in ("lenet5", "neocognitron") else "meta"):
        net = build(name)
    found = graph_of(summarize(net, MODELS[name].input_size))
    assert all(a < b for a, b in found.edges)
    assert {b for _, b in found.edges} == set(range(len(found.nodes)))


def test_stages_have_the_sizes_of_the_paper() -> None:
    """He et al., table 1: output sizes 112, 56, 28, 14, 7, 1."""
    found = graph_of(of_model("resnet50"))
    assert [stage[0] for stage in found.stages] == [
        "112 × 112",
        "56 × 56",
        "28 × 28",
        "14 × 14",
        "7 × 7",
        "vector",
    ]
    first = {node.module.split(".")[0]: node.stage for node in reversed(found.nodes)}
    assert [first[f"layer{n}"] for n in (1, 2, 3, 4)] == [1, 2, 3, 4]


def test_depth_one_shows_the_top_modules() -> None:
    with torch.device("meta"):
        net = build("resnet18")
    small = graph_of(summarize(net, (3, 224, 224)), depth=1)
    assert [n.label for n in small.nodes] == [
        "conv1",
        "maxpool",
        *(f"layer{i}" for i in (1, 2, 3, 4)),
        "avgpool",
        "fc",
    ]
    assert [n.params for n in small.nodes if n.label == "layer1"] == [
        sum(p.numel() for p in net.layer1.parameters())
    ]
    assert small.edges == tuple((i - 1, i) for i in range(8))


def test_blocks_are_found_by_numbers_in_their_names() -> None:
    """torchvision's ViT: encoder.layers.encoder_layer_0 and on."""
    layers = nn.Sequential()
    for i in range(3):
        layers.add_module(f"layer_{i}", Residual(4))
    net = nn.Sequential(nn.Conv2d(3, 4, 1), layers)
    assert [(b.name, b.repeat) for b in folded(graph(net)).blocks] == [("1.layer_0", 3)]


def test_bars_have_the_kind_and_the_number_of_their_row() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(784, 5))
    bars = bars_of(summarize(net, (3, 16, 16)), "params")
    assert [(bar.label, bar.kind, bar.value) for bar in bars] == [
        ("conv1", "conv", 4 * 27 + 4),
        ("flatten", "other", 0),
        ("fc2", "linear", 784 * 5 + 5),
    ]
