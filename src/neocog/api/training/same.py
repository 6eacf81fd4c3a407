"""Whether the run in a folder is the one that is asked for, by what can be told before any picture is read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from neocog import files
from neocog.api import names
from neocog.api.training.config import plain
from neocog.api.training.plan import Plan
from neocog.bundle import read_bundle
from neocog.errors import UserError
from neocog.training.resume.saving import CHECKPOINTS


def known_before(plan: Plan) -> dict[str, Any]:
    """What a checkpoint must have been made with, but for the pictures themselves."""
    from neocog.training.recipes.config import recipe_facts

    return {
        "model": str(plan.reference),
        "code": names.source_sha256(plan.reference),
        "weights": files.sha256(plan.weights) if plan.weights and plan.weights.is_file() else "",
        "classes": list(plan.dataset.classes),
        "preprocessing": plain(plan.preprocess.to_json()),
        "recipe": plain(recipe_facts(plan.recipe)),
        "seed": plan.seed,
    }


def demand_unfinished(plan: Plan, folder: Path) -> None:
    """Raise unless the plan can go on from the checkpoints in `folder`, as far as they can be read."""
    from neocog.training.resume.checkpoint import newest_facts
    from neocog.training.state import demand_same

    if not plan.by_gradient:
        raise UserError(
            f"the recipe {plan.recipe_name} keeps no checkpoints, got {folder} to go on in, which is another run's; "
            "leave --resume out, or give --recipe as before"
        )
    facts = newest_facts(folder / CHECKPOINTS)
    if facts is not None:
        demand_same(facts["identity"], known_before(plan))


def demand_finished(plan: Plan, folder: Path) -> None:
    """Raise unless the finished run in `folder` is what the plan would have made."""
    from neocog.training.state import demand_same

    card, own = read_bundle(folder).card, known_before(plan)
    stored: Mapping[str, Any] = {
        "model": card.model,
        "classes": list(card.classes),
        "preprocessing": plain(card.preprocess.to_json()),
        "recipe": {name: card.recipe.get(name) for name in own["recipe"]},
        "seed": card.recipe.get("seed"),
    }
    name = card.recipe.get("name")
    if (
        plan.recipe is None
        or name == "probe"
        or (stored["recipe"] != own["recipe"] and name != plan.recipe_name)
    ):
        stored, own = {**stored, "recipe": name}, {**own, "recipe": plan.recipe_name}
    demand_same(stored, {name: own[name] for name in stored}, f"the run in {folder}")


def difference(plan: Plan, folder: Path) -> str:
    """Why the plan cannot go on from the checkpoints in `folder`; empty where it can."""
    try:
        demand_unfinished(plan, folder)
    except UserError as error:
        return str(error)
    return ""
