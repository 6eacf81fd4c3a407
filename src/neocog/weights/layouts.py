"""Whose layout a set of weights has: the reading that leaves the least open of the network."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neocog.weights.layout import Found, Layout, Renamed, Shapes
from neocog.weights.read import Graph, Tensors
from neocog.weights.spellings import CAFFE, LAYOUTS

Fits = Callable[[str, NDArray[np.generic]], bool]
COUNTER = "num_batches_tracked"  # of batch norm: older files lack it, and it matters only while training


@dataclass(frozen=True)
class Reading:
    """Weights under our names as far as they have some."""

    layout: Layout
    found: Renamed

    def score(self, wanted: Shapes, fits: Fits) -> tuple[int, int, int]:
        """How many names and shapes the network knows, and how few it does not."""
        known = [name for name in self.found if name in wanted]
        fitting = sum(fits(name, self.found[name].array) for name in known)
        return fitting, len(known), -len(self.found)


def recognise(given: Tensors, wanted: Shapes, fits: Fits) -> Reading:
    """The reading of `given` that leaves the least open of a network with the tensors `wanted`.

    `fits` says of one of these names and an array whether the network can take it. The tensors of a graph whose names
    mean nothing are told by the order of the layers.
    """
    plain = {name: Found(array, (name,)) for name, array in given.items()}
    readings = [
        Reading(layout, layout(spelling, wanted))
        for spelling in (plain, *_without_wrapper(plain))
        for layout in LAYOUTS
        if layout.of(spelling)
    ]
    best = max(readings, key=lambda reading: reading.score(wanted, fits))
    if isinstance(given, Graph) and not any(name in wanted for name in best.found):
        in_order = [Reading(CAFFE, _numbered(plain, names)) for names in orders(wanted)]
        best = max(in_order, key=lambda reading: reading.score(wanted, fits))
    return best


def _numbered(given: Renamed, names: list[str]) -> Renamed:
    """The n-th tensor under the n-th name; what is left over keeps its own."""
    items = list(given.items())
    rest = items[len(names) :]
    return dict(zip(names, (item for _, item in items), strict=False)) | dict(rest)


def orders(wanted: Shapes) -> tuple[list[str], ...]:
    """A network's tensors in the order of its layers, the projection of a residual block behind the rest or before."""
    behind = [name for name in wanted if not name.endswith(COUNTER) and not re.match(r"aux\d\.", name)]
    block = {name: re.sub(r"^(layer\d+\.\d+\.).*", r"\1", name) for name in behind}
    start = {block[name]: i for i, name in reversed(list(enumerate(behind)))}
    before = sorted(behind, key=lambda name: (start[block[name]], ".downsample." not in name))
    return (behind,) if before == behind else (behind, before)


def _without_wrapper(found: Renamed) -> tuple[Renamed, ...]:
    """The names without a first part that all of them have: the attribute of a class around the network."""
    first = {name.partition(".")[0] for name in found}
    if len(first) > 1 or not all("." in name for name in found):
        return ()
    return ({name.partition(".")[2]: item for name, item in found.items()},)
