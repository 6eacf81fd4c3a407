"""Every kind of classifier beside scikit-learn's, or beside the sum that it is to minimise, written out."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics.pairwise import additive_chi2_kernel
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid, NearestNeighbors
from sklearn.svm import SVC, LinearSVC

from neocog.errors import UserError
from neocog.probing.choose import fit_best
from neocog.probing.dropout import copies_of, noised
from neocog.probing.fitted import Linear
from neocog.probing.kinds import GROUPS, KINDS

Rows = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def digits() -> tuple[Rows, Rows]:
    """500 pictures that train and 300 that judge, standardised; the first has 61 features that say something."""
    x, y = load_digits(return_X_y=True)
    x = x[:, x[:500].std(axis=0) > 0]
    x = ((x - x[:500].mean(axis=0)) / x[:500].std(axis=0)).astype(np.float32)
    return (x[:500], y[:500].astype(np.int64)), (x[500:800], y[500:800].astype(np.int64))


def two_of(rows: Rows) -> Rows:
    kept = rows[1] < 2
    return rows[0][kept], rows[1][kept]


def logistic_objective(weight: np.ndarray, bias: np.ndarray, rows: Rows, strength: float) -> float:
    """scikit-learn's: of two classes the weight is the difference of theirs."""
    logits = rows[0] @ weight.T + bias
    losses = np.logaddexp.reduce(logits, axis=1) - logits[np.arange(len(logits)), rows[1]]
    return float(strength * losses.sum() + (weight**2).sum() / 2 * (1 + (len(weight) == 2)))


@pytest.mark.parametrize("strength", [1e-3, 0.1])
def test_logreg_is_scikit_learns(digits: tuple[Rows, Rows], strength: float) -> None:
    for (x, y), (new, _) in (digits, tuple(map(two_of, digits))):
        ours = KINDS["logreg"].fit(x, y, int(y.max()) + 1, strength, 0)
        theirs = LogisticRegression(C=strength, tol=1e-8, max_iter=5000).fit(x.astype(np.float64), y)
        weight, bias = theirs.coef_, theirs.intercept_
        if len(weight) == 1:
            weight, bias = np.stack([-weight[0], weight[0]]) / 2, np.array([-bias[0], bias[0]]) / 2
        least = logistic_objective(weight, bias, (x, y), strength)
        assert isinstance(ours, Linear)
        assert logistic_objective(ours.weight, ours.bias, (x, y), strength) == pytest.approx(least, rel=0.01)
        assert (ours.predict(new) == theirs.predict(new)).mean() > 0.98


@pytest.mark.parametrize("strength", [1e-4, 1e-2])
def test_svm_is_scikit_learns_but_for_the_free_bias(digits: tuple[Rows, Rows], strength: float) -> None:
    (x, y), (new, _) = digits
    ours = KINDS["svm"].fit(x, y, 10, strength, 0)
    # a large intercept_scaling makes the penalty of the bias vanish
    theirs = LinearSVC(C=strength, dual=False, intercept_scaling=300, tol=1e-9, max_iter=100_000).fit(x, y)
    np.testing.assert_allclose(ours.scores(new), theirs.decision_function(new), atol=0.1)
    assert (ours.predict(new) == theirs.predict(new)).mean() > 0.98


def test_each_strength_of_a_path_is_solved_as_by_scikit_learn(digits: tuple[Rows, Rows]) -> None:
    (x, y), _ = digits
    kind, sides = KINDS["svm"], np.where(digits[0][1][:, None] == np.arange(10), 1, -1)

    def objective(weight: np.ndarray, bias: np.ndarray, strength: float) -> float:
        short = np.maximum(1 - sides * (x @ weight.T + bias), 0)
        return float((weight**2).sum() / 2 + strength * (short**2).sum())

    for strength, found in zip(kind.strengths, kind.fit_all(x, y, 10, kind.strengths, 0), strict=True):
        machine = LinearSVC(C=strength, dual=False, intercept_scaling=300, tol=1e-8, max_iter=100_000).fit(
            x, y
        )
        assert isinstance(found, Linear)
        least = objective(machine.coef_, machine.intercept_, strength)
        assert objective(found.weight, found.bias, strength) == pytest.approx(least, rel=0.01)


def test_rbf_svm_is_scikit_learns(digits: tuple[Rows, Rows]) -> None:
    for (x, y), (new, _) in (digits, tuple(map(two_of, digits))):
        ours = KINDS["rbf-svm"].fit(x, y, int(y.max()) + 1, 3.0, 0)
        theirs = SVC(C=3.0, gamma="scale", break_ties=y.max() > 1).fit(x, y)
        assert (ours.predict(new) == theirs.predict(new)).all()


def test_poly_svm_is_scikit_learns_on_the_kernel_of_the_docs(digits: tuple[Rows, Rows]) -> None:
    (x, y), (new, _) = digits
    gamma = 1 / (x.shape[1] * x.var())
    theirs = SVC(C=3.0, kernel="precomputed", break_ties=True).fit((gamma * x @ x.T + 1) ** 4, y)
    found = KINDS["poly-svm"].fit(x, y, 10, 3.0, 0).predict(new)
    assert (found == theirs.predict((gamma * new @ x.T + 1) ** 4)).mean() > 0.99


@pytest.mark.parametrize("factor", [1.0, 50.0])
def test_machines_for_histograms_are_scikit_learns_on_the_kernels_of_the_docs(factor: float) -> None:
    """Whatever the unit of the counts."""
    images, labels = load_digits(return_X_y=True)
    x, y, new = images[:200].astype(np.float32), labels[:200].astype(np.int64), images[200:300]
    sums = -additive_chi2_kernel(x, x)
    gamma = 1 / sums[~np.eye(200, dtype=bool)].mean()

    def intersection(rows: np.ndarray) -> np.ndarray:
        mean = x.sum(axis=1, dtype=np.float64).mean()
        return np.array([[np.minimum(a, b).sum() for b in x] for a in rows]) / mean

    for name, kernel in (
        ("chi2", lambda rows: np.exp(gamma * additive_chi2_kernel(rows, x))),
        ("intersection", intersection),
    ):
        theirs = SVC(C=3.0, kernel="precomputed", break_ties=True).fit(kernel(x), y)
        ours = KINDS[f"{name}-svm"].fit(x * np.float32(factor), y, 10, 3.0, 0)
        scores = ours.scores(np.float32(new * factor))
        np.testing.assert_allclose(scores, theirs.decision_function(kernel(new)), atol=2e-3)
        with pytest.raises(UserError, match=f"{name}-svm compares histograms.* got -1; take --scale none"):
            KINDS[f"{name}-svm"].fit(x - 1, y, 10, 3.0, 0)


@pytest.mark.parametrize("count", [500, 40])
def test_ridge_is_scikit_learns_with_more_rows_than_features_and_with_fewer(
    digits: tuple[Rows, Rows], count: int
) -> None:
    (x, y), (new, _) = digits
    for alpha in (1.0, 300.0):
        ours = KINDS["ridge"].fit(x[:count], y[:count], 10, alpha, 0)
        theirs = RidgeClassifier(alpha=alpha).fit(x[:count].astype(np.float64), y[:count])
        np.testing.assert_allclose(ours.scores(new), theirs.decision_function(new), atol=1e-4)


def every_mask(x: np.ndarray, y: np.ndarray) -> Rows:
    """Each row under all of dropout's masks, which are equally likely."""
    masks = 2.0 * np.array(list(product((0, 1), repeat=x.shape[1])))
    return (x[:, None] * masks).reshape(-1, x.shape[1]), np.repeat(y, len(masks))


@pytest.mark.parametrize("rows", [30, 3])
@pytest.mark.parametrize("alpha", [0.5, 20.0])
def test_ridge_with_dropout_is_the_least_squares_over_all_masks(rows: int, alpha: float) -> None:
    rng = np.random.default_rng(rows)
    x, y = rng.normal(1, 2, (rows, 5)), np.arange(rows) % 3
    masked, repeated = every_mask(x, y)
    found = KINDS["ridge-dropout"].fit(x.astype(np.float32), y, 3, alpha, 0)
    # the mean over 32 masks: alpha counts 32 times beside all of them
    wanted = RidgeClassifier(alpha=alpha * 32).fit(masked, repeated)
    assert isinstance(found, Linear)
    np.testing.assert_allclose(found.weight, wanted.coef_, atol=1e-4)
    np.testing.assert_allclose(found.bias, wanted.intercept_, atol=1e-4)


def blobs(count: int, features: int = 4) -> Rows:
    rng = np.random.default_rng(1)
    y = np.arange(count) % 3
    return (rng.normal(0, 1, (count, features)) + np.eye(3, features)[y] * 2).astype(np.float32), y


def test_logreg_with_dropout_comes_near_the_expected_loss() -> None:
    x, y = blobs(2000)
    found = KINDS["logreg-dropout"].fit(x, y, 3, 0.003, 0)
    masked, repeated = every_mask(x, y)
    weights = np.full(len(masked), 1 / 16)
    wanted, weaker = (
        LogisticRegression(C=c, tol=1e-8).fit(masked, repeated, sample_weight=weights) for c in (0.003, 0.012)
    )
    plain = LogisticRegression(C=0.003, tol=1e-8).fit(x, y)
    assert isinstance(found, Linear)
    centred = found.weight - found.weight.mean(axis=0)
    for other in (plain, weaker):  # neither dropout nor the strength is without effect
        assert np.abs(wanted.coef_ - other.coef_).max() > 0.05
    np.testing.assert_allclose(centred, wanted.coef_, atol=0.02)


def test_svm_with_dropout_comes_near_the_expected_loss() -> None:
    x, y = blobs(2000)
    found = KINDS["svm-dropout"].fit(x, y, 3, 1e-4, 0)
    masked, repeated = every_mask(x, y)
    options = {"dual": False, "intercept_scaling": 300, "tol": 1e-8, "max_iter": 100_000}
    wanted, weaker = (LinearSVC(C=c / 16, **options).fit(masked, repeated) for c in (1e-4, 4e-4))
    plain = LinearSVC(C=1e-4, **options).fit(x, y)
    assert isinstance(found, Linear)
    for other in (plain, weaker):
        assert np.abs(wanted.coef_ - other.coef_).max() > 0.03
    np.testing.assert_allclose(found.weight, wanted.coef_, atol=0.01)


def test_dropout_for_knn_and_kernels_is_that_of_noised_rows(digits: tuple[Rows, Rows]) -> None:
    (x, y), (new, _) = digits
    rows, labels = noised(x, y, copies_of(500, 4000), 7)
    assert len(rows) == 2000
    near = KNeighborsClassifier(3, weights="distance", algorithm="brute").fit(rows, labels)
    assert (KINDS["knn-dropout"].fit(x, y, 10, 3, 7).predict(new) == near.predict(new)).mean() > 0.99


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 30), st.integers(1, 40), st.integers(1, 5), st.integers(0, 9))
def test_noised_copies_hold_each_number_doubled_or_nothing(n: int, d: int, copies: int, seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)
    rows, labels = noised(x, np.arange(n), copies, seed)
    whole = np.concatenate([x] * copies)
    assert ((rows == 0) | (rows == 2 * whole)).all()
    assert (labels == np.concatenate([np.arange(n)] * copies)).all()
    again, _ = noised(x, np.arange(n), copies, seed)
    assert (rows == again).all()


def test_half_of_the_numbers_are_dropped_and_each_copy_has_masks_of_its_own() -> None:
    x = np.ones((100, 200), np.float32)
    rows, _ = noised(x, np.zeros(100, np.int64), 2, 0)
    assert abs((rows == 0).mean() - 0.5) < 0.02  # 8 deviations of 40,000 coins
    assert 0.4 < (rows[:100] == rows[100:]).mean() < 0.6


@pytest.mark.parametrize(("count", "wanted"), [(10, 4), (5_000, 4), (10_000, 2), (19_999, 1), (90_000, 1)])
def test_the_fewer_pictures_the_more_copies(count: int, wanted: int) -> None:
    assert copies_of(count) == wanted


@pytest.mark.parametrize(("name", "metric"), [("knn", "euclidean"), ("knn-cosine", "cosine")])
@pytest.mark.parametrize("k", [1, 5, 20])
def test_neighbours_are_scikit_learns(digits: tuple[Rows, Rows], name: str, metric: str, k: int) -> None:
    (x, y), (new, _) = digits
    theirs = KNeighborsClassifier(k, weights="distance", metric=metric, algorithm="brute").fit(x, y)
    ours = KINDS[name].fit(x, y, 10, k, 0)
    for rows in (new, x[:5]):  # those of the second kind lie on the very spot of a training picture
        np.testing.assert_allclose(ours.scores(rows), theirs.predict_proba(rows), atol=1e-4)
        assert (ours.predict(rows) == theirs.predict(rows)).all()


def test_more_neighbours_than_there_are_pictures_are_all_of_them() -> None:
    x, y = blobs(6)
    np.testing.assert_allclose(
        KINDS["knn"].fit(x, y, 3, 50, 0).scores(x + 0.1), KINDS["knn"].fit(x, y, 3, 6, 0).scores(x + 0.1)
    )


def test_the_nearest_class_mean_is_scikit_learns(digits: tuple[Rows, Rows]) -> None:
    (x, y), (new, _) = digits
    assert (KINDS["ncm"].fit(x, y, 10, 1, 0).predict(new) == NearestCentroid().fit(x, y).predict(new)).all()


def test_the_nearest_class_mean_by_cosine_is_that_of_the_smallest_angle(digits: tuple[Rows, Rows]) -> None:
    (x, y), (new, _) = digits
    means = np.stack([x[y == label].mean(axis=0) for label in range(10)])
    angles = [[row @ m / np.linalg.norm(row) / np.linalg.norm(m) for m in means] for row in new]
    assert (KINDS["ncm-cosine"].fit(x, y, 10, 1, 0).predict(new) == np.argmax(angles, axis=1)).all()


@pytest.mark.parametrize("name", KINDS)
def test_a_class_without_pictures_is_never_the_answer(name: str) -> None:
    x, y = blobs(60)
    x -= x.min() if name not in GROUPS["all"] else 0  # machines for histograms take no less than 0
    apart = np.where(y == 2, 4, y)  # of 5 classes 2 and 3 have no picture
    found = KINDS[name].fit(x, apart, 5, KINDS[name].usual, 0)
    scores = found.scores(x)
    assert scores.shape == (60, 5)
    assert not np.isnan(scores).any()
    assert set(found.predict(x)) <= {0, 1, 4}
    assert (found.predict(x) == apart).mean() > 0.5  # guessing: 1/3


@pytest.mark.parametrize("name", KINDS)
def test_the_same_seed_gives_the_same_classifier(name: str) -> None:
    x, y = blobs(60)
    x -= x.min() if name not in GROUPS["all"] else 0  # machines for histograms take no less than 0
    kind = KINDS[name]
    scores = [kind.fit(x, y, 3, kind.usual, seed).scores(x) for seed in (3, 3)]
    assert (scores[0] == scores[1]).all()


def test_the_names_are_those_of_the_docs() -> None:
    plain = {"logreg", "svm", "rbf-svm", "ridge", "knn", "knn-cosine"}
    other = {"ncm", "ncm-cosine", "poly-svm"}
    assert set(GROUPS["all"]) == plain | {f"{name}-dropout" for name in plain} | other
    assert set(KINDS) == set(GROUPS["all"]) | {"chi2-svm", "intersection-svm"}
    assert GROUPS["decaf"] == ("logreg", "logreg-dropout", "svm", "svm-dropout")  # DeCAF's table 1
    usual = {"logreg": 0.003, "svm": 0.0001, "ridge": 1000, "knn": 1, "knn-cosine": 1}
    usual |= dict.fromkeys(("rbf-svm", "poly-svm", "chi2-svm", "intersection-svm"), 10)
    assert {name: KINDS[name].usual for name in usual} == usual


@pytest.mark.parametrize("name", ["knn", "knn-cosine", "knn-dropout"])
def test_all_k_are_judged_by_one_search(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200, 30)).astype(np.float32), rng.integers(0, 3, 200)
    new = rng.normal(size=(100, 30)).astype(np.float32)
    kind, searched = KINDS[name], []
    one_by_one = [kind.fit(x, y, 3, k, 0).predict(new) for k in kind.strengths]
    search = NearestNeighbors.kneighbors

    def counting(self: NearestNeighbors, rows: np.ndarray) -> Any:
        searched.append(len(rows))
        return search(self, rows)

    monkeypatch.setattr(NearestNeighbors, "kneighbors", counting)
    found = kind.fit_all(x, y, 3, kind.strengths, 0)
    for said, wanted in zip(kind.answers(found, new), one_by_one, strict=True):
        assert (said == wanted).all()
    assert len({tuple(said) for said in one_by_one}) > 3
    searched.clear()
    fit_best(kind, x, y, 3, 0, folds=4)
    assert searched == [50] * 4


@pytest.mark.parametrize("name", KINDS)
def test_a_classifier_prints_in_a_line(name: str) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 300)).astype(np.float32), rng.integers(0, 3, 60)
    x -= x.min() if name not in GROUPS["all"] else 0  # machines for histograms take no less than 0
    scale = "none" if x.min() == 0 else "standard"
    assert len(repr(fit_best(KINDS[name], x, y, 3, 0, scale=scale).fitted)) < 200
