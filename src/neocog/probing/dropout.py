"""Dropout on features, as DeCAF (Donahue and others 2014, section 4.1) has it before its classifiers.

Each feature of a training picture is zero with probability 1/2, else doubled, so that its mean stays what it was and
new pictures are read as they are. The papers drop anew at each step of a stochastic gradient; here the masks are drawn
once: each picture is there as several noised copies, which share its weight. That is the sample average of the expected
loss that dropout minimises (van der Maaten and others 2013, equation 2). It is one fixed convex problem where that of
the classifier is, so that its solver converges, to the same solution whenever the seed is the same.
"""

from __future__ import annotations

import numpy as np

from neocog.inference.network import Floats
from neocog.probing.fitted import Labels

RATE = 0.5  # DeCAF section 3.2, after Krizhevsky and others 2012
COPIES = 4  # of each picture, where there are few
ROWS = 20_000  # that are enough: of so many pictures each stands once, with a mask of its own


def copies_of(pictures: int, enough: int = ROWS) -> int:
    """How often each of so many pictures is noised: as makes `enough` rows, `COPIES` at most, once at least."""
    return max(1, min(COPIES, enough // pictures))


def noised(features: Floats, labels: Labels, copies: int, seed: int) -> tuple[Floats, Labels]:
    """`copies` of all rows one behind the other, each with masks of its own: (copies * n, d) and (copies * n,)."""
    rng = np.random.default_rng(seed)
    n = len(features)
    rows = np.empty((copies * n, features.shape[1]), np.float32)
    for k in range(copies):
        kept = rng.random(features.shape, np.float32) >= RATE
        np.multiply(features, kept * np.float32(1 / (1 - RATE)), out=rows[k * n : (k + 1) * n])
    return rows, np.tile(labels, copies)
