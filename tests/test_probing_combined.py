"""Machines on sums of kernels, beside scikit-learn's SVC on sums that are written out here."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics.pairwise import chi2_kernel, rbf_kernel
from sklearn.svm import SVC

from neocog.errors import UserError
from neocog.inference.network import Floats
from neocog.probing.choose import fit_best
from neocog.probing.combined import WEIGHTINGS, Block, combination
from neocog.probing.fitted import Labels

BLOCKS = (Block("near", 3, "rbf"), Block("counts", 5, "chi2"), Block("noise", 2, "linear"))


def rows(n: int, seed: int) -> tuple[Floats, Labels]:
    """Classes 0, 2 and 3 of four, in turn; the first three columns tell them apart, the next five a little."""
    rng = np.random.default_rng(seed)
    labels = np.array([0, 2, 3])[np.arange(n) % 3]
    near = rng.normal(size=(n, 3)) + 1.5 * np.eye(4)[labels][:, [0, 2, 3]]
    counts = rng.poisson(3 + np.outer(labels, np.arange(5) % 2)).astype(float)
    return np.hstack([near, counts, rng.normal(size=(n, 2))]).astype(np.float32), labels


def mean_between(distances: np.ndarray) -> float:
    return float(distances.sum() / (len(distances) * (len(distances) - 1)))


def summed(new: Floats, old: Floats, train: Floats) -> np.ndarray:
    """The mean of the three kernels, each by its mean on the training diagonal; 1 of the first two."""
    a, b, t = (x.astype(float) for x in (new, old, train))
    squares = ((t[:, None, :3] - t[None, :, :3]) ** 2).sum(axis=2)
    apart = (t[:, None, 3:8] - t[None, :, 3:8]) ** 2
    sums = t[:, None, 3:8] + t[None, :, 3:8]
    chis = np.divide(apart, sums, out=np.zeros_like(apart), where=sums > 0).sum(axis=2)
    return np.asarray(
        rbf_kernel(a[:, :3], b[:, :3], gamma=1 / mean_between(squares)) / 3
        + chi2_kernel(a[:, 3:8], b[:, 3:8], gamma=1 / mean_between(chis)) / 3
        + a[:, 8:] @ b[:, 8:].T / (t[:, 8:] ** 2).sum(axis=1).mean() / 3
    )


def test_it_is_a_machine_a_class_on_the_sum_of_scaled_kernels() -> None:
    (x, y), (new, _) = rows(90, 0), rows(2_100, 1)  # more than are looked at together
    found = combination(BLOCKS, "uniform").fit_all(x, y, 4, (0.3, 3.0), 0)
    for strength, fitted in zip((0.3, 3.0), found, strict=True):
        scores = fitted.scores(new)
        assert np.isneginf(scores[:, 1]).all()
        for label in (0, 2, 3):
            peer = SVC(kernel="precomputed", C=strength, tol=1e-6).fit(summed(x, x, x), y == label)
            np.testing.assert_allclose(scores[:, label], peer.decision_function(summed(new, x, x)), atol=5e-3)
        assert (fitted.predict(new) == scores.argmax(axis=1)).all()


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_weights_sum_to_one_and_learned_ones_find_what_tells(weighting: str) -> None:
    x, y = rows(150, 2)
    fitted = combination(BLOCKS, weighting).fit(x, y, 4, 1.0, 0)
    counts = fitted.counts()  # type: ignore[attr-defined]
    assert list(counts) == ["near", "counts", "noise"]
    assert sum(counts.values()) == pytest.approx(1)
    if weighting == "uniform":
        assert counts["noise"] == pytest.approx(1 / 3)
    else:
        assert counts["near"] > counts["noise"] + 0.1


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_its_strength_is_chosen_like_any_others(weighting: str) -> None:
    (x, y), (new, truth) = rows(90, 3), rows(300, 4)
    chosen = fit_best(combination(BLOCKS, weighting), x, y, 4, 0, folds=3, scale="none")
    assert chosen.strength in chosen.figures
    assert (chosen.fitted.predict(new) == truth).mean() > 0.7


def test_fewer_pictures_than_folds_are_weighed_in_fewer_folds() -> None:
    x, y = rows(9, 5)
    counts = combination(BLOCKS, "accuracy").fit(x, y, 4, 1.0, 0).counts()  # type: ignore[attr-defined]
    assert sum(counts.values()) == pytest.approx(1)


def test_what_cannot_be_summed_is_told() -> None:
    x, y = rows(30, 0)
    with pytest.raises(UserError, match="counts has numbers below 0: take linear or rbf"):
        combination(BLOCKS, "uniform").fit(-x, y, 4, 1.0, 0)
    with pytest.raises(UserError, match="two pictures of each class in every fold"):
        combination(BLOCKS, "accuracy").fit(x[:4], y[:4], 4, 1.0, 0)
    many = np.zeros((10_000, 10), np.float32)
    with pytest.raises(
        UserError, match=r"3 of 10,000 pictures take 2\.2; take fewer pictures with --per-class"
    ):
        combination(BLOCKS, "uniform").fit(many, np.arange(10_000) % 3, 3, 1.0, 0)
