"""What features are of, so that those of one network are never mixed with another's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from neocog.errors import UserError
from neocog.inference.layer_features import LAST, MEAN

WORDS = {
    "model": "model",
    "code": "code",
    "digests": "weights",
    "pooling": "pooling",
    "views": "views",
    "preprocess": "preprocessing",
}
"""fields that must be alike where features are compared; that one side is rounded to float16 matters little"""


@dataclass(frozen=True)
class Origin:
    """What features are of: those with equal keys may be compared."""

    model: str
    code: str
    """version of the code that computes them, and whether a picture's mirror image is looked at; "" if not known"""
    digests: dict[str, str]
    """layer -> SHA-256 of the weights that it depends on; of a method that learned a dictionary, of what from"""
    pooling: str
    views: str
    preprocess: dict[str, Any]
    dtype: str
    source: str
    """where the weights come from, in words"""

    @property
    def layers(self) -> tuple[str, ...]:
        return tuple(self.digests)

    def key(self) -> str:
        """Same key, same features, up to the rounding of the engine: in whatever order the layers are."""
        parts = {name: value for name, value in self.to_json().items() if name != "source"}
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def of(self, layers: Iterable[str]) -> Origin:
        """That of some of the layers alone."""
        digests = {layer: self.digests[layer] for layer in layers}
        return replace(self, digests=digests, pooling=MEAN if set(digests) == {LAST} else self.pooling)

    def to_json(self) -> dict[str, Any]:
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]  # tuples become lists

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Origin:
        """What `to_json` gave; raises KeyError or TypeError where it is something else."""
        return cls(**{field.name: stored[field.name] for field in fields(cls)})

    def unlike(self, other: Origin) -> list[str]:
        """Fields in which features that are to be compared differ; what a file does not say counts as alike."""
        own, given = self.to_json(), other.to_json()
        return [name for name in WORDS if own[name] != given[name] and own[name] and given[name]]

    def demand_like(self, other: Origin, name: str) -> None:
        """UserError in words where the features called `name`, which are of `other`, are not like those of this one."""
        own, given = self.to_json(), other.to_json()
        for field in self.unlike(other):
            what = "layers" if field == "digests" and set(self.layers) != set(other.layers) else WORDS[field]
            raise UserError(
                f"features must be like those that were learned from, {name} is of {what} "
                f"{_said(field, given, own)}, not {_said(field, own, given)}; "
                "run neocog embed again with what those had"
            )


def _said(field: str, origin: Mapping[str, Any], beside: Mapping[str, Any]) -> str:
    """What a field holds; of a dictionary only in what it differs from the one beside."""
    value, other = origin[field], beside[field]
    if field == "digests":
        if value.keys() != other.keys():
            return ", ".join(value)
        differing = [f"{layer} {digest[:12]}" for layer, digest in value.items() if other[layer] != digest]
        return f"{', '.join(differing)} ({origin['source']})"
    if isinstance(value, dict):
        return ", ".join(f"{k} {v}" for k, v in value.items() if other.get(k) != v) or "(none of that)"
    return str(value)
