"""A recipe as JSON, to print, keep in a bundle, and read again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields, is_dataclass
from typing import Any

from neocog.data.augment.erase import Erasing
from neocog.data.augment.jitter import Jitter
from neocog.data.augment.policy import Augment, RandomCrop, ScaleJitter
from neocog.errors import UserError, unknown
from neocog.training.recipe import Recipe

TUPLES = {"crop": (RandomCrop, ScaleJitter), "jitter": (Jitter,), "erasing": (Erasing,)}
"""of the fields of `Augment` that hold several values, which kinds of them there are"""


def recipe_to_json(recipe: Recipe) -> dict[str, Any]:
    """Every field; several values under their names."""
    stored = {field.name: getattr(recipe, field.name) for field in fields(recipe)}
    stored["augment"] = {
        field.name: _named(getattr(recipe.augment, field.name)) for field in fields(recipe.augment)
    }
    return {name: _listed(value) for name, value in stored.items()}


def recipe_facts(recipe: object) -> dict[str, Any]:
    """What a card says about a recipe of any kind; nothing of the frozen network's."""
    if isinstance(recipe, Recipe):
        return recipe_to_json(recipe)
    return asdict(recipe) if is_dataclass(recipe) and not isinstance(recipe, type) else {}


def recipe_from_json(stored: Mapping[str, Any]) -> Recipe:
    """The recipe that `recipe_to_json` wrote; what is missing is as by default. Errors name the field."""
    given = _known(stored, Recipe)
    augment = given.pop("augment", None)
    changes = {name: _tupled(value) for name, value in given.items()}
    if augment is not None:
        changes["augment"] = augment_from_json(augment)
    with _right_kinds("the recipe"):
        return Recipe(**changes)


def augment_from_json(stored: Mapping[str, Any]) -> Augment:
    """The augmentation of a recipe in JSON; what is missing does nothing."""
    changes = _known(stored, Augment)
    with _right_kinds("the augmentation"):
        for name, kinds in TUPLES.items():
            if isinstance(changes.get(name), Mapping):
                changes[name] = _of_kind(name, changes[name], kinds)
        return Augment(**{name: _tupled(value) for name, value in changes.items()})


@contextmanager
def _right_kinds(what: str) -> Iterator[None]:
    try:
        yield
    except (TypeError, AttributeError) as error:
        raise UserError(f"a field of {what} has a value of the wrong kind: {error}") from error


def _of_kind(name: str, given: Mapping[str, Any], kinds: tuple[Any, ...]) -> Any:
    for kind in kinds:
        if set(given) <= set(kind._fields):
            return kind(**{key: _tupled(value) for key, value in given.items()})
    known = sorted({field for kind in kinds for field in kind._fields})
    raise unknown(f"field of {name}", next(iter(given)), known)


def _known(stored: Mapping[str, Any], kind: type[Recipe] | type[Augment]) -> dict[str, Any]:
    if not isinstance(stored, Mapping):
        raise UserError(f"a recipe in JSON is an object of named fields, got {type(stored).__name__}")
    names = [field.name for field in fields(kind)]
    for name in stored:
        if name not in names:
            raise unknown(f"field of {'a recipe' if kind is Recipe else 'its augmentation'}", name, names)
    return dict(stored)


def _named(value: Any) -> Any:
    return (
        {name: _listed(part) for name, part in value._asdict().items()}
        if hasattr(value, "_asdict")
        else value
    )


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
