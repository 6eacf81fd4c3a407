"""Model, recipe and inputs of a run, from what was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from neocog.api import names
from neocog.api.training.config import Base
from neocog.api.training.held_out import expected_counts, expected_per_class
from neocog.api.training.knobs import KNOBS, RecipeOptions
from neocog.api.training.plan import FINETUNE, HYPERRULE, Plan, make_plan
from neocog.api.training.suited import by_hyperrule, for_finetuning
from neocog.data.dataset import Dataset
from neocog.data.decoding import chosen_decoding
from neocog.data.preprocess import Preprocess


def chosen(dataset: Dataset, base: Base) -> Plan:
    """The plan's model, recipe, weights and preprocessing."""
    base, ruled = _by_rule(dataset, base) if base.asked.get("recipe") == HYPERRULE else (base, ())
    given = base.asked
    changes: RecipeOptions = {k: v for k, v in given.items() if k in KNOBS}  # type: ignore[assignment]
    own = given.get("model"), given.get("recipe"), given.get("weights")
    plan = make_plan(dataset, *own, changes, base.recipe_name)
    # a recipe given whole, such as a config's, was suited to its data before
    if given.get("recipe") == FINETUNE:
        per_class, (train, _) = _expected(dataset, given)
        recipe, suited = for_finetuning(plan.loop_recipe, changes, per_class, train)
        plan, ruled = replace(plan, recipe=recipe), suited
    preprocess, why = _prepared(plan, base)
    return replace(plan, preprocess=preprocess, decisions=(*plan.decisions, *ruled, *why))


def _expected(dataset: Dataset, given: Mapping[str, Any]) -> tuple[float, tuple[int, int]]:
    """Pictures of a class to learn from, and how many train and judge in all."""
    share = given.get("val_fraction", 0.2)
    return expected_per_class(dataset, share), expected_counts(dataset, share)


def _by_rule(dataset: Dataset, base: Base) -> tuple[Base, tuple[str, ...]]:
    """What BiT's HyperRule has for the data in place of its name, and what was decided by it."""
    recipe, side = by_hyperrule(dataset, base.asked.get("val_fraction", 0.2))
    sized = {} if base.preprocess else {"img_size": side, "resize_mode": "squash"}
    asked = {**sized, **base.asked, "recipe": recipe}
    left = [f"{name} {value}" for name, value in sized.items() if name not in base.asked]
    why = (
        f"{HYPERRULE}: {', '.join([f'{recipe.epochs:,} epochs', *left])}, by the number and size of the pictures",
    )
    return replace(base, asked=asked, recipe_name=HYPERRULE), why


def _prepared(plan: Plan, base: Base) -> tuple[Preprocess, list[str]]:
    """How pictures become inputs, and what was decided about it."""
    given, stored = base.asked, base.preprocess
    preprocess = names.resized(stored or plan.preprocess, given.get("img_size"), given.get("resize_mode"))
    decoding = given.get("decoding") or (stored.decoding if stored else None)
    if decoding is not None:
        return replace(preprocess, decoding=decoding), []
    preprocess, why = chosen_decoding(preprocess, plan.dataset.samples)
    return preprocess, [why] if why else []
