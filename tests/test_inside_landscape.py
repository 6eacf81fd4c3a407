"""The loss around a network's weights: against literal loops, and on networks whose landscape is known."""

import copy
from collections.abc import Mapping

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neocog.errors import UserError
from neocog.inside.learning.landscape import (
    losses_between,
    plane_losses,
    random_direction,
    slice_losses,
)
from neocog.inside.learning.task import Task
from reference.landscape import filter_normalised


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    net = nn.Sequential(
        nn.Conv2d(2, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(5 * 36, 3)
    )
    for buffer in net.buffers():
        if buffer.is_floating_point():
            buffer.add_(torch.rand_like(buffer))
    return net


def task(mirrored: bool = False) -> Task:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(150, 2, 8, 8, generator=generator)
    return Task(x, torch.randint(3, (150,), generator=generator), mirrored)


def test_a_direction_is_normalised_filter_by_filter() -> None:
    net, generator = network(), torch.Generator().manual_seed(7)
    direction = random_direction(net, generator)
    again = torch.Generator().manual_seed(7)
    for name, p in net.named_parameters():
        if p.dim() < 2:
            assert not direction[name].any()
            continue
        drawn = torch.randn(p.shape, generator=again).double().numpy()
        np.testing.assert_allclose(
            direction[name].numpy(), filter_normalised(drawn, p.detach().double().numpy()), rtol=2e-5
        )
    assert direction.keys() == dict(net.named_parameters()).keys()


def test_losses_are_those_of_a_copy_whose_weights_were_moved() -> None:
    net, given = network(), task()
    first, second = (random_direction(net, torch.Generator().manual_seed(seed)) for seed in (0, 1))
    steps = (-1.0, 0.0, 0.5)

    def by_hand(a: float, b: float) -> float:
        other = copy.deepcopy(net).eval()
        with torch.no_grad():
            for name, p in other.named_parameters():
                p.add_(a * first[name] + b * second[name])
            return F.cross_entropy(other(given.x), given.truth).item()

    found = slice_losses(net, given, first, steps)
    np.testing.assert_allclose(found, [by_hand(step, 0) for step in steps], rtol=1e-5)
    plane = plane_losses(net, given, (first, second), steps)
    np.testing.assert_allclose(plane, [[by_hand(a, b) for a in steps] for b in steps], rtol=1e-5)


def test_the_line_between_two_states_mixes_weights_and_running_statistics() -> None:
    net, other, given = network(0), network(1), task()
    shares = (-0.25, 0.0, 0.3, 1.0)
    found = losses_between(net, given, (net.state_dict(), other.state_dict()), shares)

    def by_hand(share: float) -> float:
        mixed = copy.deepcopy(net).eval()
        state: Mapping[str, Tensor] = {
            name: (1 - share) * tensor + share * other.state_dict()[name]
            for name, tensor in net.state_dict().items()
            if tensor.is_floating_point()
        }
        mixed.load_state_dict(state, strict=False)
        with torch.no_grad():
            return F.cross_entropy(mixed(given.x), given.truth).item()

    np.testing.assert_allclose(found, [by_hand(share) for share in shares], rtol=1e-5)


def test_states_of_two_networks_are_no_line() -> None:
    net = network()
    with pytest.raises(UserError, match="states of the same network"):
        losses_between(net, task(), (net.state_dict(), nn.Linear(2, 3).state_dict()), (0.0, 1.0))


def test_a_slice_over_two_logits_is_the_softplus_of_their_distance_and_overflow_is_infinite() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(1, 2, bias=False))
    with torch.no_grad():
        net[1].weight.copy_(torch.tensor([[1.0], [-1.0]]))
    one = Task(torch.ones(1, 1, 1, 1), torch.tensor([0]))
    direction = {"1.weight": torch.tensor([[1.0], [-1.0]])}
    steps = (-1.0, 0.0, 2.0)
    expected = [np.log1p(np.exp(-2 * (1 + step))) for step in steps]
    np.testing.assert_allclose(slice_losses(net, one, direction, steps), expected, rtol=1e-4)
    far = slice_losses(net, one, {"1.weight": torch.full((2, 1), 3e38)}, (1e6,))
    assert np.isinf(far).all()


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_tasks_loss_is_the_mean_over_pictures_whatever_the_batches(mirrored: bool) -> None:
    net, given = network(), task(mirrored)
    with torch.no_grad():
        plain = copy.deepcopy(net).eval()
        logits = plain(given.x)
        if mirrored:
            logits = (logits + plain(given.x.flip(3))) / 2
    assert len(list(given.batches())) > 1
    assert given.loss(net) == pytest.approx(F.cross_entropy(logits, given.truth).item(), rel=1e-5)
    shown = (torch.arange(450).view(150, 3) % 4 == 0).float()
    several = Task(given.x, shown, mirrored)
    expected = F.binary_cross_entropy_with_logits(logits, shown).item()
    assert several.loss(net) == pytest.approx(expected, rel=1e-5)


def test_network_modes_and_random_numbers_stay_as_they_were() -> None:
    other, net, given = network(1).state_dict(), network().train(), task()
    net[2].eval()
    before = copy.deepcopy(net.state_dict())
    modes = [module.training for module in net.modules()]
    drawn = torch.random.get_rng_state()
    way = random_direction(net, torch.Generator().manual_seed(0))
    slice_losses(net, given, way, (-1.0, 1.0))
    losses_between(net, given, (net.state_dict(), other), (0.5,))
    assert torch.equal(torch.random.get_rng_state(), drawn)
    assert modes == [module.training for module in net.modules()]
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters())


def test_beyond_the_ends_no_variance_is_negative() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 2)).eval()
    narrow, wide = ({k: v.clone() for k, v in net.state_dict().items()} for _ in range(2))
    narrow["1.running_var"], wide["1.running_var"] = torch.full((2,), 0.1), torch.full((2,), 2.0)
    given = Task(torch.randn(4, 1, 2, 2), torch.tensor([0, 1, 0, 1]))
    assert np.isfinite(losses_between(net, given, (narrow, wide), (-0.25, 0.0, 1.0, 1.25))).all()
