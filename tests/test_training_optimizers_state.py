"""An optimizer's memory as named tensors: put back, it goes on bit for bit; what does not fit is refused."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from neocog.errors import UserError
from neocog.training.optimizers.make import Measures, make_optimizer
from neocog.training.optimizers.state import optimizer_tensors, restore_optimizer
from neocog.training.recipes.recipe import OPTIMIZERS, Recipe

PLAIN = Recipe(lr=0.01)
GROUPED = Recipe(lr=0.01, layer_decay=0.5, head_lr=3.0)


@pytest.fixture(autouse=True)
def one_thread(two_threads: None) -> None:
    """Networks this small only wait for a second one."""
    torch.set_num_threads(1)


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.Tanh(), nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(16, 5)
    )


def named(recipe: Recipe, name: str) -> Recipe:
    return Recipe(optimizer=name, lr=recipe.lr, layer_decay=recipe.layer_decay, head_lr=recipe.head_lr)


def loss(logits: Tensor, targets: Tensor) -> Tensor:
    return nn.functional.cross_entropy(logits, targets, reduction="none")


def batch(step: int) -> tuple[Tensor, Tensor]:
    draws = torch.Generator().manual_seed(step)
    return torch.randn(8, 1, 6, 6, generator=draws), torch.randint(5, (8,), generator=draws)


def train(net: nn.Module, optimizer: torch.optim.Optimizer, steps: range) -> None:
    for step in steps:
        if isinstance(optimizer, Measures) and step == 0:
            optimizer.measure(net, [batch(99)], loss)
        pixels, targets = batch(step)
        optimizer.zero_grad()
        loss(net(pixels), targets).mean().backward()
        optimizer.step()


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_put_back_it_goes_on_bit_for_bit(name: str, layout: torch.memory_format) -> None:
    """Also in other groups, in another order, and with weights that lie otherwise in memory than the stored tensors."""
    recipe = named(GROUPED, name)
    net = network().to(memory_format=layout)
    optimizer = make_optimizer(net, recipe)
    train(net, optimizer, range(3))
    weights = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    kept = {key: tensor.clone() for key, tensor in optimizer_tensors(optimizer, net).items()}
    assert all(tensor.is_contiguous() for tensor in kept.values())

    again = network(seed=1).to(memory_format=layout)
    again.load_state_dict(weights)
    fresh = make_optimizer(again, recipe)
    fresh.param_groups.reverse()
    restore_optimizer(fresh, again, kept)
    train(net, optimizer, range(3, 6))
    train(again, fresh, range(3, 6))
    for key, tensor in net.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[key]), key

    cold = network(seed=1)
    cold.load_state_dict(weights)
    other = make_optimizer(cold, recipe)
    if not isinstance(other, Measures):  # what was kept matters: without it the weights come out otherwise
        train(cold, other, range(3, 6))
        assert not all(torch.equal(t, cold.state_dict()[key]) for key, t in net.state_dict().items())


def test_names_are_those_of_the_parameters() -> None:
    net = network()
    optimizer = make_optimizer(net, named(PLAIN, "adamw"))
    assert optimizer_tensors(optimizer, net) == {}
    train(net, optimizer, range(2))
    kept = optimizer_tensors(optimizer, net)
    layers = [f"{i}.{kind}" for i in (0, 2, 5) for kind in ("weight", "bias")]
    assert set(kept) == {f"{what}.{name}" for what in ("exp_avg", "exp_avg_sq", "step") for name in layers}
    assert kept["step.5.bias"].shape == () and kept["step.5.bias"] == 2
    assert kept["exp_avg.2.weight"].shape == (4, 3, 3, 3)


def test_put_back_tensors_are_copies() -> None:
    net = network()
    optimizer = make_optimizer(net, named(PLAIN, "sgd"))
    train(net, optimizer, range(1))
    kept = {key: tensor.clone() for key, tensor in optimizer_tensors(optimizer, net).items()}
    given = {key: tensor.clone() for key, tensor in kept.items()}
    restore_optimizer(optimizer, net, given)
    train(net, optimizer, range(1, 3))
    assert all(torch.equal(given[key], kept[key]) for key in kept)


def trained(name: str) -> dict[str, Tensor]:
    net = network()
    optimizer = make_optimizer(net, named(PLAIN, name))
    train(net, optimizer, range(1))
    return optimizer_tensors(optimizer, net)


def without(key: str) -> Callable[[dict[str, Tensor]], dict[str, Tensor]]:
    return lambda kept: {name: tensor for name, tensor in kept.items() if name != key}


@pytest.mark.parametrize(
    ("of", "into", "change", "words"),
    [
        (
            "adamw",
            "sgd",
            dict,
            "same optimizer and parameters, got (step|exp_avg).0.weight, which SGD does not",
        ),
        ("sgd", "lamb", dict, "got momentum_buffer.0.weight, which Lamb does not keep"),
        (
            "adamw",
            "adamw",
            lambda kept: {key.replace(".5.", ".7."): tensor for key, tensor in kept.items()},
            "got exp_avg.7.weight|got step.7.weight",
        ),
        (
            "adamw",
            "adamw",
            lambda kept: kept | {"exp_avg.5.weight": torch.zeros(7, 16)},
            r"got exp_avg.5.weight of shape \(7, 16\) for \(5, 16\)",
        ),
        ("rmsprop-tf", "rmsprop-tf", without("velocity.2.bias"), "of each parameter, got no velocity.2.bias"),
        ("krizhevsky", "rmsprop-tf", dict, "got no square_avg.0.weight"),
    ],
)
def test_what_does_not_fit_is_refused(
    of: str, into: str, change: Callable[[dict[str, Tensor]], dict[str, Tensor]], words: str
) -> None:
    kept = change(trained(of))
    net = network()
    optimizer = make_optimizer(net, named(PLAIN, into))
    train(net, optimizer, range(1))
    before = {key: tensor.clone() for key, tensor in optimizer_tensors(optimizer, net).items()}
    with pytest.raises(UserError, match=words):
        restore_optimizer(optimizer, net, kept)
    after = optimizer_tensors(optimizer, net)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_sgd_without_momentum_keeps_nothing() -> None:
    net = network()
    optimizer = make_optimizer(net, Recipe(optimizer="sgd", momentum=0))
    train(net, optimizer, range(2))
    assert optimizer_tensors(optimizer, net) == {}
    with pytest.raises(UserError, match="got momentum_buffer.0.weight, which SGD does not keep"):
        restore_optimizer(optimizer, net, trained("sgd"))
