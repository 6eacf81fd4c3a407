"""One-vs-one features as a kind of classifier, beside the estimator on pictures that they come from."""

from __future__ import annotations

import numpy as np
import pytest

from neocog.classical.parts.aligned import Landmarked, aligned, cells, gradients
from neocog.classical.parts.one_vs_one import PartOneVsOne
from neocog.errors import UserError
from neocog.inference.network import Floats
from neocog.probing.choose import fit_best
from neocog.probing.part_features import PAIRS, Cells, OnPartFeatures, part_features
from striped import flock

KIND = part_features(2, Cells(8, 16))


def described(birds: list[Landmarked], factor: float = 1.0) -> Floats:
    """Both pairs of parts side by side; whatever the factor, cells are brought to length 1."""
    pairs = [
        [cells(gradients(aligned(b.picture, b.points, *pair)), 8).ravel() for b in birds]
        for pair in ((0, 1), (1, 0))
    ]
    return (factor * np.hstack(pairs)).astype(np.float32)


def test_its_features_are_those_of_the_estimator() -> None:
    (X, y), (other, truth) = flock(40, 0), flock(40, 1000)
    peer = PartOneVsOne().fit(X, y)
    fitted = KIND.fit(described(X, 2.5), y, 2, 1e-2, 0)
    assert isinstance(fitted, OnPartFeatures)
    for feature, wanted in zip(fitted.features, peer.features_, strict=True):
        assert feature.classes == wanted.classes
        assert (feature.read == wanted.read).all()
        np.testing.assert_allclose(feature.weights, wanted.weights, atol=2e-3)
    values = fitted.values(described(other, 2.5)) * fitted.scale.spread + fitted.scale.mean
    np.testing.assert_allclose(values, peer.transform(other), atol=0.01)
    scaled, learned = fitted.values(described(X)), peer.transform(X)
    np.testing.assert_allclose(scaled * learned.std(axis=0) + learned.mean(axis=0), learned, atol=0.01)
    assert (fitted.predict(described(other)) == truth).mean() > 0.9


def test_features_are_learned_in_each_fold_anew() -> None:
    """Where labels mean nothing, held-out pictures are named by chance: learned from all they would name their own."""
    rng = np.random.default_rng(5)
    x, labels = rng.random((60, 2 * 8 * 16 * 8)).astype(np.float32), rng.permutation(np.arange(60) % 2)
    chosen = fit_best(KIND, x, labels, 2, 0, scale="none")
    assert max(chosen.figures.values()) < 0.7
    assert (KIND.fit(x, labels, 2, 1e-2, 0).predict(x) == labels).mean() > 0.9


def test_a_pair_of_parts_that_is_not_seen_is_zero() -> None:
    X, y = flock(30, 0)
    x = described(X)
    x[:5, : x.shape[1] // 2] = 0
    fitted = KIND.fit(x, y, 2, 1e-2, 0)
    assert isinstance(fitted, OnPartFeatures)
    values = fitted.values(x) * fitted.scale.spread + fitted.scale.mean
    np.testing.assert_allclose(values[:5, 0], 0, atol=1e-6)
    assert (np.abs(values[5:, 0]) > 1e-3).all()
    with pytest.raises(UserError, match="no two classes show the same two parts"):
        KIND.fit(np.zeros_like(x), y, 2, 1e-2, 0)


def test_of_many_pairs_of_classes_some_are_drawn() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(33), 2)  # 528 pairs
    x = rng.random((66, 2 * 2 * 3)).astype(np.float32)
    kind = part_features(1, Cells(2, 2))
    found = [kind.fit(x, labels, 33, 1e-2, seed) for seed in (0, 0, 1)]
    pairs = [[f.classes for f in one.features] for one in found]  # type: ignore[attr-defined]
    assert len(set(pairs[0])) == PAIRS
    assert pairs[0] == pairs[1] != pairs[2]
