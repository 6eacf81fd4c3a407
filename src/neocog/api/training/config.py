"""A run's configuration as JSON: all that a run would do, printed before it, kept in its card, and read again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neocog.api import names
from neocog.api.training.plan import FROM_TRAINED, OWN, PROBE, Plan
from neocog.api.training.running import running_json
from neocog.api.training.teacher import TeacherOptions
from neocog.bundle import CARD, is_bundle, read_bundle
from neocog.data.preprocess import Preprocess
from neocog.data.reading import ReadingOptions
from neocog.errors import UserError, unknown
from neocog.weights.published import PUBLISHED

if TYPE_CHECKING:
    from neocog.training.recipes.named import AnyRecipe

OF_PUBLISHED = "published"
"""what a config calls the model's published weights, wherever they lie"""
NESTED = ("reading", "teacher", "run")
"""parts of a config that hold arguments of `train`"""


@dataclass(frozen=True)
class Base:
    """What was asked for, completed by what a config says."""

    asked: Mapping[str, Any]
    """no value is None"""
    preprocess: Preprocess | None = None
    recipe_name: str = OWN
    compare_pixels: bool = False


def config_of(plan: Plan) -> dict[str, Any]:
    """Everything that decides what the run does, as plain values; `with_config` reads it."""
    from neocog.training.recipes.config import recipe_facts

    return {
        "data": plan.dataset.name,
        "model": str(plan.reference),
        "weights": initial_weights(plan),
        "recipe": {"name": plan.recipe_name, **plain(recipe_facts(plan.recipe))},
        "preprocess": plain(plan.preprocess.to_json()),
        "val_fraction": plan.val_fraction,
        "seed": plan.seed,
        "compare_pixels": plan.compare_pixels,
        "reading": {name: _stored(getattr(plan.reading, name)) for name in ReadingOptions.__annotations__},
        "teacher": {
            name: _stored(getattr(plan.teacher, name, None)) for name in TeacherOptions.__annotations__
        },
        "run": running_json(plan),
    }


def initial_weights(plan: Plan) -> str | None:
    """Which weights the run begins with, in a config's words; None for random ones, or the frozen network's own."""
    if plan.weights is None:
        return None
    entry = PUBLISHED.get(plan.reference.name) if plan.reference.kind == "ours" else None
    theirs = entry is not None and entry.installed() and entry.path() == plan.weights
    return OF_PUBLISHED if theirs else str(plan.weights)


def plain(value: Any) -> Any:
    """`value` as JSON gives it back: lists for tuples."""
    return json.loads(json.dumps(value, allow_nan=False))


def with_config(asked: Mapping[str, Any]) -> Base:
    """What was asked for; where it leaves a choice open, what its `config` says: a file, a run or its fields."""
    given = {name: value for name, value in asked.items() if value is not None and value != {}}
    config = given.pop("config", None)
    if config is None:
        return Base(given)
    stored, place = _read(config)
    _demand_fields(stored, CONFIG_KINDS, place)
    base = Base(_flat(stored), None, OWN, bool(stored.get("compare_pixels")))
    if "preprocess" in stored:
        base = replace(base, preprocess=Preprocess.from_json(dict(stored["preprocess"])))
    if "recipe" in stored and "recipe" not in given:
        name, recipe = _recipe(stored["recipe"])
        base = replace(base, asked={**base.asked, "recipe": recipe}, recipe_name=name)
    return _overridden(base, given)


def _overridden(base: Base, given: Mapping[str, Any]) -> Base:
    """With what was given in place of what the config says; another model has other weights and other inputs."""
    kept = dict(base.asked)
    same = "model" not in given or "model" not in kept or _canonical(given["model"]) == kept["model"]
    if not same:
        kept.pop("weights", None)
        base = replace(base, preprocess=None, compare_pixels=False)
    if kept.get("weights") == OF_PUBLISHED and "weights" not in given:
        kept["weights"] = _published(str(given.get("model", kept.get("model"))))
    return replace(base, asked={**kept, **given})


def _canonical(model: str) -> str:
    return str(names.parse(model))


def _published(model: str) -> Path:
    reference = names.parse(model)
    if reference.kind != "ours" or reference.name not in PUBLISHED:
        raise UserError(
            f"the config begins with published weights, {model} has none here; give --weights FILE"
        )
    return PUBLISHED[reference.name].path()


def _flat(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `train` that the config gives."""
    own = {name: stored[name] for name in ("model", "weights", "val_fraction", "seed") if name in stored}
    flat = own | {k: v for part in NESTED for k, v in stored.get(part, {}).items()}
    return {name: value for name, value in flat.items() if value is not None and value != {}}


def _recipe(stored: Mapping[str, Any]) -> tuple[str, str | AnyRecipe]:
    """The recipe's name and the recipe; `probe` has nothing but its name."""
    from neocog.training.organised import NeocognitronRecipe
    from neocog.training.recipes.config import organised_from_json, recipe_from_json
    from neocog.training.recipes.named import RECIPES

    given = dict(stored)
    name = given.pop("name", OWN)
    if not isinstance(name, str):
        raise UserError(f"the recipe's name in a config must be text, got {name!r}")
    if not given:  # `make_plan` knows the name
        return name, name
    if name == PROBE:
        raise unknown("field of the recipe probe", next(iter(given)), ["name"])
    base = RECIPES.get(name)
    if isinstance(base, NeocognitronRecipe):
        return name, organised_from_json(base, given)
    return name, recipe_from_json(given)


def _read(config: object) -> tuple[Mapping[str, Any], str]:
    """The fields of a config, and what to call it in an error."""
    if isinstance(config, Mapping):
        return config, "the config"
    path = Path(str(config)).expanduser()
    if path.is_file() and path.name == "last":  # the pointer where the system has no symbolic links
        path = path.parent / path.read_text("utf-8").strip()
    if path.is_dir():
        return _of_card(path), str(path)
    try:
        stored = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UserError(
            f"cannot read the config {path}: {error.strerror}; give a file that --print-config wrote, or a run"
        ) from error
    except ValueError as error:
        raise UserError(f"a config must be JSON, {path} is not: {error}") from error
    if not isinstance(stored, Mapping):
        raise UserError(f"a config must be a JSON object of named fields, {path} has {type(stored).__name__}")
    if path.name == CARD and "kind" in stored:
        raise UserError(f"{path} is the card of a run, not a config; give the run: --config {path.parent}")
    return stored, str(path)


def _of_card(folder: Path) -> dict[str, Any]:
    """What the card of a run says about how it was trained."""
    from neocog.training.recipes.config import fields_of

    if not is_bundle(folder):
        raise UserError(f"{folder} is no run with a card; give a file that --print-config wrote, or a run")
    card = read_bundle(folder).card
    name = card.recipe["name"]
    known = fields_of(name)
    weights = card.recipe.get("initial weights", OF_PUBLISHED if name in FROM_TRAINED else None)
    return {
        "model": card.model,
        "weights": weights,
        "recipe": {"name": name, **{k: v for k, v in card.recipe.items() if k in known}},
        "preprocess": plain(card.preprocess.to_json()),
        **{name: card.data[name] for name in ("val_fraction",) if name in card.data},
        "seed": card.recipe["seed"],
    }


def _stored(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else dict(value) if isinstance(value, Mapping) else value


Kinds = Mapping[str, Any]
TEXT = str | None
CONFIG_KINDS: Kinds = {
    "data": TEXT,
    "model": str,
    "weights": TEXT,
    "recipe": Mapping,
    "preprocess": Mapping,
    "val_fraction": float,
    "seed": int,
    "compare_pixels": bool,
    "reading": {
        "columns": Mapping,
        "classes": TEXT,
        "consensus": TEXT,
        "split": TEXT,
        "fold": int | None,
        "quarantine": TEXT,
    },
    "teacher": {"teacher": TEXT, "unlabelled": TEXT, "confidence": float | None, "per_class": int | None},
    "run": {
        "strict": bool,
        "engine": str,
        "device": str,
        "workers": str | int,
        "precision": TEXT,
        "compile": bool,
        "recompute": bool,
        "keep": int,
        "save_every": float,
        "time_limit": str | float | None,
        "snapshots": int,
        "tensorboard": bool,
    },
}
"""the fields of a config, and what may stand in each"""


def _demand_fields(stored: Mapping[str, Any], kinds: Kinds, place: str) -> None:
    """Raise for a field that does not exist, or holds something of another kind."""
    from neocog.training.recipes.config import demand_kind

    for name, value in stored.items():
        if name not in kinds:
            raise unknown(f"field in {place}", name, kinds)
        nested = isinstance(kinds[name], Mapping)
        demand_kind(f"{name} in {place}", value, Mapping if nested else kinds[name])
        if nested:
            _demand_fields(value, kinds[name], f"{name} of {place}")
