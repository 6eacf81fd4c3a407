"""One logistic regression per class, against scikit-learn's."""

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from neocog.probing.logistic import deal
from neocog.probing.one_vs_rest import cross_validate, fit_one_vs_rest, solve

Floats = NDArray[np.float32]
STRENGTHS = (3e-5, 3e-4, 3e-3, 3e-2, 3e-1, 3.0)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    with threadpool_limits(1):
        yield


def pictures(n: int, classes: int, dim: int = 10, seed: int = 0) -> tuple[Floats, Floats]:
    """Features of different size and offset, which tell of each class by itself whether it is there, with noise."""
    rng = np.random.default_rng(seed)
    targets = (rng.random((n, classes)) < np.linspace(0.15, 0.6, classes)).astype(np.float32)
    x = targets @ rng.normal(size=(classes, dim)) + 0.8 * rng.normal(size=(n, dim))
    x = x * rng.uniform(0.1, 10, dim) + rng.normal(size=dim)
    return x.astype(np.float32), targets


@pytest.mark.parametrize("c", [3e-3, 3e-1, 3.0])
def test_a_fit_is_that_of_one_vs_rest_in_scikit_learn(c: float) -> None:
    x, targets = pictures(120, 5)
    x = StandardScaler().fit_transform(x.astype(float)).astype(np.float32)
    weight, bias = solve(x, targets, c)
    theirs = OneVsRestClassifier(LogisticRegression(C=c, tol=1e-8, max_iter=20_000)).fit(x, targets)
    expected = theirs.predict_proba(x)
    assert np.allclose(1 / (1 + np.exp(-(x @ weight.T + bias))), expected, atol=5e-3)


def test_the_whole_fit_is_that_of_scikit_learn_on_raw_features_at_its_own_strength() -> None:
    x, targets = pictures(90, 4)
    fit = fit_one_vs_rest(x, targets, 4, seed=0)
    scaled = StandardScaler().fit_transform(x.astype(float))
    theirs = OneVsRestClassifier(LogisticRegression(C=fit.C, tol=1e-8, max_iter=20_000)).fit(scaled, targets)
    assert np.allclose(fit.head.probabilities(x), theirs.predict_proba(scaled), atol=5e-3)


def test_the_cross_validated_losses_are_those_of_scikit_learn_over_the_same_folds() -> None:
    x, targets = pictures(60, 3)
    x = StandardScaler().fit_transform(x.astype(float)).astype(np.float32)
    got = cross_validate(x, targets, seed=1)
    rarest = [
        min((int(targets[:, k].sum()), k) for k in range(3) if row[k])[1] if row.any() else 3
        for row in targets
    ]
    fold = deal(np.array(rarest), 1)
    for c in STRENGTHS:
        total = 0.0
        for held in (fold == k for k in range(3)):
            for k in range(3):
                model = LogisticRegression(C=c, tol=1e-8, max_iter=20_000).fit(x[~held], targets[~held, k])
                likelihood = model.predict_proba(x[held])
                total += log_loss(targets[held, k], likelihood, normalize=False, labels=[0, 1])
        assert got[c] == pytest.approx(total / (3 * (fold >= 0).sum()), rel=2e-3)
    assert min(got, key=lambda c: got[c]) == fit_one_vs_rest(x, targets, 3, seed=1).C


def test_a_class_that_no_picture_shows_or_every_one_is_told_by_the_rule_of_succession() -> None:
    x, targets = pictures(40, 4)
    targets[:, 1], targets[:, 3] = 0, 1
    got = fit_one_vs_rest(x, targets, 4, seed=0).head.probabilities(x)
    assert np.allclose(got[:, 1], 1 / 42, rtol=1e-5)
    assert np.allclose(got[:, 3], 41 / 42, rtol=1e-5)
    alone = fit_one_vs_rest(x, np.ascontiguousarray(targets[:, [0, 2]]), 2, seed=0).head.probabilities(x)
    assert np.array_equal(got[:, [0, 2]], alone)


def test_there_may_be_nothing_to_fit_at_all() -> None:
    x, _ = pictures(7, 2)
    fit = fit_one_vs_rest(x, np.zeros((7, 2), np.float32), 2, seed=0)
    assert np.allclose(fit.head.probabilities(x), 1 / 9)
    assert fit.losses == {}
