"""The recipes by name: how networks of each era were trained, and how to train one today."""

from __future__ import annotations

from neocog.data.augment.policy import Augment, RandomCrop
from neocog.errors import UserError, unknown
from neocog.training.organised import NeocognitronRecipe, SelfOrganisation, Teaching
from neocog.training.recipes.eras import ERAS
from neocog.training.recipes.recipe import Recipe

AnyRecipe = Recipe | NeocognitronRecipe

RECIPES: dict[str, AnyRecipe] = {
    "scratch": Recipe(
        epochs=20, lr=0.002, weight_decay=0.05, smoothing=0.1, augment=Augment(shift=0.06, flip=True)
    ),
    "digits": Recipe(epochs=40, lr=0.005),
    "cpu-quick": Recipe(  # for quick_convnet; tuned on Fashion-MNIST, see docs/speed.md
        epochs=4,
        batch_size=256,
        optimizer="nesterov",
        lr=0.4,
        weight_decay=5e-4,
        schedule="one-cycle",
        warmup=0.25,
        smoothing=0.1,
        augment=Augment(flip=True, shift=0.04),
        whiten=True,
        flip_test=True,
    ),
    "finetune": Recipe(
        epochs=15,
        lr=5e-4,
        weight_decay=0.05,
        layer_decay=0.75,
        smoothing=0.1,
        head_start=True,
        keep_probe=True,
        freeze_bn=True,
        clip=1.0,
        augment=Augment(crop=RandomCrop(scale=(0.5, 1.0)), flip=True),  # docs/finetune.md has what was tried
    ),
    **ERAS,
    "neocognitron-1980": SelfOrganisation(),
    "neocognitron-1988": Teaching(),
}
"""Of the training loop and of the Neocognitron; `probe`, the frozen network with a linear classifier, has nothing to
set."""


def recipe(name: str) -> Recipe:
    """A recipe of the training loop."""
    found = _named(name)
    if not isinstance(found, Recipe):
        raise UserError(
            f"{name} is a rule of the Neocognitron's own; take one of the training loop's recipes"
        )
    return found


def _named(name: str) -> AnyRecipe:
    if name not in RECIPES:
        raise unknown("recipe", name, ["probe", *RECIPES])
    return RECIPES[name]
