"""Everything a training run can be told, with what each number does."""

from __future__ import annotations

from dataclasses import dataclass

from neocog.errors import UserError, unknown


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network's weights are found from scratch. Variants by `dataclasses.replace`."""

    epochs: int = 20
    """passes over the training pictures"""
    batch_size: int = 64
    """pictures per step"""
    lr: float = 0.005
    """highest learning rate, reached after the warm-up"""
    weight_decay: float = 0.02
    """AdamW's decoupled decay"""
    warmup: float = 0.1
    """share of all steps in which the rate rises linearly; then it falls to zero along a cosine"""
    smoothing: float = 0.0
    """share of the target spread over all classes"""
    shift: float = 0.06
    """largest random shift of a picture, as a share of its size; the border is repeated"""
    flip: bool = False
    """mirror half of the pictures left to right; wrong for digits and letters"""

    def __post_init__(self) -> None:
        rules = {
            "epochs": self.epochs >= 1,
            "batch_size": self.batch_size >= 1,
            "lr": self.lr > 0,
            "weight_decay": self.weight_decay >= 0,
            "warmup": 0 <= self.warmup < 1,
            "smoothing": 0 <= self.smoothing < 1,
            "shift": 0 <= self.shift < 0.5,
        }
        for name, holds in rules.items():
            if not holds:
                raise UserError(f"{name} must {RULES[name]}, got {getattr(self, name)}")


RULES = {
    "epochs": "be at least 1",
    "batch_size": "be at least 1",
    "lr": "be above 0",
    "weight_decay": "be at least 0",
    "warmup": "lie in 0..1, below 1",
    "smoothing": "lie in 0..1, below 1",
    "shift": "lie in 0..0.5, below 0.5",
}

RECIPES = {
    "scratch": Recipe(epochs=20, lr=0.002, weight_decay=0.05, smoothing=0.1, flip=True),
    "digits": Recipe(epochs=40, lr=0.005),
}
"""Recipes of the training loop; `probe`, the frozen network with a linear classifier, has nothing to set."""


def recipe(name: str) -> Recipe:
    if name not in RECIPES:
        raise unknown("recipe", name, ["probe", *RECIPES])
    return RECIPES[name]
