"""Many features of each picture as two, so that they can be drawn, and how well neighbours agree about the class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neocog.errors import UserError, unknown

COMPONENTS = 50
"""principal components that t-SNE and UMAP begin with, as van der Maaten and Hinton (2008, section 4.2) did with 30"""
PERPLEXITY = 30.0
METHODS = ("tsne", "umap", "pca")
NEIGHBOURS = 10
FEWEST = NEIGHBOURS + 2
"""pictures: each has to have ten neighbours, and one that is none"""

Floats = NDArray[np.floating[Any]]
Labels = NDArray[np.int64]


def components(rows: Floats, count: int = COMPONENTS, seed: int = 0) -> tuple[NDArray[np.float64], float]:
    """Principal components (n, k) of features (n, d), k at most `count`, and the share of the variance in them."""
    from sklearn.decomposition import PCA

    pca = PCA(min(count, *rows.shape), random_state=seed)
    with np.errstate(invalid="ignore"):  # features that do not vary at all
        found = pca.fit_transform(rows.astype(np.float64))
    return np.asarray(found), float(np.nan_to_num(pca.explained_variance_ratio_).sum())


def plane(rows: Floats, method: str = "tsne", seed: int = 0) -> tuple[NDArray[np.float32], float]:
    """Features (n, d) as points (n, 2), and the share of the variance in the principal components they are made from.

    These are 50 for t-SNE and UMAP, or two that are the points themselves. The same for the same seed. van der Maaten
    and Hinton, "Visualizing data using t-SNE" (2008): perplexity 30, or less where there are few rows. McInnes, Healy
    and Melville, "UMAP" (2018): 15 neighbours. UserError for another method, for fewer than three rows, and where
    umap-learn is not installed.
    """
    if method not in METHODS:
        raise unknown("method", method, METHODS)
    if len(rows) < 3:
        raise UserError(f"a plane needs at least 3 pictures, got {len(rows)}; give more DATA")
    reduced, kept = components(rows, 2 if method == "pca" else COMPONENTS, seed)
    if method == "pca":
        return _two(reduced), kept
    return (_tsne if method == "tsne" else _umap)(reduced, seed), kept


def _two(found: NDArray[np.float64]) -> NDArray[np.float32]:
    """The first two components, also where there is only one."""
    return np.asarray(np.pad(found, ((0, 0), (0, 1)))[:, :2], np.float32)


def _tsne(reduced: NDArray[np.float64], seed: int) -> NDArray[np.float32]:
    from sklearn.manifold import TSNE

    perplexity = min(PERPLEXITY, (len(reduced) - 1) / 3)
    wide = float(reduced[:, 0].std())
    start = _two(reduced) / wide * 1e-4 if reduced.shape[1] > 1 and wide else "random"
    return np.asarray(TSNE(2, perplexity=perplexity, init=start, random_state=seed).fit_transform(reduced))


def _umap(reduced: NDArray[np.float64], seed: int) -> NDArray[np.float32]:
    try:
        from umap import UMAP
    except ImportError as error:
        raise UserError(
            "umap needs the package umap-learn, which is not installed; pip install 'neocog[umap]', or take tsne"
        ) from error
    near = min(15, len(reduced) - 1)
    return np.asarray(UMAP(n_neighbors=near, random_state=seed, n_jobs=1).fit_transform(reduced), np.float32)


@dataclass(frozen=True, eq=False)
class Purity:
    """How many of the ten nearest pictures are of the same class."""

    by_class: NDArray[np.float64]
    """(classes,), the mean over the pictures of a class; NaN where there is none"""
    counts: Labels
    """(classes,), pictures that were counted"""
    k: int

    @property
    def mean(self) -> float:
        """Over all pictures."""
        there = self.counts > 0
        return float(self.by_class[there] @ self.counts[there] / self.counts.sum())

    @property
    def chance(self) -> float:
        """What neighbours drawn at random would give."""
        n = int(self.counts.sum())
        return float((self.counts * (self.counts - 1)).sum() / (n * (n - 1)))


def purity(rows: Floats, labels: Labels, classes: int, k: int = NEIGHBOURS) -> Purity:
    """Of features or points (n, d), by Euclidean distance; a picture is no neighbour of itself.

    Pictures with a label below 0 are left out. UserError where fewer than `FEWEST` have one.
    """
    from sklearn.neighbors import NearestNeighbors

    known = labels >= 0
    if known.sum() < k + 2:
        raise UserError(
            f"{k}-NN purity needs at least {k + 2} pictures with a label, got {int(known.sum())}; give more DATA"
        )
    own = labels[known]
    near = (
        NearestNeighbors(n_neighbors=k, algorithm="brute").fit(rows[known]).kneighbors(return_distance=False)
    )
    same = (own[near] == own[:, None]).mean(axis=1)
    counts = np.bincount(own, minlength=classes)
    with np.errstate(invalid="ignore"):
        shares = np.bincount(own, weights=same, minlength=classes) / counts
    return Purity(shares, counts, k)
