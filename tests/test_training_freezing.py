"""What is frozen does not move by a bit while the rest learns."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neocog.errors import UserError
from neocog.layers.batch_norm import BatchNorm2d
from neocog.layers.chain import chain
from neocog.training.network.freezing import freeze, held_still
from neocog.training.recipes.recipe import Recipe


def network(norm: type[nn.Module] = nn.BatchNorm2d) -> nn.Sequential:
    return chain(
        stem=chain(conv=nn.Conv2d(1, 4, 3), bn=norm(4), relu=nn.ReLU()),
        body=chain(conv=nn.Conv2d(4, 6, 3), bn=norm(6), relu=nn.ReLU()),
        pool=nn.AdaptiveAvgPool2d(1),
        flatten=nn.Flatten(),
        fc=nn.Linear(6, 3),
    )


def trained(net: nn.Module, recipe: Recipe) -> tuple[dict[str, Tensor], set[str]]:
    """The state before three steps of SGD, and the names of what they changed."""
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], 0.1, weight_decay=0.1)
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        net.train()
        held_still(net, recipe)
        logits = net(torch.randn(8, 1, 9, 9, generator=generator))
        optimizer.zero_grad()
        F.cross_entropy(logits, torch.arange(8) % 3).backward()
        optimizer.step()
    return before, {
        name for name, tensor in net.state_dict().items() if not torch.equal(tensor, before[name])
    }


NORM = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}


@pytest.mark.parametrize("norm", [nn.BatchNorm2d, BatchNorm2d])
def test_frozen_batch_norms_do_not_move_and_all_else_does(norm: type[nn.Module]) -> None:
    net, recipe = network(norm), Recipe(freeze_bn=True)
    assert freeze(net, recipe) == 2 * 4 + 2 * 6
    _, moved = trained(net, recipe)
    assert moved == {
        f"{layer}.{own}" for layer in ("stem.conv", "body.conv", "fc") for own in ("weight", "bias")
    }


def test_batch_norms_of_a_frozen_part_keep_their_statistics() -> None:
    net, recipe = network(), Recipe(freeze=("stem.*",))
    assert freeze(net, recipe) == 4 * 9 + 4 + 2 * 4
    _, moved = trained(net, recipe)
    assert moved == {f"body.bn.{own}" for own in NORM} | {
        f"{layer}.{own}" for layer in ("body.conv", "fc") for own in ("weight", "bias")
    }


def test_the_statistics_of_a_norm_whose_shift_alone_is_frozen_move_on() -> None:
    net, recipe = network(), Recipe(freeze=("*.bn.bias", "fc.weight"))
    assert freeze(net, recipe) == 4 + 6 + 18
    _, moved = trained(net, recipe)
    assert {"stem.bn.running_mean", "stem.bn.weight", "fc.bias"} <= moved
    assert not {"stem.bn.bias", "body.bn.bias", "fc.weight"} & moved


def test_synchronised_batch_norm_is_held_too() -> None:
    net = nn.SyncBatchNorm.convert_sync_batchnorm(network())
    recipe = Recipe(freeze_bn=True)
    freeze(net, recipe)
    net.train()
    held_still(net, recipe)
    modes = {name: layer.training for name, layer in net.named_modules()}
    assert {name for name, training in modes.items() if not training} == {"stem.bn", "body.bn"}
    assert not net.get_parameter("stem.bn.weight").requires_grad


def test_statistics_alone_stay_where_scale_and_shift_are_to_learn() -> None:
    net, recipe = network(), Recipe(freeze_bn_stats=True)
    assert freeze(net, recipe) == 0
    _, moved = trained(net, recipe)
    still = {f"{bn}.{own}" for bn in ("stem.bn", "body.bn") for own in NORM - {"weight", "bias"}}
    assert moved == set(net.state_dict()) - still


def test_nothing_is_frozen_unless_asked() -> None:
    net = network()
    assert freeze(net, Recipe()) == 0
    _, moved = trained(net, Recipe())
    assert moved == set(net.state_dict())


def test_a_pattern_without_parameters_is_told_its_neighbours() -> None:
    with pytest.raises(UserError, match=r"unknown parameters to freeze 'sten\.\*'; did you mean stem\.\*"):
        freeze(network(), Recipe(freeze=("sten.*",)))
    with pytest.raises(UserError, match=r"'stem'; did you mean stem\.\*"):
        freeze(network(), Recipe(freeze=("stem",)))


def test_freezing_all_is_refused() -> None:
    recipe = replace(Recipe(), freeze=("stem.*", "body.*", "fc.*"))
    with pytest.raises(UserError, match="leaves nothing to train"):
        freeze(network(), recipe)
