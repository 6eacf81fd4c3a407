"""How far the attention of a layer reaches, and over how many tokens."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neocog.inside.attention.distance import attention_distance, entropy
from neocog.inside.tokens import Patches

Floats = NDArray[np.float64]


class Spread(NamedTuple):
    """Of one layer, by head."""

    distance: Floats
    """(heads,), in pixels"""
    entropy: Floats
    """(heads,), in bits, the mean over queries"""
    on_others: Floats
    """(heads,): share that patches give to tokens without a place, such as the class token"""


def spread_of(weights: NDArray[Any], patches: Patches, renormalise: bool) -> Spread:
    """Of one layer's weights (heads, tokens, tokens)."""
    given = weights[:, patches.tokens.ravel()][:, :, list(patches.others)]
    return Spread(
        attention_distance(weights, patches.tokens, patches.step, renormalise),
        entropy(weights).mean(axis=1),
        given.sum(axis=2, dtype=np.float64).mean(axis=1),
    )


def even_distance(patches: Patches, renormalise: bool) -> float:
    """In pixels, of attention that is even over all tokens."""
    count = patches.tokens.size + len(patches.others)
    return float(spread_of(np.full((1, count, count), 1 / count), patches, renormalise).distance[0])
