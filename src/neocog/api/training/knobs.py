"""What a user may change about a recipe, by keyword: its own fields, and a few spellings in other units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from neocog.api.training.unread import demand_read
from neocog.errors import UserError

if TYPE_CHECKING:
    from neocog.data.augment.policy import Augment, RandomCrop
    from neocog.training.recipes.recipe import Recipe


class RecipeOptions(TypedDict, total=False):
    """Changes of a recipe; the fields of `Recipe` say what each does, None leaves it as it is."""

    epochs: int | None
    batch_size: int | None
    accumulate: int | None
    optimizer: str | None
    lr: float | None
    momentum: float | None
    betas: tuple[float, float] | None
    eps: float | None
    weight_decay: float | None
    l2sp: float | None
    decay_all: bool | None
    layer_decay: float | None
    head_lr: float | None
    clip: float | None
    schedule: str | None
    warmup: float | None
    min_lr: float | None
    milestones: tuple[float, ...] | None
    factors: tuple[float, ...] | None
    decay_rate: float | None
    decay_epochs: float | None
    loss: str | None
    smoothing: float | None
    class_weights: str | Path | Sequence[float] | None
    """none, auto, sqrt, a number for each class, or a file that has one for each class"""
    balanced: bool | None
    aux_weight: float | None
    augment: Augment | str | None
    """a policy, its name, or the text of an automatic one such as rand-m9-n2"""
    repeats: int | None
    sizes: tuple[int, ...] | None
    dropout: float | None
    drop_path: float | None
    head_start: bool | None
    keep_probe: bool | None
    head_epochs: int | None
    unfreeze: float | None
    lora: int | None
    lora_alpha: float | None
    lora_layers: Sequence[str] | None
    freeze: Sequence[str] | None
    freeze_bn: bool | None
    freeze_bn_stats: bool | None
    whiten: bool | None
    average: str | None
    average_decay: float | None
    average_from: float | None
    precise_bn: bool | None
    flip_test: bool | None
    best_by: str | None
    patience: int | None
    warmup_epochs: float | None
    """`warmup` in epochs"""
    decay_milestones: Sequence[float] | None
    """`milestones` in epochs"""
    auto: str | None
    """of the augmentation: randaugment-m9-n2, trivialaugment, augmix-m3-w3, rand-m9-n2-mstd0.5-inc1"""
    mixup: float | None
    """alpha of mixup"""
    cutmix: float | None
    """alpha of CutMix"""
    erasing: float | None
    """probability of a rectangle painted over"""
    colour_jitter: float | None
    """brightness, contrast and saturation changed by up to this share"""
    scale: Sequence[float] | None
    """the least and the most of its area that a random crop shows"""
    flip: bool | None
    """mirror half of the pictures left to right"""
    vflip: bool | None
    shift: float | None
    """largest shift, as a share of the size"""


KNOBS = tuple(RecipeOptions.__annotations__)
OF_AUGMENT = ("auto", "mixup", "cutmix", "flip", "vflip", "shift")


def changed_recipe(base: Recipe, options: RecipeOptions, classes: tuple[str, ...]) -> Recipe:
    """`base` with what was given; errors in words where the parts do not go together."""
    from neocog.training.objective.class_weights import class_weights_from
    from neocog.training.recipes.recipe import WEIGHTINGS

    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    own = {field.name for field in fields(base)} - {"augment"}
    changes = {name: _tupled(value) for name, value in given.items() if name in own}
    augment = _augment(base.augment, given)
    if isinstance(given.get("class_weights"), str | Path) and given["class_weights"] not in WEIGHTINGS:
        changes["class_weights"] = class_weights_from(Path(given["class_weights"]).expanduser(), classes)
    epochs = given.get("epochs", base.epochs)
    for name in ("freeze", "lora_layers"):
        if isinstance(given.get(name), str):
            changes[name] = (given[name],)
    _in_shares(changes, given, epochs)
    _by_schedule(changes, changes.get("schedule", base.schedule))
    if "patience" in given and not (base.best_by or "best_by" in given):
        changes["best_by"] = "top1"
    changed = replace(base, **changes, augment=augment)
    demand_read(changed, given)
    return changed


def _in_shares(changes: dict[str, Any], given: dict[str, Any], epochs: int) -> None:
    """What was given in epochs, in shares of the run."""
    for own, in_epochs in (("warmup", "warmup_epochs"), ("milestones", "decay_milestones")):
        if in_epochs not in given:
            continue
        if own in given:
            raise UserError(f"give {own} or {in_epochs}, not both: they are the same in other units")
        numbers = given[in_epochs]
        many = isinstance(numbers, list | tuple)
        if many and not all(n > 0 for n in numbers):
            raise UserError(f"{in_epochs} must be above 0, got {_listed(numbers)}")
        if not all(0 <= n < epochs for n in (numbers if many else [numbers])):
            raise UserError(
                f"{in_epochs} must lie before the end of the {epochs} epochs, got {_listed(numbers)}"
            )
        changes[own] = tuple(n / epochs for n in numbers) if many else numbers / epochs


def _by_schedule(changes: dict[str, Any], schedule: str) -> None:
    """Milestones are of `step` alone: those of the recipe go with it, those that were given would count for nothing."""
    if schedule == "step":
        return
    if "milestones" in changes or "factors" in changes:
        raise UserError(
            f"milestones and their factors are of the schedule step, got {schedule}; give --sched step"
        )
    changes |= {"milestones": (), "factors": ()}


def _augment(base: Augment, given: dict[str, Any]) -> Augment:
    from neocog.data.augment.erase import Erasing
    from neocog.data.augment.jitter import Jitter
    from neocog.data.augment.policy import policy

    named = given.get("augment", base)
    augment = policy(named) if isinstance(named, str) else named
    changes = {name: given[name] for name in OF_AUGMENT if name in given}
    if "erasing" in given:
        changes["erasing"] = Erasing(given["erasing"]) if given["erasing"] else None
    if "scale" in given:
        changes["crop"] = _cropped(augment, given["scale"])
    if "colour_jitter" in given:
        x = given["colour_jitter"]
        changes["jitter"] = Jitter(x, x, x) if x else None
    return replace(augment, **changes)


def _cropped(augment: Augment, scale: Sequence[float]) -> RandomCrop:
    from neocog.data.augment.policy import RandomCrop

    if len(scale) != 2:
        raise UserError(f"scale is two shares of the area, such as 0.5,1, got {_listed(scale)}")
    known = augment.crop if isinstance(augment.crop, RandomCrop) else RandomCrop()
    return known._replace(scale=(scale[0], scale[1]))


def _listed(numbers: Any) -> str:
    return ", ".join(f"{n:g}" for n in (numbers if isinstance(numbers, list | tuple) else [numbers]))


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
