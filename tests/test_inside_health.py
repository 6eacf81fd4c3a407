"""Activations, gradients and statistics by layer: against autograd and numpy by hand, and with planted faults."""

import copy
import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neocog.inside.learning.health import examine
from neocog.inside.learning.symptoms import curve_symptoms, symptoms
from neocog.inside.learning.task import Task
from networks import Net


def conv_net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3), nn.Tanh(), nn.Flatten(), nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3),
    )  # fmt: skip


def task(size: int = 8, pictures: int = 96) -> Task:
    """Three classes of bars that a small network learns in a few steps."""
    generator = torch.Generator().manual_seed(0)
    truth = torch.arange(pictures) % 3
    x = 0.3 * torch.randn(pictures, 1, size, size, generator=generator)
    for i, k in enumerate(truth.tolist()):
        x[i, 0, size * k // 3 : size * (k + 1) // 3] += 1.5
    return Task(x, truth)


def trained(net: nn.Module, given: Task, steps: int = 40) -> nn.Module:
    optimizer = torch.optim.SGD(net.parameters(), 0.03, momentum=0.9)
    net.train()
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(net(given.x), given.truth).backward()
        optimizer.step()
    return net.eval()


def test_gradients_are_autograds_and_weights_are_counted() -> None:
    net, given = conv_net().eval(), task()
    health = examine(net, given)
    twin = copy.deepcopy(net)
    loss = F.cross_entropy(twin(given.x), given.truth)
    loss.backward()
    assert health.loss == pytest.approx(loss.item(), rel=1e-5)
    assert [one.module for one in health.layers] == ["0", "4", "7", "9"]
    for one in health.layers:
        weight = twin.get_submodule(one.module).weight
        assert isinstance(weight, nn.Parameter) and weight.grad is not None and one.learned is not None
        values = weight.detach().numpy().ravel()
        assert one.learned.gradient == pytest.approx(weight.grad.square().mean().sqrt().item(), rel=1e-4)
        assert one.learned.size == pytest.approx(np.sqrt((values.astype(float) ** 2).mean()), rel=1e-6)
        assert one.learned.relative == pytest.approx(one.learned.gradient / one.learned.size)
        reach = np.abs(values).max()
        assert one.learned.reach == pytest.approx(reach)
        edges = np.linspace(-reach, reach, len(one.learned.counts) + 1)
        counted = [((values >= a) & (values < b)).sum() for a, b in pairwise(edges)]
        assert abs(np.array(counted) - one.learned.counts).sum() <= 4  # on an edge; the last one is closed
        assert one.learned.counts.sum() == len(values) == one.learned.numbers


def test_activations_are_those_of_a_forward() -> None:
    net, given = conv_net().eval(), task()
    found = {one.module: one.passed for one in examine(net, given).layers}
    with torch.no_grad():
        first = net[2](net[1](net[0](given.x)))
        second = net[5](net[4](net[3](first)))
        third = net[8](net[7](net[6](second)))
    for name, kind, seen in (("0", "relu", first), ("4", "tanh", second), ("7", "relu", third)):
        passed = found[name]
        assert passed is not None and passed.kind == kind
        values = seen.double().numpy()
        assert passed.mean == pytest.approx(values.mean(), abs=1e-6)
        assert passed.deviation == pytest.approx(values.std(), abs=1e-5)
        assert passed.zeros == pytest.approx((values == 0).mean())
        axes = (0, 2, 3)[: values.ndim - 1] if values.ndim == 4 else (0,)
        np.testing.assert_array_equal(passed.active, (values > 0).any(axis=axes))
        if kind == "tanh":
            slope = 1 - values**2
            assert passed.saturated == pytest.approx((slope < 0.05).mean(), abs=1e-3)
            assert passed.dead is None
        else:
            assert passed.saturated is None
            assert passed.dead == pytest.approx((~(values > 0).any(axis=axes)).mean())
    assert found["9"] is None


def test_batches_and_mirror_images_change_only_what_they_must() -> None:
    net, given = conv_net().eval(), task(pictures=96)
    few = Task(given.x[:30], given.truth[:30])
    whole = examine(net, given)
    twice = examine(net, Task(given.x.repeat(3, 1, 1, 1), given.truth.repeat(3)))
    for one, other in zip(whole.layers, twice.layers, strict=True):
        assert one.learned is not None and other.learned is not None
        assert one.learned.gradient == pytest.approx(other.learned.gradient, rel=1e-4)
    mirrored = examine(net, Task(few.x, few.truth, mirrored=True))
    both = copy.deepcopy(net)
    loss = F.cross_entropy((both(few.x) + both(few.x.flip(3))) / 2, few.truth)
    loss.backward()
    assert mirrored.loss == pytest.approx(loss.item(), rel=1e-5)
    weight = both[0].weight
    assert isinstance(weight, Tensor) and weight.grad is not None and mirrored.layers[0].learned is not None
    assert mirrored.layers[0].learned.gradient == pytest.approx(
        weight.grad.square().mean().sqrt().item(), rel=1e-4
    )
    assert [one.module for one in mirrored.layers] == [one.module for one in whole.layers]


def test_drift_is_what_numpy_says() -> None:
    net, given = conv_net().eval(), task()
    generator = torch.Generator().manual_seed(3)
    net[1].running_mean.copy_(torch.randn(4, generator=generator))
    net[1].running_var.copy_(torch.rand(4, generator=generator) + 0.1)
    (drift,) = examine(net, given).drifts
    with torch.no_grad():
        read = net[0](given.x).double().numpy()
    mean, variance = read.mean(axis=(0, 2, 3)), read.var(axis=(0, 2, 3))
    running_mean, running_var = net[1].running_mean.double().numpy(), net[1].running_var.double().numpy()
    shift = np.abs(mean - running_mean) / np.sqrt(running_var + 1e-5)
    np.testing.assert_allclose(drift.shift, shift, rtol=1e-4)
    np.testing.assert_allclose(drift.ratio, (variance + 1e-5) / (running_var + 1e-5), rtol=1e-4)
    assert drift.module == "1"
    assert drift.moved == pytest.approx(np.sqrt((shift**2).mean()), rel=1e-4)
    logs = np.log((variance + 1e-5) / (running_var + 1e-5))
    assert drift.factor == pytest.approx(np.exp(np.sqrt((logs**2).mean())), rel=1e-4)


@pytest.mark.parametrize("join", [torch.add, Tensor.add_])
def test_functions_joins_and_gates_are_told_apart(join: Callable[[Tensor, Tensor], Tensor]) -> None:
    """A residual sum belongs to no single layer; a squeeze-and-excite gate may saturate."""

    def run(m: nn.Module, x: Tensor) -> Tensor:
        x = F.relu(m.a(x))
        y = F.relu(join(m.b(x), x))
        y = y * torch.sigmoid(3000 * m.gate(y.mean((2, 3), keepdim=True)))
        out: Tensor = m.c(torch.tanh(0.5 * y.mean((2, 3))))
        return out

    torch.manual_seed(0)
    net = Net(
        run, a=nn.Conv2d(1, 4, 3, padding=1), b=nn.Conv2d(4, 4, 1), gate=nn.Conv2d(4, 4, 1), c=nn.Linear(4, 3)
    )
    health = examine(net, task())
    found = [(one.module, one.passed and one.passed.kind) for one in health.layers]
    assert found == [
        ("a", "relu"), ("b", None), ("the network", "relu"), ("gate", "sigmoid"), ("the network (2)", "tanh"),
        ("c", None),
    ]  # fmt: skip
    gate = next(one.passed for one in health.layers if one.module == "gate")
    assert gate is not None and gate.gate and (gate.saturated or 0) > 0.9
    assert not any("Saturated" in line for line in symptoms(health))


def test_a_relu6_is_a_rectifier_and_leaky_ones_are_never_dead() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU6(), nn.Conv2d(4, 4, 3), nn.LeakyReLU(), nn.Flatten(), nn.Linear(64, 3)
    )
    with torch.no_grad():
        net[0].weight[1], net[0].bias[1] = 0.0, -1.0
        net[2].bias.fill_(-100)
    first, second, _ = examine(net, task()).layers
    assert first.passed is not None and second.passed is not None
    assert (first.passed.kind, first.passed.dead, first.passed.saturated) == ("relu6", 0.25, None)
    assert (second.passed.kind, second.passed.dead) == ("leaky_relu", None)


def test_network_gradients_modes_and_random_numbers_stay_as_they_were() -> None:
    net, given = conv_net().train(), task()
    net[1].eval()
    net[4].weight.requires_grad_(False)
    before, drawn = copy.deepcopy(net.state_dict()), torch.random.get_rng_state()
    modes = [module.training for module in net.modules()]
    health = examine(net, given)
    assert health.layers[1].learned is not None and health.layers[1].learned.gradient
    assert torch.equal(torch.random.get_rng_state(), drawn)
    assert modes == [module.training for module in net.modules()]
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters())
    assert not net[4].weight.requires_grad
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())


def test_a_sound_network_gets_no_warning() -> None:
    given = task()
    health = examine(trained(conv_net(), given), given)
    assert health.loss < 0.2
    assert symptoms(health) == ()


def test_dead_relus_are_told_with_the_layer() -> None:
    given = task()
    net = trained(conv_net(), given)
    with torch.no_grad():
        net[7].bias.fill_(-100)
    said = symptoms(examine(net, given), lambda name: {"7": "fc1"}.get(name, name))
    assert any(
        line.startswith("Dead ReLUs: of fc1 more than 50 %") and "100.0 % of fc1" in line for line in said
    )
    assert any(line.startswith("No gradient reaches the weights of") for line in said)


def test_saturated_tanh_is_told() -> None:
    given = task()
    net = trained(conv_net(), given)
    assert not any("Saturated" in line for line in symptoms(examine(net, given)))
    with torch.no_grad():
        net[4].weight.mul_(100)
    said = symptoms(examine(net, given))
    assert any(line.startswith("Saturated units: of 4 ") and "tanh" in line for line in said)


def deep(layer: type[nn.Module], scale: float) -> nn.Sequential:
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Flatten()]
    for _ in range(8):
        layers += [nn.Linear(64 if len(layers) == 1 else 16, 16), layer()]
    net = nn.Sequential(*layers, nn.Linear(16, 3))
    with torch.no_grad():
        for p in net.parameters():
            p.mul_(scale)
    return net


def test_vanishing_and_exploding_gradients_are_told() -> None:
    given = task()
    vanishing = symptoms(examine(deep(nn.Sigmoid, 1.0), given))
    assert any(
        line.startswith("Vanishing gradients: 1 gets") and "gradient of 17" in line for line in vanishing
    )
    grows = deep(nn.Identity, 1.0)
    with torch.no_grad():
        grows[-1].weight.mul_(1e5)
    exploding = symptoms(examine(grows, given))
    assert any(line.startswith("Exploding gradients: 1 gets") for line in exploding)
    sound = symptoms(examine(deep(nn.Identity, 2.0), given))
    assert not any("gradients:" in line for line in sound)


def test_drifted_batch_norms_are_told() -> None:
    given = task()
    net = trained(conv_net(), given)
    with torch.no_grad():
        net[1].running_mean += 2 * net[1].running_var.sqrt()
    (said,) = (line for line in symptoms(examine(net, given)) if line.startswith("Batch-norm"))
    assert "in 1 of 1" in said and "off by 2 deviations" in said
    other = trained(conv_net(), given)
    with torch.no_grad():
        other[1].running_var *= 9
    (said,) = (line for line in symptoms(examine(other, given)) if line.startswith("Batch-norm"))
    assert "a factor of 9" in said or "a factor of 8.9" in said


def test_weights_that_are_no_numbers_are_told() -> None:
    net, given = conv_net().eval(), task()
    with torch.no_grad():
        net[4].weight[0] = float("nan")
    health = examine(net, given)
    assert symptoms(health)[0].startswith("The weights of 4 hold NaN")
    plain = [one.to_json() for one in (*health.layers, *health.drifts)]
    assert "NaN" not in json.dumps(plain, allow_nan=False)


@pytest.mark.parametrize(
    ("losses", "start"),
    [
        ([1.0, 0.5, 0.4], None),
        ([1.0, 0.4, 0.45], None),
        ([1.0, 0.4, 0.8], "The held-out loss rose from 0.4 after epoch 2 to 0.8 after epoch 3"),
        ([1.0, float("nan")], "The held-out loss was no number after epoch 2"),
        ([1.0], None),
        ([], None),
    ],
)
def test_curves_that_turn_are_told(losses: list[float], start: str | None) -> None:
    said = curve_symptoms([(i + 1, loss) for i, loss in enumerate(losses)])
    assert (said == ()) if start is None else said[0].startswith(start)


ZERO = torch.zeros(())
RECTIFYING: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "clamp": (lambda x: x.clamp(min=0), "relu"),
    "clamp_min_": (lambda x: x.clamp_min_(0), "relu"),
    "clip": (lambda x: x.clip(0, 6), "relu6"),
    "to three": (lambda x: x.clamp(0, 3), "clamp"),
    "maximum": (lambda x: torch.maximum(ZERO, x), "relu"),
    "threshold": (lambda x: F.threshold(x, 0, 0), "relu"),
    "Hardtanh": (nn.Hardtanh(0, 3), "hardtanh"),
    "behind a ceiling": (lambda x: x.clamp_max(6).relu(), "relu"),
    "before a ceiling": (lambda x: x.relu().clamp_max(6), "relu"),
}


@pytest.mark.parametrize("name", RECTIFYING)
def test_every_way_to_call_a_relu_is_watched(name: str) -> None:
    rectify, kind = RECTIFYING[name]
    torch.manual_seed(0)
    net = Net(lambda m, x: m.b(rectify(m.a(x)).mean((2, 3))), a=nn.Conv2d(1, 4, 3), b=nn.Linear(4, 3))
    with torch.no_grad():
        net.a.weight[1], net.a.bias[1] = 0.0, -1.0
    given = task()
    first, last = examine(net, given).layers
    assert first.passed is not None and last.passed is None
    assert (first.module, first.passed.kind, first.passed.dead, first.passed.saturated) == (
        "a",
        kind,
        0.25,
        None,
    )
    with torch.no_grad():
        assert first.passed.zeros == pytest.approx(float((net.a(given.x) <= 0).float().mean()))


def test_a_clamp_that_guards_is_no_non_linearity() -> None:
    torch.manual_seed(0)
    net = Net(
        lambda m, x: m.b(m.a(x).clamp(-1e4, 1e4).tanh().mean((2, 3))), a=nn.Conv2d(1, 4, 3), b=nn.Linear(4, 3)
    )
    first = examine(net, task()).layers[0]
    assert first.passed is not None and (first.module, first.passed.kind) == ("a", "tanh")


def test_a_clamp_of_what_is_of_no_layer_is_no_non_linearity() -> None:
    """As of a variance that is to have a root."""

    def run(m: Any, x: Tensor) -> Tensor:
        y = m.a(x)
        spread = (y - y.mean((2, 3), keepdim=True)).square().mean((2, 3), keepdim=True).clamp(min=0)
        out: Tensor = m.b(torch.relu(y / (spread + 1).sqrt()).mean((2, 3)))
        return out

    torch.manual_seed(0)
    net = Net(run, a=nn.Conv2d(1, 4, 3), b=nn.Linear(4, 3))
    found = [(one.module, one.passed and one.passed.kind) for one in examine(net, task()).layers]
    assert found == [("a", None), ("the network", "relu"), ("b", None)]


def test_hardtanh_saturates_at_both_ends() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Hardtanh(-0.5, 1.5), nn.Flatten(), nn.Linear(144, 3))
    given = task()
    with torch.no_grad():
        net[0].weight.mul_(3)
        read = net[0](given.x)
    first = examine(net, given).layers[0]
    assert first.passed is not None
    beyond = float(((read <= -0.5) | (read >= 1.5)).float().mean())
    assert 0.1 < beyond < 0.9 and first.passed.saturated == pytest.approx(beyond)
    with torch.no_grad():
        net[0].weight.mul_(1000)
    assert any(
        "Saturated units: of 0 " in line and "hardtanh" in line for line in symptoms(examine(net, given))
    )


def test_what_follows_a_non_linearity_in_place_is_of_no_layer() -> None:
    torch.manual_seed(0)
    net = Net(
        lambda m, x: m.b((m.norm(m.a(x).relu_())).tanh().mean((2, 3))),
        a=nn.Conv2d(1, 4, 3),
        norm=nn.BatchNorm2d(4),
        b=nn.Linear(4, 3),
    )
    found = [(one.module, one.passed and one.passed.kind) for one in examine(net, task()).layers]
    assert found == [("a", "relu"), ("the network", "tanh"), ("b", None)]
