"""LoRA in whole networks: where it stands, what learns, and that nothing of it is left in the end."""

import copy
import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.bundle import read_snapshot
from neocog.data.loading.workers import Workers
from neocog.errors import UserError
from neocog.layers.attention import SelfAttention
from neocog.layers.chain import chain
from neocog.models import build
from neocog.models.vit import ViT, vit
from neocog.training.loop import Setting
from neocog.training.network.low_rank import add_low_rank, merge_low_rank, merged_state
from neocog.training.recipes.recipe import Recipe
from neocog.training.resume.saving import Saving
from quarters import STILL, bits, run, task

LORA = Recipe(lora=3, lora_alpha=6.0)
BESIDE = ("lora_a", "lora_b")
SIZE, GREY_SIZE = (3, 16, 16), (1, 6, 8)
TASK = replace(task(), workers=Workers(0))


def shallow(blocks: int = 2) -> ViT:
    torch.manual_seed(0)
    net = vit("tiny", 8, 16, num_classes=5)
    assert isinstance(net, ViT)
    net.blocks = net.blocks[:blocks]
    return net


class Separate(nn.Module):
    """As other libraries name them."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.ModuleList(
            chain(query=nn.Linear(6, 6), key=nn.Linear(6, 6), value=nn.Linear(6, 6)) for _ in range(2)
        )
        self.classifier = nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(nn.Sequential(*self.layer)(x))
        return logits


def test_by_default_it_stands_beside_queries_and_values() -> None:
    net = shallow()
    assert add_low_rank(net, LORA, "head", SIZE) == ["blocks.0.attn.qkv", "blocks.1.attn.qkv"]
    assert [net.blocks[i].attn.qkv.adapted for i in range(2)] == [(0, 2), (0, 2)]
    names = ["layer.0.query", "layer.0.value", "layer.1.query", "layer.1.value"]
    assert add_low_rank(Separate(), LORA, "classifier", (1, 2, 6)) == names


def test_it_and_the_last_layer_learn_and_nothing_else() -> None:
    """Of each block 2 matrices, each with 2 r d numbers; the last layer has d weights and a bias for each class."""
    net, d = shallow(), 192
    add_low_rank(net, LORA, "head", SIZE)
    learning = {name: p.numel() for name, p in net.named_parameters() if p.requires_grad}
    assert {name.rpartition(".")[2] for name in learning} == {*BESIDE, "weight", "bias"}
    assert sum(learning.values()) == 2 * 2 * (2 * 3 * d) + 5 * (d + 1)


def test_the_network_begins_as_it_was_bit_for_bit() -> None:
    net, x = shallow(), torch.randn(3, 3, 16, 16)
    before = copy.deepcopy(net)
    add_low_rank(net, LORA, "head", SIZE)
    assert torch.equal(net(x), before(x))


def steps(net: nn.Module, x: Tensor) -> None:
    optimizer = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], 0.5)
    for _ in range(3):
        optimizer.zero_grad()
        F.cross_entropy(net(x), torch.arange(len(x)) % 5).backward()
        optimizer.step()


def test_merged_after_some_steps_it_is_the_plain_network_and_computes_the_same() -> None:
    net, x = shallow(), torch.randn(6, 3, 16, 16)
    plain = {name: tensor.shape for name, tensor in net.state_dict().items()}
    first = net(x).detach()
    add_low_rank(net, LORA, "head", SIZE)
    steps(net, x)
    said, state = net(x).detach(), merged_state(net)
    assert float((said - first).abs().max()) > 0.1
    merge_low_rank(net)
    assert {name: tensor.shape for name, tensor in net.state_dict().items()} == plain
    assert float((net(x) - said).detach().abs().max()) <= 1e-5
    again = shallow()
    again.load_state_dict(state)
    assert float((again(x) - said).detach().abs().max()) <= 1e-5


def test_patterns_name_other_layers() -> None:
    net = shallow()
    added = add_low_rank(net, replace(LORA, lora_layers=("blocks.1.mlp.fc?", "*.proj")), "head", SIZE)
    assert added == ["blocks.0.attn.proj", "blocks.1.attn.proj", "blocks.1.mlp.fc1", "blocks.1.mlp.fc2"]
    fc1 = net.blocks[1].mlp.fc1
    assert (fc1.scale, fc1.lora_a.shape, fc1.lora_b.shape) == (2.0, (1, 3, 192), (1, 768, 3))
    with torch.device("meta"):
        plain = build("vgg11", num_classes=5)
    fc6, fc7 = "classifier.0", "classifier.3"
    told = replace(LORA, lora_layers=("classifier.*",))
    assert add_low_rank(plain, told, "classifier.6", (3, 224, 224)) == [fc6, fc7]


def test_alpha_is_the_rank_where_none_is_given() -> None:
    net = shallow()
    add_low_rank(net, Recipe(lora=5), "head", SIZE)
    assert net.blocks[0].attn.qkv.scale == 1


class Reads(nn.Module):
    """Uses the weights of a layer that it never calls, as timm's BEiT does."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(8, 24)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.qkv.weight)[..., :8]


def test_layers_whose_weights_others_read_are_left_alone() -> None:
    """What stands beside them would never be called. torch's encoder calls some of its own, unless it is judged."""

    def made() -> nn.Module:
        encoder = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        mlp = chain(fc1=nn.Linear(8, 16), fc2=nn.Linear(16, 8))
        return chain(
            rows=nn.Flatten(1, 2),
            reads=Reads(),
            encoder=encoder,
            mlp=mlp,
            flat=nn.Flatten(),
            head=nn.Linear(48, 5),
        )

    with pytest.raises(UserError) as refused:
        add_low_rank(made(), LORA, "head", GREY_SIZE)
    said = "linear layers of their own; name others by --lora-layers: *mlp.fc1, *mlp.fc2, mlp.fc1, mlp.fc2"
    assert str(refused.value).endswith(said)
    assert add_low_rank(made(), replace(LORA, lora_layers=("*.fc?",)), "head", GREY_SIZE) == [
        "mlp.fc1",
        "mlp.fc2",
    ]
    for pattern in ("*.out_proj", "*.linear?", "*.qkv"):
        with pytest.raises(UserError, match="unknown linear layers for LoRA"):
            add_low_rank(made(), replace(LORA, lora_layers=(pattern,)), "head", GREY_SIZE)


def test_networks_without_linear_layers_are_told_what_else_there_is() -> None:
    net = build("efficientnet_lite0", num_classes=5)
    head = net.head_at
    with pytest.raises(UserError, match="none but the last; leave --lora out"):
        add_low_rank(net, LORA, head, (3, 64, 64))
    with pytest.raises(UserError, match=r"'\*\.qvk'; did you mean \*attn\.qkv"):
        add_low_rank(shallow(), replace(LORA, lora_layers=("*.qvk",)), "head", SIZE)
    assert add_low_rank(net, Recipe(), head, (3, 64, 64)) == []


def attending() -> nn.Module:
    """Rows of a picture as tokens: (batch, 1, 6, 8) -> 4 logits."""
    torch.manual_seed(1)
    layers = {"rows": nn.Flatten(1, 2), "attend": SelfAttention(8, bias=True), "drop": nn.Dropout(0.1)}
    return chain(**layers, flat=nn.Flatten(), head=nn.Linear(48, 4))


def test_a_run_that_is_stopped_at_random_steps_ends_with_the_same_bits(tmp_path: Path) -> None:
    told = replace(STILL, epochs=3, batch_size=16, lora=2, unfreeze=1.0, lr=0.02)

    def begun() -> nn.Module:
        net = attending()
        add_low_rank(net, told, "head", GREY_SIZE)
        return net

    run(whole := begun(), told, TASK)
    for stop in sorted(random.Random(0).sample(range(1, 15), 3)):
        run(begun(), told, TASK, Setting(Saving(folder=tmp_path, steps=stop, resume=True)))
    run(going := begun(), told, TASK, Setting(Saving(folder=tmp_path, resume=True)))
    assert bits(going) == bits(whole) != bits(begun())


@pytest.mark.parametrize("average", ["none", "ema"])
def test_a_run_of_the_loop_moves_nothing_else_and_its_snapshots_are_plain_networks(
    tmp_path: Path, average: str
) -> None:
    net, told = (
        attending(),
        replace(STILL, epochs=2, lora=2, average=average, lr=0.05),
    )
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    add_low_rank(net, told, "head", GREY_SIZE)
    run(net, told, TASK, Setting(Saving(folder=tmp_path, snapshots=1)))
    now = net.state_dict()
    moved = {name for name in before if not torch.equal(before[name], now[name])}
    assert moved == {"head.weight", "head.bias"}
    kept = read_snapshot(tmp_path, 2)
    assert kept.keys() == before.keys()
    merge_low_rank(net)
    for name, tensor in net.state_dict().items():
        torch.testing.assert_close(torch.from_numpy(kept[name]), tensor, rtol=1e-6, atol=1e-7)
