"""Options that another choice leaves without effect: what the user gives must do something."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

from neocog.errors import UserError

if TYPE_CHECKING:
    from neocog.training.recipes.recipe import Recipe

READERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "momentum": ("optimizer", ("sgd", "nesterov", "krizhevsky", "rmsprop-tf")),
    "betas": ("optimizer", ("adam", "adamw", "lamb", "rmsprop-tf")),
    "eps": ("optimizer", ("adam", "adamw", "lamb", "rmsprop-tf", "sdlm")),
    "min_lr": ("schedule", ("cosine", "linear", "plateau")),
    "decay_rate": ("schedule", ("step", "exponential", "plateau")),
    "decay_epochs": ("schedule", ("exponential", "plateau")),
    "average_decay": ("average", ("ema", "lookahead")),
    "average_from": ("average", ("ema", "polyak")),
}
"""which field of the recipe decides whether another one is read, and by which of its values it is"""
OVERRULED: tuple[tuple[str, Callable[[Recipe], bool], str], ...] = (
    (
        "momentum",
        lambda r: r.schedule == "one-cycle",
        "the schedule one-cycle moves the momentum itself, between 0.85 and 0.95",
    ),
    ("decay_rate", lambda r: bool(r.factors), "the factors of the milestones take its place"),
    (
        "decay_all",
        lambda r: r.decay_all and not r.weight_decay,
        "the weight decay is 0, on weights as on all else",
    ),
    (
        "keep_probe",
        lambda r: r.keep_probe and not r.head_start,
        "there is no probe to keep without head_start",
    ),
    *((name, lambda r: not r.lora, "lora, the rank, is 0") for name in ("lora_alpha", "lora_layers")),
)
"""knobs that are read, but for what is said"""


OF_THE_LOOP = ("precision", "compile", "recompute", "time_limit", "tensorboard", "snapshots")
"""options of a run that only the training loop reads"""


def demand_loop(name: str, given: Mapping[str, object]) -> None:
    """UserError where the recipe `name`, which has no loop, was `given` what steps and epochs are for."""
    for option in OF_THE_LOOP:
        if given.get(option):
            raise UserError(
                f"{option} is for recipes that train all weights step by step, {name} has no steps; leave it out"
            )


def demand_read(recipe: Recipe, given: Collection[str]) -> None:
    """UserError for the first of the `given` fields that `recipe`, which has their values, does not read."""
    for name in given:
        decider, readers = READERS.get(name, ("", ()))
        if decider and getattr(recipe, decider) not in readers:
            raise UserError(
                f"{name} counts for nothing with the {decider} {getattr(recipe, decider)}: {_listed(readers)} read it; "
                f"leave it out, or take another {decider}"
            )
        for overruled, holds, why in OVERRULED:
            if name == overruled and holds(recipe):
                raise UserError(f"{name} counts for nothing here: {why}; leave it out")


def _listed(names: tuple[str, ...]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}"
