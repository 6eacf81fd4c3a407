"""Dropout and stochastic depth by a recipe, and the random numbers of a step."""

import random

import numpy as np
import pytest
import torch
from torch import nn

from neocog import create_model
from neocog.errors import UserError
from neocog.layers.dropout import Dropout
from neocog.training.network.noise import set_noise
from neocog.training.randomness import as_before, seed_step
from neocog.training.recipes.recipe import Recipe
from neocog.training.threads import threads_for

CPU = torch.device("cpu")


class DropPath(nn.Module):
    """As timm's: the name and the attribute are all that it is known by."""

    def __init__(self) -> None:
        super().__init__()
        self.drop_prob = 0.0


def test_all_dropout_layers_get_the_recipes_probability() -> None:
    layers = [nn.Dropout(0.1), nn.Dropout2d(0.1), nn.Dropout3d(0.1), nn.AlphaDropout(0.1), Dropout(0.1)]
    net = nn.Sequential(*layers, nn.Linear(2, 2), DropPath())
    set_noise(net, Recipe(dropout=0.4))
    assert [layer.p for layer in layers] == [0.4] * 5
    assert net[6].drop_prob == 0.0


def test_what_a_recipe_does_not_say_stays_as_built() -> None:
    net = nn.Sequential(nn.Dropout(0.1), DropPath())
    net[1].drop_prob = 0.3
    set_noise(net, Recipe())
    assert (net[0].p, net[1].drop_prob) == (0.1, 0.3)


def test_branches_are_left_out_more_often_towards_the_end() -> None:
    net = nn.Sequential(*(DropPath() for _ in range(5)))
    set_noise(net, Recipe(drop_path=0.2))
    assert [layer.drop_prob for layer in net] == pytest.approx([0, 0.05, 0.1, 0.15, 0.2])


def test_residual_networks_are_given_something_to_leave_out() -> None:
    """Eight blocks; with all branches left out, ResNet-18's blocks pass on what the shortcut gives."""
    net = create_model("resnet18", num_classes=3)
    before = set(net.state_dict())
    set_noise(net, Recipe(drop_path=0.7))
    found = [layer.p for name, layer in net.named_modules() if name.endswith("drop_path")]
    assert found == pytest.approx([0.1 * i for i in range(8)])
    assert set(net.state_dict()) == before
    block = net.layer1[0].train()
    block.drop_path.p = 1.0
    x = torch.rand(2, 64, 4, 4)
    assert torch.equal(block(x), x)


@pytest.mark.parametrize("name", ["dropout", "drop_path"])
def test_a_network_without_anything_to_drop_is_refused(name: str) -> None:
    net = nn.Sequential(nn.Linear(2, 2))
    with pytest.raises(UserError, match=f"{name} 0.1 needs layers that drop something"):
        set_noise(net, Recipe(**{name: 0.1}))  # type: ignore[arg-type]
    set_noise(net, Recipe(**{name: 0.0}))  # type: ignore[arg-type]


def drawn() -> tuple[float, float, float]:
    return torch.rand(()).item(), float(np.random.rand()), random.random()  # noqa: NPY002, S311


def test_a_steps_random_numbers_follow_from_seed_step_and_process() -> None:
    seen = []
    with as_before(CPU):
        for seed, step, rank in [
            (0, 0, 0),
            (1, 0, 0),
            (0, 1, 0),
            (0, 0, 1),
            (0, 0, 0),
            (11, 1, 0),
            (1, 11, 0),
        ]:
            drawn()
            seed_step(seed, step, rank, CPU)
            seen.append(drawn())
    assert seen[0] == seen[4]
    for kind in zip(*seen, strict=True):
        assert len(set(kind)) == 6


def test_generators_are_afterwards_what_they_were_even_after_an_error() -> None:
    def states() -> tuple[bytes, bytes, object]:
        return torch.get_rng_state().numpy().tobytes(), np.random.get_state()[1].tobytes(), random.getstate()  # noqa: NPY002

    before = states()
    with pytest.raises(ZeroDivisionError), as_before(CPU):
        seed_step(5, 5, 5, CPU)
        drawn()
        raise ZeroDivisionError
    assert states() == before


def test_small_networks_compute_on_one_thread_for_that_long() -> None:
    """Below a million parameters; the second has just that many."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        seen = []
        for net in (nn.Linear(998, 1000), nn.Linear(999, 1000)):
            with threads_for(net):
                seen.append(torch.get_num_threads())
            seen.append(torch.get_num_threads())
        assert seen == [1, 2, 2, 2]
    finally:
        torch.set_num_threads(before)
