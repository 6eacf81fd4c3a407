"""Which kinds of classifier are tried on which features: each on each layer, and sums of kernels on all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from neocog.api.probing.options import Asked
from neocog.errors import UserError, unknown
from neocog.inference.network import Floats
from neocog.probing.combined import KERNELS, Block, combination
from neocog.probing.kinds import KINDS, Kind
from neocog.probing.part_features import PART_FEATURES, Cells, part_features

NAMED = 4  # kinds of features that stand in the name of all together
COPIES = 10  # of the features that train are in memory while logreg is fitted, fewer for svm, ridge and ncm (measured)


@dataclass(frozen=True, eq=False)
class Candidate:
    """A kind of classifier on the features of a layer, or of all of them side by side."""

    layer: str
    kind: Kind
    features: Floats
    parts: tuple[str, ...] = ()
    """of the pictures, whose features lie side by side"""
    kernels: int = 0
    """between all pictures that train, which are in memory at once"""

    def room(self, rows: int) -> int:
        """About the bytes that fitting it to so many pictures takes; neighbours hold up to 1 GiB of distances, too."""
        return COPIES * 4 * rows * int(self.features.shape[1]) + 3 * 8 * self.kernels * rows * rows


def candidates(
    features: Mapping[str, Floats], asked: Asked, parts: tuple[str, ...] = (), cells: Cells | None = None
) -> tuple[Candidate, ...]:
    """All that is asked for, layer by layer. Of each layer the `parts` of the pictures lie side by side, if there are
    any; `cells` is what their features are where each is an aligned patch in cells. UserError where kernels are to be
    summed of one kind of features alone, and for part features of anything but cells."""
    found = [
        Candidate(layer, _kind(name, len(parts), cells), rows, parts)
        for layer, rows in features.items()
        for name in asked.kinds
    ]
    if not asked.combine:
        return tuple(found)
    blocks = _blocks(features, parts, asked.kernels)
    together = np.hstack(list(features.values()))
    kinds = (combination(blocks, weighting) for weighting in asked.combine)
    name = _named([block.name for block in blocks])
    return (*found, *(Candidate(name, kind, together, parts, len(blocks)) for kind in kinds))


def _kind(name: str, parts: int, cells: Cells | None) -> Kind:
    if name != PART_FEATURES:
        return KINDS[name]
    if cells is None or not parts:
        raise UserError(
            f"{PART_FEATURES} learns from cells of aligned parts, got other features; take classical:cells with "
            "--boxes FILE, whose columns are path, part, x and y"
        )
    return part_features(parts, cells)


def _blocks(
    features: Mapping[str, Floats], parts: Sequence[str], kernels: Mapping[str, str]
) -> tuple[Block, ...]:
    """The kinds of features whose kernels are summed: each part of each layer."""
    widths: dict[str, int] = {}
    for layer, rows in features.items():
        if not parts:
            widths[layer] = rows.shape[1]
        for part in parts:
            name = part if len(features) == 1 else f"{layer} {part}"
            widths[name] = rows.shape[1] // len(parts)
    if len(widths) < 2:
        raise UserError(
            f"kernels of several kinds of features are summed, got {next(iter(widths))} alone; name several with "
            "--layer, as classical:gist+hog, or as --boxes"
        )
    for name in kernels:
        if name and name not in widths:
            raise unknown("kind of features", name, widths)
    usual = kernels.get("", KERNELS[0])
    return tuple(Block(name, width, kernels.get(name, usual)) for name, width in widths.items())


def _named(names: Sequence[str]) -> str:
    return " + ".join(names) if len(names) <= NAMED else f"all {len(names)}"
