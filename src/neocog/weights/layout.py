"""A layout: another library's names and shapes for the tensors of a network of ours."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Shapes = Mapping[str, tuple[int, ...]]


class Found(NamedTuple):
    """A tensor under our name, and the names that it had in the file."""

    array: NDArray[np.generic]
    names: tuple[str, ...]


Renamed = dict[str, Found]


def _as_they_are(found: Renamed, wanted: Shapes) -> Renamed:
    return found


@dataclass(frozen=True)
class Layout:
    """Names of a library as patterns, and ours for them. Called with tensors it renames and joins them."""

    name: str
    sign: str
    """a pattern of a name that every such file has"""
    rules: tuple[tuple[str, str], ...] = ()
    """pattern of a whole name, our name; the first that fits counts"""
    prepare: Callable[[Renamed, Shapes], Renamed] = _as_they_are
    """what comes before the rules, knowing the shapes of the network that is to be filled"""
    padding: Literal["same", "symmetric", "any"] = "any"
    """how convolutions of stride 2 must pad for these weights: as TensorFlow does, or as torch does"""

    def __call__(self, given: Renamed, wanted: Shapes) -> Renamed:
        found: Renamed = {}
        for name, item in self.prepare(given, wanted).items():
            ours = _renamed(name, self.rules)
            found[name if ours in found else ours] = item
        return _joined(found)

    def of(self, given: Mapping[str, object]) -> bool:
        """Whether the names are of this layout."""
        return any(re.fullmatch(self.sign, name) for name in given)


def _renamed(name: str, rules: tuple[tuple[str, str], ...]) -> str:
    for pattern, ours in rules:
        if match := re.fullmatch(pattern, name):
            return match.expand(ours)
    return name


def _joined(found: Renamed) -> Renamed:
    """Query, key and value of one attention in one tensor, their rows one after another."""
    joined: Renamed = {}
    for name, item in found.items():
        trio = [re.sub(r"\.attn\.[qkv]\.", f".attn.{part}.", name) for part in "qkv"]
        if trio[0] == trio[1] or not all(part in found for part in trio):
            joined[name] = item
        elif name == trio[0]:
            array = np.concatenate([found[part].array for part in trio])
            names = tuple(given for part in trio for given in found[part].names)
            joined[name.replace(".attn.q.", ".attn.qkv.")] = Found(array, names)
    return joined
