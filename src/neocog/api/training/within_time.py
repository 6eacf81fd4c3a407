"""`--time 10m`: what is left open is chosen so that everything, from reading to the report, ends within the time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from os.path import commonprefix
from time import monotonic
from typing import Any

from neocog import runtime
from neocog.api import names
from neocog.api.training.budget import (
    WAYS,
    Budget,
    Counts,
    Kind,
    Speed,
    fewest_epochs,
    plan_for,
    smaller_is_vain,
)
from neocog.api.training.choosing import chosen
from neocog.api.training.config import Base
from neocog.api.training.held_out import expected_counts
from neocog.api.training.knobs import KNOBS
from neocog.api.training.plan import DEFAULT_MODEL, FROM_TRAINED, PROBE, Deadline, Plan
from neocog.api.wording import seconds
from neocog.data.dataset import Dataset
from neocog.errors import UserError
from neocog.progress import Progress

SMALLER = 0.57  # of the usual side: a third of the work
SMALLEST = 96  # side below which no smaller one is tried
LOOKING = 0.1  # share of the time after which no smaller size is looked at, if anything fits
FROZEN = 2 / 3  # share of the blocks that stay as they are where the upper ones learn

Ways = Mapping[Kind, Base]


def within_time(dataset: Dataset, base: Base, began: float, told: Progress) -> tuple[Base, Deadline]:
    """What is asked for, with recipe, picture size and epochs for the time where these are open; and its end.

    Some of the time goes for measuring; what was found is shown. `began` is the monotonic clock's.
    """
    given = base.asked
    total = _demand_plannable(given)
    ways = _ways(dataset, base)
    counts = _counts(dataset, given, ways)
    epochs = given.get("epochs", getattr(given.get("recipe"), "epochs", None))  # a recipe given whole is kept
    speeds: list[Speed] = []
    with told.step("measuring", 1):
        smaller = _smaller(chosen(dataset, next(iter(ways.values()))), given)
        for size in (None, smaller) if smaller else (None,):
            for kind, way in ways.items():
                left = total - (monotonic() - began)
                speeds += _measured(kind, chosen(dataset, _at(way, size)), speeds, counts, left)
            spent = monotonic() - began
            late = spent > LOOKING * total
            if smaller and smaller_is_vain(total - spent, speeds, counts, epochs, smaller, late):
                break
    budget = plan_for(total - (monotonic() - began), speeds, counts, epochs)
    for line in [*str(budget.table()).splitlines(), _sentence(budget)]:
        told.say(line)
    speed = budget.chosen.speed
    closing = speed.closing + 2 * counts.held_out / speed.judge
    return _decided(ways, budget), Deadline(began + total, closing, f"{given['time']}")


def _demand_plannable(given: Mapping[str, Any]) -> float:
    """The seconds asked for; UserError where something else contradicts them."""
    if "time_limit" in given:
        raise UserError(
            "give --time, which plans a run and ends it, or --time-limit, which only ends it; not both"
        )
    if runtime.launched():
        raise UserError("--time plans for one process; leave torchrun out, or give --epochs")
    total = seconds(given["time"])
    assert total
    return total


def _ways(dataset: Dataset, base: Base) -> Ways:
    """The ways of training that are open, as what would have been asked for them."""
    from neocog.training.recipes.named import RECIPES
    from neocog.training.recipes.recipe import Recipe

    given, recipe = base.asked, base.asked.get("recipe")
    if recipe is not None:
        own = RECIPES.get(recipe) if isinstance(recipe, str) else recipe
        if own is not None and not isinstance(own, Recipe):
            raise UserError("--time cannot plan the Neocognitron's own rules of learning; leave it out")
        begun = recipe in FROM_TRAINED or "weights" in given
        kind: Kind = "probe" if recipe == PROBE else "full" if begun else "scratch"
        return {kind: base}
    digits = dataset.name == "digits" and dataset.root is None
    if not _trained(given, digits):
        return {"scratch": _asking(base, recipe="digits" if digits else "scratch")}
    full = _asking(base, recipe="finetune")
    ways: dict[Kind, Base] = {}
    if not any(name in KNOBS for name in given):
        ways["probe"] = _asking(base, recipe=PROBE)
    if "freeze" not in given:
        ways["partial"] = _asking(full, freeze=lower_blocks(chosen(dataset, full)))
    return {**ways, "full": full}


def _trained(given: Mapping[str, Any], digits: bool) -> bool:
    """Whether there are trained weights to begin with; the network that the digits get by default has none."""
    if "weights" in given or (digits and "model" not in given):
        return "weights" in given
    reference = names.parse(given.get("model") or DEFAULT_MODEL)
    return reference.kind == "ours" and names.at_hand(reference.name)


def lower_blocks(plan: Plan) -> tuple[str, ...]:
    """Patterns of the parameters below the upper third of the network's blocks."""
    from neocog.api.training.beginning import fresh
    from neocog.training.optimizers.groups import layer_blocks

    net, head, _ = fresh(plan, plan.loop_recipe)
    blocks = layer_blocks(net, head)
    count = min(len(blocks) - 1, round(len(blocks) * FROZEN))
    above = [name for block in blocks[count:] for name in block]
    return tuple(pattern for block in blocks[:count] for pattern in _patterns(block, above))


def _patterns(block: Sequence[str], above: Sequence[str]) -> Iterator[str]:
    """One for the whole block where it has a name of its own, else a name for each parameter."""
    module = commonprefix(list(block)).rpartition(".")[0]
    whole = module and not any(name.startswith(f"{module}.") for name in above)
    yield from [f"{module}.*"] if whole else block


def _smaller(plan: Plan, given: Mapping[str, Any]) -> int | None:
    """A side to try beside the usual one; None where there is none."""
    height, width = plan.preprocess.size
    if "img_size" in given or height != width or height < SMALLEST:
        return None
    return max(32, round(height * SMALLER / 32) * 32)


def _at(way: Base, size: int | None) -> Base:
    return way if size is None else _asking(way, img_size=size)


def _asking(base: Base, **further: Any) -> Base:
    return replace(base, asked={**base.asked, **further})


def _counts(dataset: Dataset, given: Mapping[str, Any], ways: Ways) -> Counts:
    """How many pictures train and judge; batch and epochs are the recipe's, where one of the ways has any."""
    from neocog.api.training.measuring import own_side

    recipe = next((r for way in ways.values() if (r := chosen(dataset, way).recipe)), None)
    train, held_out = expected_counts(dataset, given.get("val_fraction", 0.2))
    batch = getattr(recipe, "batch_size", 1) * getattr(recipe, "accumulate", 1)
    return Counts(
        train, held_out, batch, getattr(recipe, "epochs", 1), "probe" in ways, own_side(dataset.samples)
    )


def _measured(kind: Kind, plan: Plan, known: Sequence[Speed], counts: Counts, left: float) -> list[Speed]:
    """The speed of one way at one size; of a size that the network does not take there is none.

    A step is not measured where passing the pictures forward alone would take longer than there is time.
    """
    from neocog.api.training.measuring import probe_speed, step_speed

    size = plan.preprocess.size[0]
    beside = next((speed for speed in known if speed.size == size and speed.kind == "probe"), None)
    if beside and beside.judge * left < fewest_epochs(kind, counts) * counts.train:
        return [replace(beside, kind=kind)]
    try:
        return [
            probe_speed(plan) if kind == "probe" else step_speed(kind, plan, beside.fit if beside else None)
        ]
    except (UserError, RuntimeError):
        if not known:  # at its own size a network must run
            raise
        return []


def _sentence(budget: Budget) -> str:
    best = budget.chosen
    epochs = f", {best.epochs} epochs" if best.epochs else ""
    return (
        f"time: {WAYS[best.speed.kind]} at {best.speed.size} px{epochs}, about {best.seconds:.0f} s "
        f"of the {budget.left:.0f} s left"
    )


def _decided(ways: Ways, budget: Budget) -> Base:
    """What would have been asked for, had the user known the best way."""
    best = budget.chosen
    way = ways[best.speed.kind]
    if best.epochs:
        way = _asking(way, epochs=best.epochs)
    return _asking(way, img_size=best.speed.size)
