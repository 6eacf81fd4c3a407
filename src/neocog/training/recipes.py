"""The recipes by name: how networks of each era were trained, and how to train one today."""

from __future__ import annotations

from neocog.data.augment.policy import Augment
from neocog.errors import unknown
from neocog.training.recipe import Recipe

RECIPES = {
    "scratch": Recipe(
        epochs=20, lr=0.002, weight_decay=0.05, smoothing=0.1, augment=Augment(shift=0.06, flip=True)
    ),
    "digits": Recipe(epochs=40, lr=0.005),
}
"""Recipes of the training loop; `probe`, the frozen network with a linear classifier, has nothing to set."""


def recipe(name: str) -> Recipe:
    if name not in RECIPES:
        raise unknown("recipe", name, ["probe", *RECIPES])
    return RECIPES[name]
