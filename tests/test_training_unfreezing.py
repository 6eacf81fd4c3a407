"""Which blocks learn in which epoch, what the others do meanwhile, and that no break shows."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor, nn

from neocog.data.loading.workers import Workers
from neocog.errors import UserError
from neocog.models import build
from neocog.training.loop import Setting, Task
from neocog.training.network.unfreezing import blocks_learning
from neocog.training.optimizers.groups import layer_blocks
from neocog.training.processes.distributed import World
from neocog.training.recipes.recipe import Recipe
from neocog.training.resume.saving import Saving
from quarters import GREY, STILL, bits, bright_quarters, drawn, run, task
from worlds import in_world

TASK = replace(task(), workers=Workers(0))
STEP = replace(STILL, epochs=6, batch_size=16, lr=0.05)


def layered() -> nn.Sequential:
    """Four blocks of 40 + 8, 97 x 6, 7 x 5 and 6 x 4 numbers: a convolution with batch norm, three linear layers."""
    layers = (nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(96, 6), nn.ReLU())
    return drawn(*layers, nn.Dropout(0.2), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4))


SIZES = [24, 35, 582, 48]
"""numbers in each block, the last layer first"""


def ulmfit(epoch: int, alone: int, each: int, blocks: int) -> int:
    """By doing it: begin with the last layer, wait, then thaw one block and wait, until all learn."""
    learning, left = 1, alone
    for _ in range(epoch):
        left -= 1
        if not left and learning < blocks:
            learning, left = learning + 1, each
    return learning


@given(st.integers(0, 40), st.integers(0, 8), st.integers(1, 5), st.integers(1, 30))
def test_blocks_thaw_one_after_the_other(epoch: int, head_epochs: int, each: int, blocks: int) -> None:
    assume(max(head_epochs, each) < 50)
    told = Recipe(epochs=50, head_epochs=head_epochs, unfreeze=each)
    assert blocks_learning(told, epoch, blocks) == ulmfit(epoch, max(head_epochs, each), each, blocks)


@given(st.integers(0, 40), st.integers(0, 8), st.integers(1, 30))
def test_without_a_pace_all_thaw_at_once(epoch: int, head_epochs: int, blocks: int) -> None:
    told = Recipe(epochs=50, head_epochs=head_epochs)
    assert blocks_learning(told, epoch, blocks) == (1 if epoch < head_epochs else blocks)


@pytest.mark.parametrize(
    ("told", "learning"),
    [
        ({"unfreeze": 1.0}, [1, 2, 3, 4, 4, 4]),  # Howard and Ruder's
        ({"unfreeze": 2.0}, [1, 1, 2, 2, 3, 3]),
        ({"unfreeze": 0.5}, [1, 3, 4, 4, 4, 4]),  # .5 is over within the first epoch, which is not divided
        ({"head_epochs": 2}, [1, 1, 4, 4, 4, 4]),
        ({"head_epochs": 3, "unfreeze": 1.0}, [1, 1, 1, 2, 3, 4]),
        ({}, [4, 4, 4, 4, 4, 4]),
    ],
)
def test_as_many_numbers_learn_in_each_epoch_as_the_schedule_says(
    told: dict[str, float], learning: list[int]
) -> None:
    net, seen = layered(), list[int]()

    def look(module: nn.Module, _: tuple[Tensor, ...]) -> None:
        if module.training:
            seen.append(sum(p.numel() for p in module.parameters() if p.requires_grad))

    net.register_forward_pre_hook(look)
    run(net, replace(STEP, batch_size=80, **told), TASK)  # type: ignore[arg-type]
    assert seen == [sum(SIZES[:blocks]) for blocks in learning]


def test_what_waits_does_not_move_by_a_bit_nor_do_its_statistics() -> None:
    """While the last layer learns alone, and the moments that AdamW keeps begin with a block's first step."""
    net = layered()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    run(net, replace(STEP, epochs=5, head_epochs=4), TASK, Setting(Saving(steps=4 * 5)))
    moved = {name for name, tensor in net.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved == {"9.weight", "9.bias"}


def test_what_is_frozen_stays_so_when_its_block_thaws() -> None:
    net = layered()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    run(net, replace(STEP, unfreeze=1.0, freeze=("4.*",)), TASK)
    moved = {name for name, tensor in net.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved == set(before) - {"4.weight", "4.bias"}
    still = {name for name, p in net.named_parameters() if not p.requires_grad}  # nor do they get gradients
    assert still == {"4.weight", "4.bias"}


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "krizhevsky"])
def test_a_run_that_is_stopped_at_random_steps_ends_with_the_same_bits(
    tmp_path: Path, optimizer: str
) -> None:
    """In every epoch another set of parameters has momentum; what is kept of each survives."""
    told = replace(STEP, optimizer=optimizer, unfreeze=1.0, average="ema", best_by="loss", lr=0.01)
    run(whole := layered(), told, TASK)
    for stop in sorted(random.Random(optimizer).sample(range(1, 30), 3)):
        run(layered(), told, TASK, Setting(Saving(folder=tmp_path, steps=stop, resume=True)))
    run(going := layered(), told, TASK, Setting(Saving(folder=tmp_path, resume=True)))
    assert bits(going) == bits(whole)


SLOW = replace(STEP, epochs=5, optimizer="sgd", weight_decay=0.0, unfreeze=1.0)


def together(world: World) -> bytes:
    part = bright_quarters(64)
    net = nn.Sequential(*(layer for layer in layered() if not isinstance(layer, nn.Dropout)))
    run(net, SLOW, Task(part, part, GREY, Workers(0)), Setting(world=world))
    return bits(net)


def test_several_processes_agree_on_what_learns() -> None:
    """Their gradients are shared by what waits for those of all parameters, unless it is told that some have none."""
    one, two = in_world(2, together)
    assert isinstance(one, bytes) and one == two
    alone = nn.Sequential(*(layer for layer in layered() if not isinstance(layer, nn.Dropout)))
    part = bright_quarters(64)
    run(alone, SLOW, Task(part, part, GREY, Workers(0)))
    here, there = (torch.frombuffer(bytearray(raw), dtype=torch.float32) for raw in (one, bits(alone)))
    torch.testing.assert_close(here, there, rtol=1e-3, atol=1e-4)


FAMILIES = (
    *("lenet5_modern", "alexnet", "vgg11", "googlenet", "resnet18", "resnetv2_50x1_bit"),
    *("efficientnet_lite0", "vit_ti_16"),
)


@pytest.mark.parametrize("name", FAMILIES)
def test_blocks_of_every_family_go_from_the_picture_to_the_last_layer(name: str) -> None:
    """By the order in which a picture passes them; the last layer is a block of its own."""
    with torch.device("meta"):
        net = build(name).eval()
    blocks = layer_blocks(net, net.head_at)
    place = {parameter: i for i, block in enumerate(blocks) for parameter in block}
    assert place.keys() == dict(net.named_parameters()).keys()
    assert {n for n, i in place.items() if i == len(blocks) - 1 and not n.startswith("aux")} == {
        f"{net.head_at}.{own}" for own, _ in net.get_classifier().named_parameters()
    }
    passed = list[int]()
    for n, module in net.named_modules():
        owned = [f"{n}.{own}".strip(".") for own, _ in module.named_parameters(recurse=False)]
        if owned:
            module.register_forward_pre_hook(lambda *_, at=place[owned[0]]: passed.append(at))
    channels, side = (1, 32) if name == "lenet5_modern" else (3, 224)
    with torch.device("meta"):
        net(torch.zeros(1, channels, side, side))
    assert passed == sorted(passed)
    assert len(set(passed)) == len(blocks) >= 4


@pytest.mark.parametrize("told", [{"head_epochs": 6}, {"unfreeze": 6.0}, {"head_epochs": 9, "unfreeze": 1.0}])
def test_a_last_layer_that_learns_alone_to_the_end_is_left_to_the_probe(told: dict[str, float]) -> None:
    with pytest.raises(UserError, match="which the recipe probe does better"):
        replace(STEP, **told)  # type: ignore[arg-type]
