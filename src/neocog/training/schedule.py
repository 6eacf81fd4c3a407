"""The learning rate and the momentum of every step, as a function of its number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import cos, floor, isfinite, pi
from typing import Any, NamedTuple

from neocog.training.recipes.recipe import Recipe


class Rate(NamedTuple):
    """What an optimizer is told before a step."""

    lr: float
    momentum: float


@dataclass(frozen=True)
class Plateau:
    """What the schedule `plateau` remembers: the best figure so far, epochs since then, how often it cut the rate.

    He et al., "Deep residual learning for image recognition" (2015), section 3.4: the rate is divided by 10 when the
    error plateaus.
    """

    best: float | None = None
    waited: int = 0
    cuts: int = 0

    def after(self, value: float, recipe: Recipe) -> Plateau:
        """After another epoch with this figure, of which less is better: the held-out error, for instance.

        A cut follows the `decay_epochs`-th epoch in a row that is no better than the best before; then the wait starts
        anew. Equal is not better, and neither is what is not finite.
        """
        if isfinite(value) and (self.best is None or value < self.best):
            return Plateau(value, 0, self.cuts)
        if self.waited + 1 < recipe.decay_epochs:
            return Plateau(self.best, self.waited + 1, self.cuts)
        return Plateau(self.best, 0, self.cuts + 1)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> Plateau:
        return cls(**facts)


class Now(NamedTuple):
    """Where a run is. Steps are counted from 0."""

    step: int
    steps: int
    """of the whole run"""
    warm: int
    """steps of warm-up"""
    per_epoch: float
    """steps of one epoch"""
    cuts: int
    """of the plateau schedule so far"""

    @property
    def share(self) -> float:
        """of the steps after the warm-up"""
        return (self.step - self.warm) / max(self.steps - self.warm, 1)


def rate(recipe: Recipe, step: int, steps: int, per_epoch: float, cuts: int = 0) -> Rate:
    """Learning rate and momentum of step `step` of `steps`, `per_epoch` of which make an epoch.

    `cuts` is `Plateau.cuts`; other schedules do not read it. The warm-up is a line: with w steps of it, step s has
    (s + 1) / (w + 1) of what the schedule gives at step w, so it starts just above 0 and step w is the first with all
    of it. `step` and `exponential` count from the start of the run, `cosine` and `linear` from the end of the warm-up;
    `one-cycle` has its own rise and moves the momentum too.
    """
    if recipe.schedule == "one-cycle":
        return one_cycle(recipe, step, steps)
    warm = round(recipe.warmup * steps)
    at = Now(max(step, warm), steps, warm, per_epoch, cuts)
    return Rate(AFTER_WARMUP[recipe.schedule](recipe, at) * min(1, (step + 1) / (warm + 1)), recipe.momentum)


def constant(recipe: Recipe, _: Now) -> float:
    return recipe.lr


def cosine(recipe: Recipe, at: Now) -> float:
    """Half a cosine wave from `lr` to `min_lr` (Loshchilov and Hutter 2017, equation 5, one period)."""
    return recipe.min_lr + (recipe.lr - recipe.min_lr) * (1 + cos(pi * at.share)) / 2


def linear(recipe: Recipe, at: Now) -> float:
    """A line from `lr` to `min_lr`."""
    return recipe.lr + (recipe.min_lr - recipe.lr) * at.share


def stairs(recipe: Recipe, at: Now) -> float:
    """`lr` times the factor of the last milestone passed, or times `decay_rate` for each milestone passed."""
    passed = sum(at.step >= round(share * at.steps) for share in recipe.milestones)
    if recipe.factors:
        return recipe.lr * (1.0, *recipe.factors)[passed]
    return recipe.lr * float(recipe.decay_rate**passed)


def exponential(recipe: Recipe, at: Now) -> float:
    """`lr` times `decay_rate` after every `decay_epochs` epochs, at once (GoogLeNet: times .96 every 8 epochs)."""
    # the small part: an epoch of 2.4 / 0.1 steps ends at step 24, not at 25
    decays = floor(at.step / (recipe.decay_epochs * at.per_epoch) + 1e-9)
    return recipe.lr * float(recipe.decay_rate**decays)


def plateau(recipe: Recipe, at: Now) -> float:
    """`lr` times `decay_rate` for each cut, never below `min_lr`."""
    return max(recipe.min_lr, recipe.lr * float(recipe.decay_rate**at.cuts))


AFTER_WARMUP: dict[str, Callable[[Recipe, Now], float]] = {
    "constant": constant,
    "cosine": cosine,
    "linear": linear,
    "step": stairs,
    "exponential": exponential,
    "plateau": plateau,
}

FIRST, LAST = 25, 1e4  # the first rate is lr / FIRST, the last that by LAST
MOMENTUM = (0.95, 0.85)  # at the ends and at the highest rate


def one_cycle(recipe: Recipe, step: int, steps: int) -> Rate:
    """Up along half a cosine wave for the share `warmup`, then down; the momentum runs the other way.

    Smith, "A disciplined approach to neural network hyper-parameters" (2018), with the numbers and the shape of
    fastai and of torch's `OneCycleLR`: from lr / 25 to lr to lr / 250,000, momentum .95 to .85 to .95, whatever the
    recipe's `momentum` and `min_lr` are.
    """
    top = recipe.warmup * steps - 1
    high, low = MOMENTUM
    if top > 0 and step <= top:
        share = step / top
        return Rate(_wave(recipe.lr / FIRST, recipe.lr, share), _wave(high, low, share))
    share = (step - top) / (steps - 1 - top)
    return Rate(_wave(recipe.lr, recipe.lr / FIRST / LAST, share), _wave(low, high, share))


def _wave(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + cos(pi * share)) / 2
