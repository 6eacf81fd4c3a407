"""Every step's rate against torch's own schedulers, and the figures that papers print."""

import json
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch.optim import lr_scheduler as torchs

from neocog.training.recipes.recipe import SCHEDULES, Recipe
from neocog.training.schedule import Plateau, rate

STEPS = 40


def optimizer(lr: float) -> torch.optim.SGD:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr, momentum=0.9)


def torch_rates(scheduler: torchs.LRScheduler, steps: int = STEPS) -> list[tuple[float, float]]:
    found = []
    for _ in range(steps):
        group = scheduler.optimizer.param_groups[0]
        found.append((float(group["lr"]), float(group["momentum"])))
        scheduler.optimizer.step()
        scheduler.step()
    return found


def our_rates(recipe: Recipe, steps: int = STEPS, per_epoch: float = 10) -> list[tuple[float, float]]:
    return [tuple(rate(recipe, step, steps, per_epoch)) for step in range(steps)]


BASE = Recipe(lr=0.4, warmup=0.0, momentum=0.9)


def test_constant_cosine_and_linear_are_torchs() -> None:
    assert our_rates(replace(BASE, schedule="constant")) == [(0.4, 0.9)] * STEPS
    for name, theirs in {
        "cosine": torchs.CosineAnnealingLR(optimizer(0.4), STEPS, eta_min=0.01),
        "linear": torchs.LinearLR(optimizer(0.4), 1.0, 0.01 / 0.4, STEPS),
    }.items():
        ours = our_rates(replace(BASE, schedule=name, min_lr=0.01))
        assert ours == [pytest.approx(pair, rel=1e-9) for pair in torch_rates(theirs)], name


@pytest.mark.parametrize("warmup", [0.2, 0.25, 0.3])
def test_a_warm_up_before_a_cosine_is_torchs_line_and_wave_in_sequence(warmup: float) -> None:
    warm = round(warmup * STEPS)
    first = torch_rates(torchs.LinearLR(optimizer(0.4), 1 / (warm + 1), 1.0, warm), warm)
    then = torch_rates(torchs.CosineAnnealingLR(optimizer(0.4), STEPS - warm), STEPS - warm)
    assert our_rates(replace(BASE, warmup=warmup)) == [pytest.approx(pair, rel=1e-9) for pair in first + then]


def test_milestones_are_torchs() -> None:
    theirs = torch_rates(torchs.MultiStepLR(optimizer(0.4), [12, 28], gamma=0.2))
    ours = our_rates(replace(BASE, schedule="step", milestones=(0.3, 0.7), decay_rate=0.2))
    assert ours == [pytest.approx(pair) for pair in theirs]


def test_factors_take_the_place_of_powers() -> None:
    recipe = replace(BASE, schedule="step", milestones=(0.5, 0.75), factors=(0.2, 0.5))
    assert [lr for lr, _ in our_rates(recipe, 4)] == pytest.approx([0.4, 0.4, 0.08, 0.2])


def test_resnets_milestones_fall_on_the_papers_steps() -> None:
    """He et al. 2015, section 4.2: 0.1, divided by 10 at 32k and 48k of 64k iterations."""
    recipe = Recipe(lr=0.1, warmup=0.0, schedule="step", milestones=(0.5, 0.75))
    at = {step: rate(recipe, step, 64_000, 352).lr for step in (0, 31_999, 32_000, 47_999, 48_000, 63_999)}
    assert list(at.values()) == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])


def test_exponential_is_torchs_stairs_and_googlenets() -> None:
    theirs = torch_rates(torchs.StepLR(optimizer(0.4), 8 * 2, gamma=0.96))
    ours = our_rates(replace(BASE, schedule="exponential", decay_rate=0.96, decay_epochs=8), per_epoch=2)
    assert ours == [pytest.approx(pair) for pair in theirs]
    # 0.1 * 30 is above 3 by a rounding
    recipe = replace(BASE, schedule="exponential", decay_rate=0.5, decay_epochs=0.1)
    assert [rate(recipe, step, 100, 30).lr for step in (2, 3, 5, 6, 8, 9)] == [0.4, 0.2, 0.2, 0.1, 0.1, 0.05]


@pytest.mark.parametrize(("warmup", "steps"), [(0.3, 40), (0.2, 97), (0.25, 8), (0.5, 1000)])
def test_one_cycle_is_torchs_with_its_momentum(warmup: float, steps: int) -> None:
    theirs = torch_rates(
        torchs.OneCycleLR(optimizer(0.1), 0.4, total_steps=steps, pct_start=warmup), steps - 1
    )
    ours = our_rates(replace(BASE, schedule="one-cycle", warmup=warmup), steps)
    assert ours[:-1] == [pytest.approx(pair, rel=1e-9) for pair in theirs]
    assert ours[-1] == pytest.approx((0.4 / 25 / 1e4, 0.95))


@pytest.mark.parametrize("decay_epochs", [1, 2, 3])
def test_plateau_is_torchs(decay_epochs: int) -> None:
    errors = [
        float("nan"),
        9.0,
        8,
        8,
        8,
        7.5,
        7.6,
        7.6,
        float("nan"),
        7.5,
        7.4,
        7.4,
        7.4,
        7.4,
        7.4,
        7.4,
        6,
        7,
        7,
        7,
        7,
    ]
    recipe = replace(BASE, schedule="plateau", decay_epochs=decay_epochs, min_lr=0.001)
    theirs = optimizer(0.4)
    watch = torchs.ReduceLROnPlateau(
        theirs, factor=0.1, patience=decay_epochs - 1, threshold=0, threshold_mode="abs", min_lr=0.001, eps=0
    )
    ours = Plateau()
    for error in errors:
        watch.step(error)
        ours = Plateau.from_json(json.loads(json.dumps(ours.after(error, recipe).to_json())))
        assert rate(recipe, 0, STEPS, 10, ours.cuts).lr == pytest.approx(theirs.param_groups[0]["lr"])
    assert ours.cuts > 0


@given(
    schedule=st.sampled_from([name for name in SCHEDULES if name != "one-cycle"]),
    steps=st.integers(1, 300),
    warmup=st.floats(0, 0.99),
    cuts=st.integers(0, 3),
)
def test_every_schedule_rises_by_equal_steps_and_then_only_falls(
    schedule: str, steps: int, warmup: float, cuts: int
) -> None:
    recipe = Recipe(schedule=schedule, warmup=warmup, milestones=(0.1, 0.6), decay_rate=0.5, min_lr=1e-4)
    rates = [rate(recipe, step, steps, 7.3, cuts).lr for step in range(steps)]
    warm = round(warmup * steps)
    rises = [later - earlier for earlier, later in pairwise([0.0, *rates[: warm + 1]])]
    assert rises == pytest.approx([rises[0]] * len(rises), abs=1e-12)
    assert rates[warm:] == sorted(rates[warm:], reverse=True)
    assert 0 < min(rates) <= max(rates) <= recipe.lr * (1 + 1e-12)


@given(steps=st.integers(1, 60), warmup=st.floats(0, 0.99))
@example(steps=10, warmup=0.1)  # a rise of one step
def test_one_cycle_stays_in_its_bounds_for_any_length(steps: int, warmup: float) -> None:
    recipe = replace(BASE, schedule="one-cycle", warmup=warmup)
    for step in range(steps):
        now = rate(recipe, step, steps, 10)
        assert 0.4 / 25 / 1e4 * 0.999 <= now.lr <= 0.4 * 1.001
        assert 0.85 - 1e-9 <= now.momentum <= 0.95 + 1e-9
