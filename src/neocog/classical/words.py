"""Bags of visual words (Csurka et al. 2004) and spatial pyramids of them (Lazebnik, Schmid and Ponce 2006)."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.cluster import MiniBatchKMeans
from sklearn.utils.validation import check_is_fitted

from neocog.classical.pictures import Floats, Picture, Pictures, described
from neocog.classical.sampling import Remembering, sampled
from neocog.classical.transformer import Extractor, takes_pictures
from neocog.errors import UserError
from neocog.runtime import single_thread

AT_ONCE = 4096  # descriptors compared with all words at a time


class BagOfWords(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Pictures -> histograms of the words that their local descriptors are nearest to; (n, words x cells).

    `fit` learns the words by k-means on about `sample` descriptors, without labels. With `levels` above 1 there is a
    histogram for each cell of grids of 1x1, 2x2, 4x4, ... cells, weighted so that `histogram_intersection` of two rows
    is the paper's pyramid match: 1/2^L for level 0 and 1/2^(L-l+1) for level l. A row adds up to 1, or is all zeros
    where nothing was found in the picture. `softness` shares each descriptor between all words by a Gaussian of that
    width in their distance (van Gemert et al. 2008, codeword uncertainty) in place of giving it to the nearest.
    """

    def __init__(
        self,
        extractor: Extractor,
        words: int = 200,
        levels: int = 1,
        softness: float | None = None,
        sample: int = 100_000,
        random_state: int = 0,
    ):
        self.extractor = extractor
        self.words = words
        self.levels = levels
        self.softness = softness
        self.sample = sample
        self.random_state = random_state

    def fit(self, X: Pictures, y: object = None) -> BagOfWords:
        return self._learn(self.extractor, X)

    def fit_transform(self, X: Pictures, y: object = None) -> Floats:
        """Descriptors are extracted once, as far as they can be kept."""
        remembering = Remembering(self.extractor)
        self._learn(remembering, X)
        return described(X, partial(self._histogram, remembering.again()))

    def transform(self, X: Pictures) -> Floats:
        check_is_fitted(self)
        return described(X, partial(self._histogram, self.extractor))

    def _learn(self, extractor: Extractor, X: Pictures) -> BagOfWords:
        if self.levels < 1:
            raise UserError(f"levels must be at least 1 (the whole picture), got {self.levels}")
        if self.softness is not None and self.softness <= 0:
            raise UserError(f"softness must be above 0, or None for the nearest word, got {self.softness}")
        found = sampled(extractor, X, self.sample, self.words, self.random_state)
        self.words_ = dictionary(found, self.words, self.random_state)
        return self

    def _histogram(self, extractor: Extractor, picture: Picture) -> Floats:
        local = extractor.extract(picture)
        finest = 2 ** (self.levels - 1)
        cells = local.cells(finest, finest)
        counts = np.zeros((finest * finest, len(self.words_)), np.float32)
        for first in range(0, len(cells), AT_ONCE):
            part = slice(first, first + AT_ONCE)
            given = assigned(local.descriptors[part], self.words_, self.softness)
            counts += np.eye(len(counts), dtype=np.float32)[:, cells[part]] @ given
        shares = np.asarray(counts / max(len(cells), 1), np.float32)
        return pyramid(shares.reshape(finest, finest, -1))

    def __sklearn_tags__(self) -> Any:
        return takes_pictures(super().__sklearn_tags__())


def dictionary(descriptors: Floats, words: int, seed: int) -> Floats:
    """(words, d) centres by mini-batch k-means (Sculley 2010), the best of three beginnings."""
    means = MiniBatchKMeans(words, batch_size=4096, n_init=3, random_state=seed)
    with single_thread():
        return np.asarray(means.fit(descriptors).cluster_centers_, np.float32)


def assigned(descriptors: Floats, words: Floats, softness: float | None) -> Floats:
    """(n, words) share of each word in each descriptor; every row adds up to 1."""
    squared = (descriptors**2).sum(axis=1)[:, None] - 2 * descriptors @ words.T + (words**2).sum(axis=1)
    if softness is None:
        return np.asarray(np.eye(len(words), dtype=np.float32)[squared.argmin(axis=1)])
    likeness = np.exp((squared.min(axis=1, keepdims=True) - squared) / np.float32(2 * softness**2))
    return np.asarray(likeness / likeness.sum(axis=1, keepdims=True))


def pyramid(finest: Floats) -> Floats:
    """Histograms of all levels, coarsest first, from those of the finest cells (rows, columns, words)."""
    levels = [finest]
    while len(levels[0]) > 1:
        side = len(levels[0]) // 2
        levels.insert(0, levels[0].reshape(side, 2, side, 2, -1).sum(axis=(1, 3)))
    last = len(levels) - 1
    weights = [0.5**last, *(0.5 ** (last - level + 1) for level in range(1, last + 1))]
    return np.concatenate([np.float32(w) * level.ravel() for w, level in zip(weights, levels, strict=True)])
