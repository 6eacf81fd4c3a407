"""Outliers against scikit-learn and scipy; and whether those that were planted are found."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.covariance import LedoitWolf
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from neocog.retrieval.nearest import nearest
from neocog.retrieval.outliers import DIRECTIONS, PICTURES_EACH, class_distances, kth_distances, principal

PIXELS, LABELS = load_digits(return_X_y=True)
LABELS = LABELS.astype(np.int64)


def test_the_distance_to_the_kth_is_scikit_learns() -> None:
    x = PIXELS[:500].astype(np.float32)
    numbers = np.arange(500)
    found = kth_distances(nearest(x, x, 5, "l2", (numbers, numbers)))
    wanted = (
        NearestNeighbors(n_neighbors=5, algorithm="brute").fit(x.astype(np.float64)).kneighbors()[0][:, -1]
    )
    np.testing.assert_allclose(found, wanted, rtol=1e-7)


def test_a_picture_whose_others_are_all_copies_has_none() -> None:
    x = np.eye(3, dtype=np.float32)
    numbers = np.array([0, 0, 0])
    assert np.isnan(kth_distances(nearest(x, x, 2, "l2", (numbers, numbers)))).all()


def squared(x: NDArray[np.float64], labels: NDArray[np.int64], i: int) -> float:
    """Of picture i, with the means and the scatter of all others; the shrinkage is that of all."""
    means = np.stack([x[labels == label].mean(axis=0) for label in labels])
    shrunk = LedoitWolf(assume_centered=True).fit(x - means)
    others = np.arange(len(x)) != i
    own = np.stack([x[others & (labels == label)].mean(axis=0) for label in labels])
    apart = (x - own)[others]
    plain = shrunk.shrinkage_ * np.mean((x - means) ** 2) * np.eye(x.shape[1])
    inverse = np.linalg.inv((1 - shrunk.shrinkage_) * apart.T @ apart / len(x) + plain)
    return cdist(x[i : i + 1], own[i][None], "mahalanobis", VI=inverse).item() ** 2


@pytest.mark.parametrize(("n", "d"), [(150, 64), (50, 64)])
def test_the_distance_to_the_class_is_scipys_under_scikit_learns_covariance(n: int, d: int) -> None:
    """More pictures than features, and fewer."""
    x, labels = PIXELS[:n, :d].astype(np.float32), LABELS[:n]
    rows = PCA(n // PICTURES_EACH, svd_solver="full").fit_transform(x.astype(np.float64))
    found = class_distances(x, labels)
    for i in range(0, n, 7):
        wanted = squared(rows, labels, i) - squared(rows, np.zeros(n, np.int64), i)
        assert found[i] == pytest.approx(wanted, rel=1e-7, abs=1e-7)


def test_pictures_without_a_class_or_alone_in_it_have_no_distance() -> None:
    x = PIXELS[:30].astype(np.float32)
    labels = np.where(LABELS[:30] == 4, -1, LABELS[:30])
    labels[np.flatnonzero(labels == 5)[1:]] = -1
    found = class_distances(x, labels)
    np.testing.assert_array_equal(np.isnan(found), (labels == -1) | (labels == 5))
    assert np.isnan(class_distances(x, np.full(30, -1))).all()
    assert np.isnan(class_distances(x, np.zeros(30, np.int64))).all()


def test_equal_pictures_lie_in_their_class() -> None:
    assert class_distances(np.ones((4, 3), np.float32), np.array([0, 0, 1, 1])).tolist() == [0.0] * 4


def test_planted_outliers_come_first() -> None:
    """20 pictures of noise among 500 digits lie far from all; 20 digits under another's label, from their class."""
    rng = np.random.default_rng(0)
    x, labels = PIXELS[:520].astype(np.float32), LABELS[:520].copy()
    planted = np.zeros(520, bool)
    planted[rng.choice(520, 20, replace=False)] = True
    noisy = x.copy()
    noisy[planted] = rng.integers(0, 17, (20, 64))
    numbers = np.arange(520)
    far = kth_distances(nearest(noisy, noisy, 9, "cosine", (numbers, numbers)))
    assert roc_auc_score(planted, far) > 0.99
    labels[planted] = (labels[planted] + rng.integers(1, 10, 20)) % 10
    assert roc_auc_score(planted, class_distances(x, labels)) > 0.98
    assert roc_auc_score(planted, kth_distances(nearest(x, x, 9, "cosine", (numbers, numbers)))) < 0.7


@pytest.mark.parametrize(("n", "d"), [(1400, 140), (300, 310)])
def test_at_most_so_many_principal_directions_are_kept(n: int, d: int) -> None:
    x = np.random.default_rng(0).normal(0, 1, (n, d)).astype(np.float32)
    x *= np.linspace(9, 1, d, dtype=np.float32)
    wanted = PCA(min(DIRECTIONS, n // PICTURES_EACH), svd_solver="full").fit_transform(x.astype(np.float64))
    np.testing.assert_allclose(np.abs(principal(x)[:, ::-1]), np.abs(wanted), rtol=1e-6, atol=1e-6)
