"""Fisher vectors (Perronnin, Sánchez and Mensink 2010, "improved"), the features of XRCE's entry of 2011."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from warnings import catch_warnings, simplefilter

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from sklearn.utils.validation import check_is_fitted

from neocog.classical.pictures import Floats, Picture, Pictures, described
from neocog.classical.sampling import Remembering, sampled
from neocog.classical.transformer import Extractor, takes_pictures
from neocog.errors import UserError
from neocog.runtime import single_thread

Doubles = NDArray[np.float64]
POWER = 0.5  # of each number, its sign kept (section 3.2)
FLOOR = 1e-3  # of the mean variance, added to every Gaussian's so that none becomes a point
EIGHT = ((1, 1), (3, 1), (2, 2))
"""The paper's regions: the picture, three stripes, four quarters"""


@dataclass(frozen=True)
class Mixture:
    """K Gaussians of diagonal covariance in D dimensions."""

    weights: Doubles
    """(K,)"""
    means: Doubles
    """(K, D)"""
    variances: Doubles
    """(K, D)"""


class FisherVector(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Pictures -> (n, regions x 2 gaussians components): how a mixture of Gaussians would have to change to fit them.

    `fit` learns, without labels and from about `sample` descriptors, their first principal `components` and the
    mixture. A picture's vector is the gradient of its descriptors' mean log-likelihood by the means and the standard
    deviations, whitened; each region's is then raised to the power .5 and brought to norm 1. `regions` are grids of
    rows x columns over the picture; a region without descriptors is all zeros.
    """

    def __init__(
        self,
        extractor: Extractor,
        gaussians: int = 64,
        components: int = 64,
        regions: Sequence[tuple[int, int]] = ((1, 1),),
        sample: int = 100_000,
        random_state: int = 0,
    ):
        self.extractor = extractor
        self.gaussians = gaussians
        self.components = components
        self.regions = regions
        self.sample = sample
        self.random_state = random_state

    def fit(self, X: Pictures, y: object = None) -> FisherVector:
        return self._learn(self.extractor, X)

    def fit_transform(self, X: Pictures, y: object = None) -> Floats:
        """Descriptors are extracted once, as far as they can be kept."""
        remembering = Remembering(self.extractor)
        self._learn(remembering, X)
        return described(X, partial(self._vector, remembering.again()))

    def transform(self, X: Pictures) -> Floats:
        check_is_fitted(self)
        return described(X, partial(self._vector, self.extractor))

    def _learn(self, extractor: Extractor, X: Pictures) -> FisherVector:
        needed = max(self.gaussians, self.components)
        found = sampled(extractor, X, self.sample, needed, self.random_state)
        if self.components > found.shape[1]:
            raise UserError(
                f"components must be at most the {found.shape[1]} of a descriptor, got {self.components}"
            )
        with single_thread():
            self.projection_ = PCA(self.components, svd_solver="covariance_eigh").fit(found)
            self.mixture_ = mixture(self.projection_.transform(found), self.gaussians, self.random_state)
        return self

    def _vector(self, extractor: Extractor, picture: Picture) -> Floats:
        local = extractor.extract(picture)
        reduced = (local.descriptors - self.projection_.mean_) @ self.projection_.components_.T
        reduced = reduced.astype(np.float64)
        parts = []
        for rows, cols in self.regions:
            cells = local.cells(rows, cols)
            parts += [improved(gradient(reduced[cells == k], self.mixture_)) for k in range(rows * cols)]
        return np.concatenate(parts).astype(np.float32)

    def __sklearn_tags__(self) -> Any:
        return takes_pictures(super().__sklearn_tags__())


def mixture(descriptors: Floats, gaussians: int, seed: int) -> Mixture:
    """Fitted by expectation maximisation from k-means, for 100 rounds at most."""
    floor = FLOOR * float(descriptors.var(axis=0).mean())
    model = GaussianMixture(gaussians, covariance_type="diag", reg_covar=floor, random_state=seed)
    with catch_warnings():
        simplefilter("ignore", ConvergenceWarning)  # one that could still be a little likelier serves as well
        model.fit(descriptors.astype(np.float64))
    return Mixture(model.weights_, model.means_, model.covariances_)


def posteriors(x: Doubles, model: Mixture) -> Doubles:
    """(n, K) how likely each Gaussian is to have made each of (n, D)."""
    precisions = 1 / model.variances
    off = (
        x**2 @ precisions.T - 2 * x @ (model.means * precisions).T + (model.means**2 * precisions).sum(axis=1)
    )
    logs = np.log(model.weights) - 0.5 * (off + np.log(2 * np.pi * model.variances).sum(axis=1))
    odds = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def gradient(x: Doubles, model: Mixture) -> Doubles:
    """(2 K D,) of descriptors (n, D): first by the means, then by the deviations; zeros where n is 0.

    Whitened by the closed form of the Fisher information for diagonal Gaussians (Perronnin and Dance 2007).
    """
    if not len(x):
        return np.zeros(2 * model.means.size)
    shares = posteriors(x, model) / len(x)
    zeroth, first, second = shares.sum(axis=0)[:, None], shares.T @ x, shares.T @ x**2
    weights, means, variances = model.weights[:, None], model.means, model.variances
    by_means = (first - zeroth * means) / np.sqrt(weights * variances)
    spread = second - 2 * first * means + zeroth * means**2
    by_deviations = (spread / variances - zeroth) / np.sqrt(2 * weights)
    return np.concatenate([by_means.ravel(), by_deviations.ravel()])


def improved(vector: Doubles) -> Doubles:
    """Signed square roots, then norm 1; zeros stay."""
    rooted = np.sign(vector) * np.abs(vector) ** POWER
    norm = np.linalg.norm(rooted)
    return np.asarray(rooted / norm if norm else rooted)
