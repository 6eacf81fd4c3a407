"""What is in the folder of a run that goes on must be a run of the same network and recipe."""

from __future__ import annotations

from neocog.api.training.places import CHECKPOINTS, Place, figures_of
from neocog.api.training.plan import Plan
from neocog.errors import UserError

WAY = "give the command that began it, or another --output to start anew"


def demand_same_run(plan: Plan, place: Place) -> None:
    """Raise where the run in `place` is done and another one, or has checkpoints that this plan would not read.

    A run that trains all weights compares its checkpoints itself, field by field.
    """
    if place.done:
        _demand_same_result(plan, place)
    elif (place.folder / CHECKPOINTS).is_dir():
        _demand_reader(plan, place)


def _demand_same_result(plan: Plan, place: Place) -> None:
    asked = {"model": str(plan.reference), "recipe": plan.recipe_name, "classes": list(plan.dataset.classes)}
    there = figures_of(place.folder)
    for what, now in asked.items():
        then = there.get(what, now)
        if then != now:
            raise UserError(
                f"{place.folder} holds a run that is done, with {what} {_said(then)}, got {_said(now)}; {WAY}"
            )


def _demand_reader(plan: Plan, place: Place) -> None:
    from neocog.training.recipes.recipe import Recipe

    if not isinstance(plan.recipe, Recipe):
        raise UserError(
            f"{place.folder} has checkpoints of a run that trains all weights, the recipe {plan.recipe_name} "
            f"cannot go on from them; {WAY}"
        )


def _said(value: object) -> str:
    return ", ".join(map(str, value[:5])) if isinstance(value, list) else str(value)
