"""What is said to views: one or several, how data are read, pictures that were meant for a model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sized
from inspect import signature
from pathlib import Path
from typing import Literal, TypeVar, get_args

import numpy as np

from neocog.api.embedding.sources import reference_of
from neocog.api.keywords import demand_known
from neocog.bundle import is_bundle
from neocog.errors import UserError, unknown
from neocog.weights.shipped import SHIPPED

Asked = Literal["auto", "deconvnet", "guided", "gradient"]
"""what leads back to the pixels; auto takes what suits the layer"""
Name = TypeVar("Name", bound=str | int)


def demand_options(view: Callable[..., object], options: Iterable[str], known: type) -> None:
    """TypeError for a keyword that `view` does not have, neither itself nor in its options, whose type is `known`."""
    own = [
        p.name for p in signature(view).parameters.values() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    demand_known(f"see {view.__name__.replace('_', '-')}", options, (*own, *known.__annotations__))


def several(given: Name | Iterable[Name]) -> tuple[Name, ...]:
    """Names or numbers, each once, in their order; one alone stands for itself, not for its letters."""
    names = (given,) if isinstance(given, str | int) else given
    return tuple(dict.fromkeys(names))


def demand_rule(given: str) -> None:
    """UserError unless this is one of `Asked`."""
    if given not in get_args(Asked):
        raise unknown("rule", given, get_args(Asked))


def demand_unread(options: Mapping[str, object], names: Iterable[str]) -> None:
    """UserError where one of `names`, which say how data are read, is given and no data are."""
    said = next((name for name in names if _said(options.get(name))), None)
    if said is not None:
        raise UserError(f"{said} says how DATA are read, none are given; name them or leave it out")


def _said(given: object) -> bool:
    """0 says something, as the number of a fold does."""
    empty = isinstance(given, Sized) and not len(given)
    return given is not None and given is not False and not empty


def demand_seed(seed: object, bits: int = 64) -> None:
    """UserError unless `seed` is a whole number of so many bits, not negative."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**bits:
        raise UserError(f"seed must be a whole number from 0 to 2**{bits} - 1, got {seed!r}")


def whole_numbers(what: str, given: object) -> tuple[int, ...]:
    """One or several, each once, in their order. UserError for what is no whole number, in the name of `what`."""
    every = given if isinstance(given, Iterable) and not isinstance(given, str) else (given,)
    numbers = tuple(every)
    odd = [n for n in numbers if isinstance(n, bool) or not isinstance(n, int | np.integer)]
    if odd:
        raise UserError(f"{what} must be a whole number from 0 on, or several, got {odd[0]!r}")
    return tuple(dict.fromkeys(map(int, numbers)))


def demand_pictures(data: object) -> None:
    """UserError where `data` is a run or a model's name: the pictures behind it were forgotten."""
    if isinstance(data, str | Path) and _is_network(str(data)):
        raise UserError(f"DATA are pictures, {data} is a network; name them behind it: {data} DATA")


def _is_network(source: str) -> bool:
    """Whether this is a run, or a model's name and no file or folder of that name."""
    path = Path(source).expanduser()
    if path.exists():
        return is_bundle(path)
    try:
        return source in SHIPPED or reference_of(source) is not None
    except UserError:
        return False
