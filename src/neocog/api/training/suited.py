"""Recipes suited to the data: to how many classes a picture shows; to how many pictures there are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

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


FEW = 10  # pictures of a class to learn from, below which an epoch in batches of 64 has hardly a step for ten classes
FEW_STEPS = 8  # of an epoch, which smaller batches give where pictures are few
SMALLEST_BATCH = 8


def for_finetuning(
    recipe: Recipe, changes: RecipeOptions, per_class: float, pictures: int
) -> tuple[Recipe, tuple[str, ...]]:
    """The recipe `finetune` for `pictures` to learn from, `per_class` of a class; and what was decided about it.

    What the user gives stays as it is.
    """
    made: dict[str, Any] = {}
    why: list[str] = []
    if recipe.lora and "layer_decay" not in changes:
        made["layer_decay"] = 1.0
        why.append("layer_decay: 1, since what LoRA adds begins at 0 in every block")
    if per_class >= FEW:
        return replace(recipe, **made), tuple(why)
    why.append(
        f"few: about {per_class:.0f} pictures of a class to learn from; --seeds 5 shows how far the result scatters "
        "with what is held out (docs/finetune.md)"
    )
    batch = max(SMALLEST_BATCH, min(recipe.batch_size, pictures // FEW_STEPS))
    if "batch_size" not in changes and batch < recipe.batch_size:
        made["batch_size"] = batch
        why.append(f"batch_size: {batch}, so that an epoch of so few pictures has some steps")
    if not (recipe.freeze_bn or recipe.freeze_bn_stats or recipe.lora):
        why.append(
            "few: batch norm's statistics will be those of these pictures; --freeze-bn keeps the trained ones"
        )
    return replace(recipe, **made), tuple(why)


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
