"""What features are of, so that those of one network are never mixed with another's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from neocog.errors import UserError
from neocog.inference.layer_features import LAST

WORDS = {
    "model": "model",
    "digest": "weights",
    "layers": "layers",
    "pooling": "pooling",
    "protocol": "protocol",
    "preprocess": "preprocessing",
}
"""fields that decide what the features are"""


@dataclass(frozen=True)
class Origin:
    """What features are of: those with equal keys may be compared."""

    model: str
    digest: str
    """SHA-256 of the weights; of a method that learned a dictionary, of what it learned from"""
    layers: tuple[str, ...]
    pooling: str
    protocol: str
    preprocess: dict[str, Any]
    source: str
    """where the weights come from, in words"""

    def key(self) -> str:
        """Same key, same features."""
        parts = {name: value for name, value in self.to_json().items() if name in WORDS}
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]  # tuples become lists

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Origin:
        """What `to_json` gave; raises KeyError or TypeError where it is something else."""
        values = {field.name: stored[field.name] for field in fields(cls)}
        return cls(**{**values, "layers": tuple(values["layers"]) or (LAST,)})

    def demand_like(self, other: Origin, name: str) -> None:
        """UserError in words where the features called `name`, which are of `other`, are not like those of this one."""
        own, given = self.to_json(), other.to_json()
        for field, words in WORDS.items():
            if own[field] != given[field]:
                raise UserError(
                    f"features must be like those that were learned from, {name} is of {words} "
                    f"{_said(field, given, own)}, not {_said(field, own, given)}; "
                    "run neocog embed again with what those had"
                )


def _said(field: str, origin: Mapping[str, Any], beside: Mapping[str, Any]) -> str:
    """What a field holds; of a dictionary only in what it differs from the one beside."""
    value = origin[field]
    if field == "digest":
        return f"{value[:12]} ({origin['source']})"
    if field == "layers":
        return ", ".join(value)
    if isinstance(value, dict):
        return (
            ", ".join(f"{k} {v}" for k, v in value.items() if beside[field].get(k) != v) or "(none of that)"
        )
    return str(value)
