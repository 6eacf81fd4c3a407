"""A recipe as JSON, to print, keep in a bundle, and read again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass, replace
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from neocog.data.augment.erase import Erasing
from neocog.data.augment.jitter import Jitter
from neocog.data.augment.policy import Augment, RandomCrop, ScaleJitter
from neocog.errors import UserError, unknown
from neocog.training.organised import NeocognitronRecipe
from neocog.training.recipes.named import RECIPES, AnyRecipe
from neocog.training.recipes.recipe import Recipe

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


def fields_of(name: str) -> tuple[str, ...]:
    """The fields of the recipe called so, or of a user's own; the frozen network's has none."""
    kind = type(RECIPES.get(name, Recipe()))
    return () if name == "probe" else tuple(field.name for field in fields(kind))


def organised_from_json(base: NeocognitronRecipe, stored: Mapping[str, Any]) -> AnyRecipe:
    """A recipe of the Neocognitron's own, with other values in some fields."""
    _demand_kinds(type(base), stored, "the recipe")
    return base.changed(stored)


def recipe_from_json(stored: Mapping[str, Any]) -> Recipe:
    """The recipe that `recipe_to_json` wrote; what is missing is as by default. Errors name the field."""
    given = _known(stored, Recipe)
    _demand_kinds(Recipe, {name: value for name, value in given.items() if name != "augment"}, "the recipe")
    augment = given.pop("augment", None)
    changes = {name: _tupled(value) for name, value in given.items()}
    if augment is not None:
        changes["augment"] = augment_from_json(augment)
    return Recipe(**changes)


def augment_from_json(stored: Mapping[str, Any]) -> Augment:
    changes = _known(stored, Augment)
    _demand_kinds(Augment, {name: value for name, value in changes.items() if name not in TUPLES})
    for name, kinds in TUPLES.items():
        what = f"a field of the augmentation has a value of the wrong kind: {name}"
        demand_kind(what, changes.get(name), Mapping | None)
        if changes.get(name) is not None:
            changes[name] = _of_kind(name, changes[name], kinds)
    return replace(Augment(), **{name: _tupled(value) for name, value in changes.items()})


def _of_kind(name: str, given: Mapping[str, Any], kinds: tuple[Any, ...]) -> Any:
    for kind in kinds:
        if set(given) <= set(kind._fields):
            _demand_kinds(kind, given)
            try:
                return kind(**{key: _tupled(value) for key, value in given.items()})
            except TypeError as error:  # something has no default
                raise UserError(
                    f"a field of the augmentation has a value of the wrong kind: {error}"
                ) from error
    known = sorted({field for kind in kinds for field in kind._fields})
    raise unknown(f"field of {name}", next(iter(given)), known)


def _known(stored: Mapping[str, Any], kind: type[Recipe] | type[Augment]) -> dict[str, Any]:
    if not isinstance(stored, Mapping):
        raise UserError(f"a recipe in JSON is an object of named fields, got {type(stored).__name__}")
    names = [field.name for field in fields(kind)]
    for name in stored:
        if name not in names:
            raise unknown(f"field of {'a recipe' if kind is Recipe else 'an augmentation'}", name, names)
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


def _demand_kinds(kind: type, stored: Mapping[str, Any], what: str = "the augmentation") -> None:
    hints = get_type_hints(kind)
    for name, value in stored.items():
        if name in hints:
            demand_kind(f"a field of {what} has a value of the wrong kind: {name}", value, hints[name])


def demand_kind(what: str, value: object, hint: Any) -> None:
    """Raise unless `value` is of the annotated kind; a list may stand for a tuple, a whole number for a float."""
    if not _fits(value, hint):
        raise UserError(f"{what} must be {_words(hint)}, got {value!r}")


def _fits(value: object, hint: Any) -> bool:
    origin, inside = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(_fits(value, kind) for kind in inside)
    if origin is tuple:
        return isinstance(value, list | tuple) and _all_fit(value, inside)
    if hint in (int, float):
        numbers = int if hint is int else (int, float)
        return isinstance(value, numbers) and not isinstance(value, bool)
    return isinstance(value, hint)


def _all_fit(values: Sequence[object], kinds: tuple[Any, ...]) -> bool:
    if kinds[-1] is Ellipsis:
        return all(_fits(value, kinds[0]) for value in values)
    return len(values) == len(kinds) and all(map(_fits, values, kinds))


WORDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    Mapping: "an object of named fields",
    type(None): "null",
}


def _words(hint: Any) -> str:
    """What an annotation allows."""
    origin, inside = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(map(_words, inside))
    if origin is tuple:
        several = inside[-1] is Ellipsis
        return f"a list of {'' if several else f'{len(inside)} '}{_words(inside[0]).removeprefix('a ')}s"
    return WORDS.get(hint, getattr(hint, "__name__", str(hint)))
