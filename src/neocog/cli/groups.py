"""Options that several verbs share, as one argument of the function behind a verb: a dataclass of options."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints

Parameter = inspect.Parameter


def with_groups(verb: Callable[..., None]) -> Callable[..., None]:
    """`verb`, whose arguments that are dataclasses become an option for each field. It gets them filled in."""
    own = inspect.signature(verb, eval_str=True).parameters.values()
    groups: dict[str, Any] = {p.name: p.annotation for p in own if is_dataclass(p.annotation)}

    def run(**given: Any) -> None:
        for name, group in groups.items():
            given[name] = group(**{field.name: given.pop(field.name) for field in fields(group)})
        verb(**given)

    taken = [option for p in own for option in (_options(p.annotation) if p.name in groups else [p])]
    run.__signature__ = inspect.Signature([p.replace(kind=Parameter.KEYWORD_ONLY) for p in taken])  # type: ignore[attr-defined]
    run.__doc__, run.__name__ = verb.__doc__, verb.__name__
    return run


def _options(group: Any) -> list[Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        Parameter(f.name, Parameter.KEYWORD_ONLY, default=f.default, annotation=hints[f.name])
        for f in fields(group)
    ]
