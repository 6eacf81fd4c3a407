"""Both domains in the plane, before and after adaptation, by t-SNE."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from neocog.api.adapting.draws import Split
from neocog.api.adapting.pair import Pair
from neocog.inference.network import Floats
from neocog.inside.embedding import plane
from neocog.probing.scale import learned_scale

MOST = 400
"""pictures of each domain in a plot"""


@runtime_checkable
class Maps(Protocol):
    """A classifier that says where it puts pictures of either domain."""

    def of_source(self, features: Floats) -> Floats: ...

    def of_target(self, features: Floats) -> Floats: ...


@dataclass(frozen=True, eq=False)
class Cloud:
    """Points of some pictures of the source, then of some of the target."""

    points: Floats
    """(n, 2)"""
    labels: NDArray[np.int64]
    target: NDArray[np.bool_]
    """(n,)"""


def clouds(pair: Pair, split: Split, layer: str, maps: Maps | None, seed: int) -> list[Cloud]:
    """Features as they are, each standardised over both domains; then, with `maps`, where they lie behind them."""
    rng = np.random.default_rng(seed)
    rows = [np.sort(rng.permutation(rows)[:MOST]) for rows in (split.source, split.judged)]
    source, target = pair.source.features[layer][rows[0]], pair.target.features[layer][rows[1]]
    labels = np.concatenate([pair.source.labels[rows[0]], pair.target.labels[rows[1]]])
    side = np.repeat([False, True], [len(source), len(target)])
    both = np.concatenate([source, target])
    spaces = [learned_scale("standard", both)(both)]
    if maps is not None:
        spaces.append(np.concatenate([maps.of_source(source), maps.of_target(target)]))
    return [Cloud(plane(space, seed=seed)[0], labels, side) for space in spaces]
