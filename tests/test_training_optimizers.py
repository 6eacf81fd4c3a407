"""The optimizers that torch lacks, against loops over numbers and against timm; and what a recipe makes of each."""

import csv
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn

from neocog.errors import UserError
from neocog.training.optimizers.krizhevsky import Krizhevsky
from neocog.training.optimizers.lamb import Lamb
from neocog.training.optimizers.make import make_optimizer
from neocog.training.optimizers.rmsprop_tf import RMSPropTF
from neocog.training.recipes.recipe import OPTIMIZERS, Recipe

Vector = NDArray[np.float64]
RATES = (0.1, 0.1, 0.05, 0.2, 0.01, 0.01)
with (Path(__file__).parent / "golden" / "optimizers.csv").open(encoding="utf-8") as file:
    TIMM = list(csv.DictReader(line for line in file if not line.startswith("#")))


def gradients(steps: int, size: int = 12) -> list[Vector]:
    return [np.cos((step + 1) * np.arange(1.0, size + 1)) for step in range(steps)]


def stepped(
    make: Callable[[list[Tensor]], torch.optim.Optimizer], first: Vector, grads: Iterable[Vector]
) -> list[Vector]:
    """The weights after each step at `RATES`."""
    weight = nn.Parameter(torch.from_numpy(first.copy()))
    optimizer = make([weight])
    after = []
    for rate, gradient in zip(RATES, grads, strict=True):
        optimizer.param_groups[0]["lr"] = rate
        weight.grad = torch.from_numpy(gradient)
        optimizer.step()
        after.append(weight.detach().numpy().copy())
    return after


def test_krizhevsky_is_the_papers_loop() -> None:
    """Section 5: v <- 0.9 v - 0.0005 lr w - lr g, w <- w + v; with another decay, so that it shows."""
    first, grads = np.sin(np.arange(1.0, 13)), gradients(6)
    got = stepped(lambda p: Krizhevsky(p, 1.0, 0.9, weight_decay=0.05), first, grads)
    w, v = first.tolist(), [0.0] * 12
    for rate, gradient, ours in zip(RATES, grads, got, strict=True):
        for i in range(12):
            v[i] = 0.9 * v[i] - 0.05 * rate * w[i] - rate * gradient[i]
            w[i] = w[i] + v[i]
        np.testing.assert_allclose(ours, w, rtol=1e-12)


@given(
    rate=st.floats(1e-4, 1), momentum=st.floats(0, 0.99), decay=st.floats(0, 0.1), seed=st.integers(0, 2**31)
)
def test_krizhevsky_is_torchs_sgd_while_the_rate_is_constant(
    rate: float, momentum: float, decay: float, seed: int
) -> None:
    draws = torch.Generator().manual_seed(seed)
    first = torch.randn(5, dtype=torch.float64, generator=draws)
    ours, theirs = nn.Parameter(first.clone()), nn.Parameter(first.clone())
    optimizers = (
        Krizhevsky([ours], rate, momentum, decay),
        torch.optim.SGD([theirs], rate, momentum, weight_decay=decay),
    )
    for _ in range(4):
        ours.grad = theirs.grad = torch.randn(5, dtype=torch.float64, generator=draws)
        for optimizer in optimizers:
            optimizer.step()
    torch.testing.assert_close(ours.detach(), theirs.detach(), rtol=1e-9, atol=1e-12)


def test_krizhevsky_is_not_torchs_sgd_when_the_rate_is_cut() -> None:
    """After a cut from 1 to 0 without gradients, torch stands still; 2012's velocity goes on: 1, then 0.9."""
    weights = []
    for make in (
        lambda p: Krizhevsky(p, 1.0, 0.9, 0.0),
        lambda p: torch.optim.SGD(p, 1.0, 0.9),
    ):
        weight = nn.Parameter(torch.zeros(1))
        optimizer = make([weight])
        for rate, gradient in ((1.0, -1.0), (0.0, 0.0)):
            optimizer.param_groups[0]["lr"] = rate
            weight.grad = torch.tensor([gradient])
            optimizer.step()
        weights.append(weight.item())
    assert weights == pytest.approx([1.9, 1.0])


def test_rmsprop_is_tensorflows_loop() -> None:
    """TensorFlow's ApplyRMSProp: ms += (g^2 - ms)(1 - rho); mom = momentum mom + lr g / sqrt(ms + eps); var -= mom."""
    first, grads = np.sin(np.arange(1.0, 13)), gradients(6)
    got = stepped(lambda p: RMSPropTF(p, 1.0, 0.8, 0.7, 0.01, 0.1), first, grads)
    w, ms, mom = first.tolist(), [1.0] * 12, [0.0] * 12
    for rate, gradient, ours in zip(RATES, grads, got, strict=True):
        for i in range(12):
            g = gradient[i] + 0.1 * w[i]
            ms[i] += (g * g - ms[i]) * (1 - 0.8)
            mom[i] = 0.7 * mom[i] + rate * g / (ms[i] + 0.01) ** 0.5
            w[i] -= mom[i]
        np.testing.assert_allclose(ours, w, rtol=1e-12)


def test_lamb_is_the_papers_algorithm_2() -> None:
    first, grads = np.sin(np.arange(1.0, 13)), gradients(6)
    got = stepped(lambda p: Lamb(p, 1.0, (0.8, 0.95), 1e-3, 0.1), first, grads)
    x, m, v = first.copy(), np.zeros(12), np.zeros(12)
    for t, (rate, g, ours) in enumerate(zip(RATES, grads, got, strict=True), start=1):
        m = 0.8 * m + (1 - 0.8) * g
        v = 0.95 * v + (1 - 0.95) * g**2
        r = (m / (1 - 0.8**t)) / (np.sqrt(v / (1 - 0.95**t)) + 1e-3)
        update = r + 0.1 * x
        x = x - rate * np.sqrt((x**2).sum()) / np.sqrt((update**2).sum()) * update
        np.testing.assert_allclose(ours, x, rtol=1e-6)  # the count of steps is single precision


def test_lambs_weights_of_zero_leave_zero() -> None:
    """The ratio of norms is 1 where one is 0: the first step is then Adam's, lr long in each number."""
    weight = nn.Parameter(torch.zeros(3))
    optimizer = Lamb([weight], 0.5, weight_decay=0.1)
    weight.grad = torch.tensor([2.0, -3.0, 0.0])
    optimizer.step()
    torch.testing.assert_close(weight.detach(), torch.tensor([-0.5, 0.5, 0.0]), rtol=1e-5, atol=0)


@pytest.mark.parametrize("name", ["rmsprop-tf", "lamb", "lamb-all"])
def test_steps_are_timms(name: str) -> None:
    """A weight with decay 0.1 and biases without, at changing rates (benchmarks/peers/print_optimizers.py)."""
    weight = nn.Parameter(torch.from_numpy(np.sin(np.arange(1.0, 13)).reshape(3, 4)))
    bias = nn.Parameter(torch.zeros(4, dtype=torch.float64))
    groups = [{"params": [weight], "weight_decay": 0.1}, {"params": [bias], "weight_decay": 0.0}]
    optimizer = (
        RMSPropTF(groups, 0.1) if name == "rmsprop-tf" else Lamb(groups, 0.1, always_adapt=name == "lamb-all")
    )
    rows = [row for row in TIMM if row["optimizer"] == name]
    assert len(rows) == len(RATES)
    for step, (rate, row) in enumerate(zip(RATES, rows, strict=True)):
        for group in optimizer.param_groups:
            group["lr"] = rate
        weight.grad = torch.from_numpy(np.cos((step + 1) * np.arange(1.0, 13)).reshape(3, 4))
        bias.grad = torch.from_numpy(np.cos((step + 2) * np.arange(1.0, 5)))
        optimizer.step()
        got = [*weight.detach().flatten().tolist(), *bias.detach().tolist()]
        np.testing.assert_allclose(got, [float(v) for v in row["values"].split()], rtol=1e-6, atol=1e-9)


def first_step(recipe: Recipe) -> tuple[Tensor, Tensor]:
    """A linear layer's weight before and after one step with the gradient 1, 2, 3."""
    net = nn.Linear(3, 1)
    with torch.no_grad():
        net.weight.copy_(torch.tensor([[0.5, -0.25, 2.0]]))
    optimizer = make_optimizer(net, recipe)
    if recipe.optimizer == "sdlm":
        batch = torch.tensor([[1.0, 2.0, 4.0]]), torch.zeros(1, 1)
        optimizer.measure(net, [batch], lambda y, t: (y - t).square().sum(1))  # type: ignore[attr-defined]
    before = net.weight.detach().clone()
    net.weight.grad, net.bias.grad = torch.tensor([[1.0, 2.0, 3.0]]), torch.zeros(1)
    optimizer.step()
    return before, net.weight.detach()


G = torch.tensor([[1.0, 2.0, 3.0]])
FIRST: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "sgd": lambda w, g: w - 0.1 * (g + 0.5 * w),
    "nesterov": lambda w, g: w - 0.1 * (1 + 0.8) * (g + 0.5 * w),
    "krizhevsky": lambda w, g: w - 0.1 * (g + 0.5 * w),
    "rmsprop-tf": lambda w, g: w - 0.1 * (u := g + 0.5 * w) / (0.95 + 0.05 * u**2 + 0.03).sqrt(),
    "adam": lambda w, g: w - 0.1 * (u := g + 0.5 * w) / (u.abs() + 0.03),
    "adamw": lambda w, g: w - 0.1 * 0.5 * w - 0.1 * g / (g + 0.03),
    "lamb": lambda w, g: w - 0.1 * w.norm() * (u := g / (g + 0.03) + 0.5 * w) / u.norm(),
    "sdlm": lambda w, g: w - 0.1 * (g + 0.5 * w) / (torch.tensor([[2.0, 8.0, 32.0]]) + 0.03),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_recipe_says_rate_momentum_betas_eps_and_decay(name: str) -> None:
    """The first step by each paper's formula; adding the decay to the gradient, or aside from it."""
    recipe = Recipe(optimizer=name, lr=0.1, momentum=0.8, betas=(0.9, 0.95), eps=0.03, weight_decay=0.5)
    before, after = first_step(recipe)
    torch.testing.assert_close(after, FIRST[name](before, G), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "eps"), [("rmsprop-tf", 1e-3), ("adam", 1e-8), ("adamw", 1e-8), ("lamb", 1e-6)]
)
def test_usual_eps(name: str, eps: float) -> None:
    """EfficientNet's in RMSProp; Adam's and LAMB's papers'."""
    group = make_optimizer(nn.Linear(2, 2), Recipe(optimizer=name)).param_groups[0]
    assert group["eps"] == eps


def test_lamb_adapts_all_where_nothing_is_decayed() -> None:
    assert make_optimizer(nn.Linear(2, 2), Recipe(optimizer="lamb", weight_decay=0)).defaults["always_adapt"]
    assert not make_optimizer(nn.Linear(2, 2), Recipe(optimizer="lamb")).defaults["always_adapt"]


def test_nesterov_needs_momentum() -> None:
    with pytest.raises(UserError, match="nesterov needs a momentum above 0, got 0"):
        make_optimizer(nn.Linear(2, 2), Recipe(optimizer="nesterov", momentum=0))


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if name != "sdlm"])
def test_parameters_without_gradient_stay(name: str) -> None:
    net = nn.Linear(3, 2)
    weight, bias = net.weight.detach().clone(), net.bias.detach().clone()
    optimizer = make_optimizer(net, Recipe(optimizer=name))
    net.weight.grad = torch.ones(2, 3)
    optimizer.step(lambda: 0.25)
    assert torch.equal(net.bias, bias)
    assert not torch.equal(net.weight, weight)
    assert torch.equal(net.weight.grad, torch.ones(2, 3))


def test_a_closure_computes_gradients_and_its_loss_comes_back() -> None:
    weight = nn.Parameter(torch.tensor([3.0]))
    optimizer = Krizhevsky([weight], 0.5, 0.0, 0.0)

    def closure() -> float:
        loss = weight.square().sum()
        loss.backward()
        return loss.item()

    assert optimizer.step(closure) == 9
    assert weight.item() == 0  # 3 - 0.5 * 6
