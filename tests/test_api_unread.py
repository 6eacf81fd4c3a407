"""A knob is refused exactly where it does nothing: each is turned, and what the run computes is looked at."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from neocog.api.training.knobs import RecipeOptions, changed_recipe
from neocog.api.training.unread import OVERRULED, READERS
from neocog.errors import UserError
from neocog.training.network.averages import make_average
from neocog.training.network.low_rank import add_low_rank
from neocog.training.optimizers.make import make_optimizer
from neocog.training.recipes.recipe import AVERAGES, OPTIMIZERS, SCHEDULES, Recipe
from neocog.training.schedule import rate

BASE = Recipe(epochs=10, lr=0.1, momentum=0.5, warmup=0.1, decay_rate=0.5, average_decay=0.5)
MILESTONES = {"schedule": "step", "decay_milestones": (3.0, 6.0)}
STEPS = 20


def is_read(given: dict[str, Any]) -> bool:
    """What the command line says of it."""
    try:
        changed_recipe(BASE, RecipeOptions(**given), ("cat", "dog"))  # type: ignore[typeddict-item]
    except UserError as refused:
        assert "counts for nothing" in str(refused)  # noqa: PT017
        assert "\n" not in str(refused)
        return False
    return True


def learned(recipe: Recipe) -> list[torch.Tensor]:
    """Weights after a few steps of a net, at the rates of the schedule."""
    torch.manual_seed(0)
    net = nn.Linear(3, 2)
    optimizer = make_optimizer(net, recipe)
    x, average = torch.randn(8, 3), make_average(net, recipe)
    if hasattr(optimizer, "measure"):
        optimizer.measure(net, [(x, x[:, :2])], lambda logits, targets: (logits - targets).square().sum(1))
    for step in range(STEPS):
        now = rate(recipe, step, STEPS, STEPS / recipe.epochs, cuts=step // 8)
        for group in optimizer.param_groups:
            group["lr"] = now.lr
        optimizer.zero_grad()
        net(x).square().sum().backward()
        optimizer.step()
        if average:
            average.after_step(net, step, STEPS)
    if average:
        average.put_into(net)
    return [parameter.detach().clone() for parameter in net.parameters()]


def same(one: Recipe, other: Recipe) -> bool:
    return all(map(torch.equal, learned(one), learned(other)))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("knob", [{"momentum": 0.8}, {"betas": (0.6, 0.7)}, {"eps": 0.3}], ids=list)
def test_what_an_optimizer_does_not_read_is_refused(optimizer: str, knob: dict[str, Any]) -> None:
    base = replace(BASE, optimizer=optimizer)
    assert is_read({"optimizer": optimizer, **knob}) != same(base, replace(base, **knob))


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("knob", [{"min_lr": 0.06}, {"decay_rate": 0.7}, {"decay_epochs": 3.0}], ids=list)
def test_what_a_schedule_does_not_read_is_refused(schedule: str, knob: dict[str, Any]) -> None:
    """`decay_epochs` of plateau is how long it waits, which `rate` is told by `cuts`."""
    given = MILESTONES if schedule == "step" else {"schedule": schedule}
    base = changed_recipe(BASE, RecipeOptions(**given), ("cat", "dog"))  # type: ignore[typeddict-item]
    unread = same(base, replace(base, **knob)) and not (schedule == "plateau" and "decay_epochs" in knob)
    assert is_read({**given, **knob}) != unread


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_reads_the_warm_up(schedule: str) -> None:
    given = MILESTONES if schedule == "step" else {"schedule": schedule}
    base = changed_recipe(BASE, RecipeOptions(**given), ("cat", "dog"))  # type: ignore[typeddict-item]
    assert is_read({**given, "warmup": 0.4})
    assert not same(base, replace(base, warmup=0.4))


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("knob", [{"average_decay": 0.3}, {"average_from": 0.6}], ids=list)
def test_what_an_average_does_not_read_is_refused(average: str, knob: dict[str, Any]) -> None:
    base = replace(BASE, average=average, optimizer="sgd")
    assert is_read({"average": average, **knob}) != same(base, replace(base, **knob))


def test_every_line_of_the_tables_was_tried_above() -> None:
    tried = {
        "momentum",
        "betas",
        "eps",
        "min_lr",
        "decay_rate",
        "decay_epochs",
        "average_decay",
        "average_from",
    }
    assert set(READERS) == tried
    finetuning = {"keep_probe", "lora_alpha", "lora_layers"}
    assert {name for name, _, _ in OVERRULED} == {"momentum", "decay_rate", "decay_all"} | finetuning


def stands_beside(recipe: Recipe) -> list[tuple[str, float]]:
    """Where LoRA stands in a net of two layers before the last one, and what it is multiplied by."""
    net = nn.Sequential(nn.Linear(5, 5), nn.Linear(5, 5), nn.Linear(5, 2))
    names = add_low_rank(net, recipe, "2", (1, 1, 5))
    return [(name, net.get_submodule(name).scale) for name in names]  # type: ignore[misc]


@pytest.mark.parametrize("lora", [0, 2])
@pytest.mark.parametrize("knob", [{"lora_alpha": 3.0}, {"lora_layers": ("1",)}], ids=list)
def test_knobs_of_lora_are_read_beside_its_rank_alone(lora: int, knob: dict[str, Any]) -> None:
    base = replace(BASE, lora=lora, lora_layers=("?",))
    assert is_read({"lora": lora, **knob}) == bool(lora)
    assert (stands_beside(base) != stands_beside(replace(base, **knob))) == bool(lora)


@pytest.mark.parametrize("head_start", [False, True])
def test_a_probe_is_kept_where_there_is_one(head_start: bool) -> None:
    """That it is then is shown by runs (test_api_finetune.py)."""
    assert is_read({"keep_probe": True, "head_start": head_start}) == head_start
    assert is_read({"keep_probe": False})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"optimizer": "adamw", "momentum": 0.8},
            "momentum counts for nothing with the optimizer adamw: sgd, nesterov, krizhevsky and rmsprop-tf read it; "
            "leave it out, or take another optimizer",
        ),
        (
            {"optimizer": "sgd", "schedule": "one-cycle", "momentum": 0.8},
            "momentum counts for nothing here: the schedule one-cycle moves the momentum itself, between 0.85 and "
            "0.95; leave it out",
        ),
        (
            {**MILESTONES, "factors": (0.5, 0.1), "decay_rate": 0.2},
            "decay_rate counts for nothing here: the factors of the milestones take its place; leave it out",
        ),
        (
            {"decay_all": True, "weight_decay": 0.0},
            "decay_all counts for nothing here: the weight decay is 0",
        ),
        ({"average_decay": 0.9}, "with the average none: ema and lookahead read it"),
    ],
)
def test_the_line_says_what_would_read_it(given: Any, message: str) -> None:
    with pytest.raises(UserError) as refused:
        changed_recipe(BASE, RecipeOptions(**given), ("cat", "dog"))
    assert message in str(refused.value)


def test_values_that_a_recipe_brings_along_may_be_idle() -> None:
    """GoogLeNet's decay of 0.96 every 8 epochs stays in the recipe when another schedule is taken."""
    from neocog.training.recipes.eras import GOOGLENET

    found = changed_recipe(GOOGLENET, RecipeOptions(schedule="cosine", average="none"), ("cat", "dog"))
    assert (found.decay_rate, found.average_from) == (GOOGLENET.decay_rate, GOOGLENET.average_from)
    assert (
        changed_recipe(BASE, RecipeOptions(decay_all=False, weight_decay=0.0), ("a", "b")).weight_decay == 0
    )
