"""Recipes suited to the data: to how many classes a picture shows; by BiT's HyperRule, to how many there are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from neocog.api.training.held_out import expected_counts
from neocog.api.training.knobs import RecipeOptions
from neocog.data.decoding import typical_side
from neocog.errors import UserError

if TYPE_CHECKING:
    from neocog.data.dataset import Dataset
    from neocog.training.recipes.named import AnyRecipe
    from neocog.training.recipes.recipe import Recipe


def suited_recipe(recipe: AnyRecipe, changes: RecipeOptions, several: bool) -> tuple[AnyRecipe, str]:
    """The recipe for pictures that show one class each, or `several`, and a sentence if something in it became other.

    UserError where what the user asks for needs the other kind.
    """
    from neocog.training.organised import NeocognitronRecipe
    from neocog.training.recipes.recipe import OF_ONE

    if isinstance(recipe, NeocognitronRecipe):
        if several:
            raise UserError(
                f"{recipe.model} learns one class per picture, got several for some; take --recipe probe"
            )
        return recipe, ""
    if several:
        return _for_several(recipe, changes)
    if recipe.best_by and recipe.best_by not in OF_ONE:
        raise UserError(
            f"best_by {recipe.best_by} is for pictures that show several classes; take {', '.join(OF_ONE)}"
        )
    return recipe, ""


def by_hyperrule(dataset: Dataset, val_fraction: float) -> tuple[Recipe, int]:
    """BiT's HyperRule for the training pictures and their median size: the recipe, and the side that is read."""
    from neocog.training.recipes.eras import bit_hyperrule

    train, _ = expected_counts(dataset, val_fraction)
    return bit_hyperrule(train, typical_side(dataset.samples))


def _for_several(recipe: Recipe, changes: RecipeOptions) -> tuple[Recipe, str]:
    """With a yes or no for each class as its loss, and the mean average precision in place of the accuracy."""
    from neocog.training.recipes.recipe import OF_SEVERAL

    if changes.get("loss", "bce") != "bce" or recipe.loss == "lenet-map":
        raise UserError(
            f"pictures that show several classes need the loss bce, got {recipe.loss}; leave --loss out"
        )
    if recipe.balanced:
        raise UserError(
            "balanced draws pictures by their one class, got several for some; take --class-weights auto"
        )
    if changes.get("best_by") and recipe.best_by not in OF_SEVERAL:
        raise UserError(
            f"best_by {recipe.best_by} is for pictures that show one class each; take {', '.join(OF_SEVERAL)}"
        )
    best_by = "map" if recipe.best_by and recipe.best_by not in OF_SEVERAL else recipe.best_by
    return (
        replace(recipe, loss="bce", best_by=best_by),
        "loss: bce, a yes or no for each class, since pictures show several",
    )
