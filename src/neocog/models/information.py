"""What a network's function says of itself: its options and its words."""

from __future__ import annotations

from inspect import getdoc, signature
from typing import Any

from neocog.models.catalogue import Model
from neocog.models.vit import Choices


def options_of(model: Model) -> dict[str, Any]:
    """The options that the model's function has beside `num_classes` and `in_chans`, and their defaults."""
    fixed = getattr(model.build, "keywords", {})
    found: dict[str, Any] = {}
    for key, parameter in signature(model.build).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            found |= {name: field.default for name, field in Choices.__dataclass_fields__.items()}
        elif key not in (*fixed, "num_classes", "in_chans"):
            found[key] = parameter.default
    return found


def description(model: Model) -> str:
    """Paper, counts, and where well-known implementations differ: the function's docstring."""
    return getdoc(getattr(model.build, "func", model.build)) or ""
