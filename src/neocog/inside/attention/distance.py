"""How far attention reaches and how widely it is spread, by head."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def attention_distance(
    weights: NDArray[Any], tokens: NDArray[np.int64], step: tuple[int, int], renormalise: bool = False
) -> Floats:
    """The mean distance in pixels between a patch and those it looks at, weighted by its attention: (heads,).

    Dosovitskiy et al., "An image is worth 16x16 words" (2021), figure 7, right, and appendix D.7: distances between
    the middles of patches, averaged over all queries. `weights` are (heads, tokens, tokens), `tokens` (rows, columns)
    says which token each patch is, `step` how many pixels lie between patches, down and across. Class tokens have no
    place and are left out on both sides; what a patch gives to them then counts as distance 0, unless `renormalise`
    shares it out among the patches. A patch that gives them all has nothing to share out, and counts as distance 0.
    """
    among = weights.astype(np.float64)[:, tokens.ravel()[:, None], tokens.ravel()]
    if renormalise:
        total = among.sum(axis=-1, keepdims=True)
        among = np.divide(among, total, out=np.zeros_like(among), where=total > 0)
    return np.asarray((among * distances(tokens.shape, step)).sum(axis=-1).mean(axis=-1))


def distances(grid: tuple[int, ...], step: tuple[int, int]) -> Floats:
    """In pixels, of each patch of a grid (rows, columns) from each: (patches, patches)."""
    places = np.indices(grid).reshape(2, -1).T * np.array(step, float)
    return np.asarray(np.sqrt(((places[:, None] - places) ** 2).sum(axis=-1)))


def entropy(weights: NDArray[Any]) -> Floats:
    """Of each row, in bits: (heads, queries). 0 where all attention is on one token, log2(keys) where it is even."""
    shares = weights.astype(np.float64)
    logs = np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
    return np.asarray(-(shares * logs).sum(axis=-1))
