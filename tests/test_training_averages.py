"""Averages against sums written out in numpy, and torch's own averaged model."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from neocog.errors import UserError
from neocog.layers.chain import chain
from neocog.training.network.averages import make_average
from neocog.training.recipes.recipe import Recipe

STEPS = 20
State = dict[str, np.ndarray]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)  # steps of these nets are too short to share


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    net = chain(conv=nn.Conv2d(1, 4, 3), bn=nn.BatchNorm2d(4), flatten=nn.Flatten(), fc=nn.Linear(36, 3))
    net.register_buffer("mask", torch.tensor([0.0, -torch.inf]))  # as attention has
    return net


def steps(net: nn.Module, start: int = 0, stop: int = STEPS) -> Iterator[int]:
    """Each step's number after the step, of SGD on what may learn."""
    optimizer = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], 0.2)
    net.train()
    for step in range(start, stop):
        generator = torch.Generator().manual_seed(step)
        logits = net(torch.randn(8, 1, 5, 5, generator=generator))
        optimizer.zero_grad()
        F.cross_entropy(logits, torch.arange(8) % 3).backward()
        optimizer.step()
        yield step


def state(net: nn.Module) -> State:
    return {name: tensor.detach().double().numpy().copy() for name, tensor in net.state_dict().items()}


def followed(recipe: Recipe, net: nn.Module) -> tuple[list[State], dict[str, Tensor]]:
    """The weights at the start and after each step, and the average after the last."""
    average = make_average(net, recipe)
    assert average is not None
    history = [state(net)]
    for step in steps(net):
        average.after_step(net, step, STEPS)
        history.append(state(net))
    return history, average.tensors()


def agree(found: dict[str, Tensor], expected: State) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in found.items():
        np.testing.assert_allclose(
            tensor.double().numpy(), expected[name], rtol=1e-4, atol=1e-6, err_msg=name
        )


@pytest.mark.parametrize(("decay", "start"), [(0.9998, 0.0), (0.3, 0.0), (0.5, 0.4)])
def test_ema_is_its_recurrence(decay: float, start: float) -> None:
    history, found = followed(Recipe(average="ema", average_decay=decay, average_from=start), network())
    expected = history[0]
    for step, new in enumerate(history[1:]):
        n = step - start * STEPS
        d = 0.0 if n < 0 else min(decay, (1 + n) / (10 + n))
        with np.errstate(invalid="ignore"):
            expected = {name: d * expected[name] + (1 - d) * new[name] for name in new}
    expected |= {name: history[-1][name] for name in ("bn.num_batches_tracked", "mask")}
    agree(found, expected)


@pytest.mark.parametrize("start", [0.0, 0.25, 0.95])
def test_polyak_is_the_plain_mean(start: float) -> None:
    history, found = followed(Recipe(average="polyak", average_from=start), network())
    from_here = history[1 + round(start * STEPS) :]
    expected = {name: np.mean([new[name] for new in from_here], axis=0) for name in history[0]}
    expected["bn.num_batches_tracked"] = history[-1]["bn.num_batches_tracked"]
    agree(found, expected)


def test_polyak_is_torchs_averaged_model() -> None:
    net = network()
    average, theirs = make_average(net, Recipe(average="polyak")), AveragedModel(net)
    assert average is not None
    for step in steps(net):
        average.after_step(net, step, STEPS)
        theirs.update_parameters(net)
    for name, parameter in theirs.module.named_parameters():
        torch.testing.assert_close(average.tensors()[name], parameter.detach())


def test_lookahead_steps_back_towards_its_slow_weights() -> None:
    """Algorithm 1 with its own loop over the inner steps, k = 6, alpha = 0.25."""
    net, twin = network(), network()
    average = make_average(net, Recipe(average="lookahead", average_decay=0.75))
    assert average is not None
    slow = {name: parameter.detach().clone() for name, parameter in twin.named_parameters()}
    for step in steps(twin):
        if step % 6 == 5:
            for name, fast in twin.named_parameters():
                slow[name] = slow[name] + 0.25 * (fast.detach() - slow[name])
                fast.data.copy_(slow[name])
    for step in steps(net):
        average.after_step(net, step, STEPS)
    for name, tensor in twin.state_dict().items():
        torch.testing.assert_close(net.state_dict()[name], tensor)
    with average.in_place_of(net):
        for name, tensor in slow.items():
            torch.testing.assert_close(net.get_parameter(name).detach(), tensor)
        assert torch.equal(net.get_buffer("bn.running_mean"), average.tensors()["bn.running_mean"])


@pytest.mark.parametrize("kind", ["ema", "polyak", "lookahead"])
def test_going_on_from_what_was_kept_is_the_same_to_the_bit(kind: str) -> None:
    recipe = Recipe(average=kind, average_decay=0.8, average_from=0.2)
    whole, parted = network(), network()
    uninterrupted, first = make_average(whole, recipe), make_average(parted, recipe)
    assert uninterrupted is not None and first is not None
    for step in steps(whole):
        uninterrupted.after_step(whole, step, STEPS)
    for step in steps(parted, 0, 8):
        first.after_step(parted, step, STEPS)
    kept = {name: tensor.clone() for name, tensor in first.tensors().items()}
    again = network(seed=5)
    again.load_state_dict(parted.state_dict())
    second = make_average(again, recipe)
    assert second is not None
    second.restore(kept)
    for step in steps(again, 8, STEPS):
        second.after_step(again, step, STEPS)
    for name, tensor in uninterrupted.tensors().items():
        assert torch.equal(second.tensors()[name], tensor), name
    for name, tensor in whole.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name


@pytest.mark.parametrize("kind", ["ema", "polyak", "lookahead"])
def test_the_average_takes_the_nets_place_and_gives_it_back(kind: str) -> None:
    net = network()
    average = make_average(net, Recipe(average=kind, average_decay=0.5))
    assert average is not None
    for step in steps(net):
        average.after_step(net, step, STEPS)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with pytest.raises(RuntimeError, match="inside"), average.in_place_of(net):
        for name, tensor in net.state_dict().items():
            assert torch.equal(tensor, average.tensors()[name])
        assert not torch.equal(net.state_dict()["fc.weight"], before["fc.weight"])
        raise RuntimeError("inside")
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensor, before[name])


@pytest.mark.parametrize("kind", ["ema", "polyak", "lookahead"])
def test_frozen_weights_stay_as_they_are_to_the_bit(kind: str) -> None:
    net = network()
    net.get_submodule("conv").requires_grad_(False)
    frozen = net.get_parameter("conv.weight").detach().clone()
    average = make_average(net, Recipe(average=kind, average_decay=0.9))
    assert average is not None
    for step in steps(net):
        average.after_step(net, step, STEPS)
    assert torch.equal(average.tensors()["conv.weight"], frozen)
    assert torch.equal(net.get_parameter("conv.weight"), frozen)


def test_the_average_of_another_network_is_refused() -> None:
    average = make_average(network(), Recipe(average="ema"))
    other = make_average(chain(conv=nn.Conv2d(1, 5, 3)), Recipe(average="ema"))
    assert average is not None and other is not None
    with pytest.raises(UserError, match=r"of another network: bn\.bias differs"):
        average.restore(other.tensors())


def test_no_average_unless_asked() -> None:
    assert make_average(network(), Recipe()) is None
