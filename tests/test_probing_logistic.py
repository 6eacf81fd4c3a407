from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from neocog.probing.logistic import deal, fit_logistic, solve

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]
STRENGTHS = (3e-5, 3e-4, 3e-3, 3e-2, 3e-1, 3.0)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """The products are small: two threads would mostly wait for each other."""
    with threadpool_limits(1):
        yield


def blobs(counts: list[int], dim: int = 12, noise: float = 1.5, seed: int = 0) -> tuple[Floats, Labels]:
    """Classes that overlap, with features of different size and offset, in a shuffled order."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    x = rng.normal(size=(len(counts), dim))[labels] + noise * rng.normal(size=(len(labels), dim))
    x = x * rng.uniform(0.1, 10, dim) + rng.normal(size=dim)
    order = rng.permutation(len(labels))
    return x[order].astype(np.float32), labels[order].astype(np.int64)


def by_scikit_learn(x: Floats, labels: Labels, c: float, **options: float) -> NDArray[np.float64]:
    """Probabilities of the pictures that the machine was fitted to."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=c, **options))
    found: NDArray[np.float64] = model.fit(x.astype(float), labels).predict_proba(x.astype(float))
    return found


def literal_losses(x: Floats, labels: Labels, seed: int) -> list[float]:
    """Mean held-out log loss of each C over the dealt folds, by scikit-learn."""
    x = StandardScaler().fit_transform(x.astype(float))
    fold = deal(labels, seed)
    totals = [0.0] * len(STRENGTHS)
    for held in (fold == k for k in range(3)):
        for k, c in enumerate(STRENGTHS):
            model = LogisticRegression(C=c, tol=1e-8, max_iter=20_000).fit(x[~held], labels[~held])
            likelihood = model.predict_proba(x[held])
            totals[k] += log_loss(labels[held], likelihood, normalize=False, labels=model.classes_)
    return [total / (fold >= 0).sum() for total in totals]


MANY = {
    "two classes": [25, 25],
    "two classes, one rare": [40, 5],
    "three": [20, 20, 20],
    "eleven": [9] * 11,
    "with single pictures and pairs": [20, 1, 20, 2, 1, 3],
    "two and single pictures": [20, 15, 1, 1],
}


@given(st.lists(st.integers(0, 4), min_size=3, max_size=60), st.integers(0, 9))
def test_folds_share_out_every_class_that_is_frequent_enough(drawn: list[int], seed: int) -> None:
    labels = np.array(drawn, dtype=np.int64)
    fold = deal(labels, seed)
    for label in np.unique(labels):
        mine = fold[labels == label]
        if len(mine) < 3:
            assert (mine == -1).all()
        else:
            counts = [int((mine == k).sum()) for k in range(3)]
            assert sum(counts) == len(mine)
            assert max(counts) - min(counts) <= 1


def objective(x: Floats, labels: Labels, weight: Floats, bias: Floats, c: float) -> float:
    """scikit-learn's, in double precision: C times the summed cross-entropy plus half the squared weights."""
    if len(weight) == 2:
        squares = np.square(weight[1].astype(float) - weight[0]).sum()
    else:
        squares = np.square(weight.astype(float)).sum()
    logits = x.astype(float) @ weight.T.astype(float) + bias
    likelihood = np.exp(logits - logits.max(axis=1, keepdims=True))
    likelihood /= likelihood.sum(axis=1, keepdims=True)
    return float(c * -np.log(likelihood[np.arange(len(x)), labels]).sum() + squares / 2)


@pytest.mark.parametrize("name", ["two classes", "three", "eleven"])
@pytest.mark.parametrize("c", [3e-3, 3e-1])
def test_the_objective_reached_is_scikit_learns(name: str, c: float) -> None:
    x, labels = blobs(MANY[name])
    x = StandardScaler().fit_transform(x).astype(np.float32)
    model = LogisticRegression(C=c, tol=1e-8, max_iter=20_000).fit(x.astype(float), labels)
    coef, intercept = model.coef_, model.intercept_
    if len(coef) == 1:
        coef, intercept = np.concatenate([-coef, coef]) / 2, np.concatenate([-intercept, intercept]) / 2
    best = objective(x, labels, coef, intercept, c)
    reached = objective(x, labels, *solve(x, labels, len(MANY[name]), c), c)
    assert best <= reached + 1e-9 * best
    assert reached == pytest.approx(best, rel=3e-4)


@pytest.mark.parametrize("name", MANY)
def test_probabilities_are_near_those_of_the_exact_optimum(name: str) -> None:
    x, labels = blobs(MANY[name])
    fit = fit_logistic(x, labels, len(MANY[name]), seed=0)
    expected = by_scikit_learn(x, labels, fit.C, tol=1e-8, max_iter=20_000)
    assert np.abs(fit.head.probabilities(x) - expected).max() <= 0.01  # an objective within 1e-4 is no more


@pytest.mark.parametrize("name", MANY)
@pytest.mark.parametrize("seed", [0, 7])
def test_held_out_losses_are_those_of_a_literal_cross_validation(name: str, seed: int) -> None:
    x, labels = blobs(MANY[name])
    fit = fit_logistic(x, labels, len(MANY[name]), seed)
    assert tuple(fit.losses) == STRENGTHS
    # it stops at an objective within 1e-4, scikit-learn here at a gradient of 1e-8
    assert list(fit.losses.values()) == pytest.approx(literal_losses(x, labels, seed), rel=0.02)


def test_the_strength_with_the_least_held_out_loss_is_taken() -> None:
    for noise, expected in ((0.3, 3.0), (6.0, 0.03)):
        x, labels = blobs([25] * 4, noise=noise)
        losses = literal_losses(x, labels, seed=0)
        assert STRENGTHS[int(np.argmin(losses))] == expected  # the data are such that it matters
        assert expected == fit_logistic(x, labels, 4, seed=0).C


@pytest.mark.parametrize("counts", [[2, 2, 2], [9, 1], [9, 2, 1], [1, 1]])
def test_too_few_pictures_to_hold_any_out_are_fitted_with_the_middle_strength(counts: list[int]) -> None:
    x, labels = blobs(counts)
    fit = fit_logistic(x, labels, len(counts), seed=0)
    assert (fit.C, fit.losses) == (0.003, {})
    expected = by_scikit_learn(x, labels, 0.003, tol=1e-8)
    assert np.abs(fit.head.probabilities(x) - expected).max() <= 0.02  # an objective within 1e-4 is no more


@pytest.mark.parametrize("constant", [0.0, 0.1, -3e4])
def test_a_constant_feature_changes_nothing_and_weighs_nothing(constant: float) -> None:
    x, labels = blobs([15] * 3)
    widened = np.insert(x, 4, np.float32(constant), axis=1)
    fit = fit_logistic(widened, labels, 3, seed=0)
    assert (fit.head.weight[:, 4] == 0).all()
    narrow = fit_logistic(x, labels, 3, seed=0)
    assert fit.C == narrow.C
    assert np.abs(fit.head.probabilities(widened) - narrow.head.probabilities(x)).max() <= 1e-4
    expected = by_scikit_learn(x, labels, fit.C, tol=1e-8)
    assert np.abs(fit.head.probabilities(widened) - expected).max() <= 0.01


def test_where_no_feature_tells_anything_the_classes_frequencies_are_told() -> None:
    labels = np.repeat([0, 1, 2], [5, 10, 25])
    fit = fit_logistic(np.ones((40, 6), np.float32), labels, 3, seed=0)
    found = fit.head.probabilities(np.ones((1, 6), np.float32))[0]
    assert found == pytest.approx([5 / 40, 10 / 40, 25 / 40], abs=0.01)


def test_separable_classes_are_separated_with_finite_weights() -> None:
    x, labels = blobs([12] * 5, noise=0.01)
    fit = fit_logistic(x, labels, 5, seed=0)
    assert (fit.head.logits(x).argmax(axis=1) == labels).all()
    assert np.isfinite(fit.head.weight).all()


@given(
    powers=st.lists(st.integers(-8, 8), min_size=12, max_size=12), all_of_them=st.sampled_from([-90, 0, 90])
)
@settings(max_examples=12)
def test_the_units_of_the_features_do_not_matter(powers: list[int], all_of_them: int) -> None:
    """Features of 1e-27 and of 1e27 lie near the ends of single precision."""
    x, labels = blobs([12] * 3)
    scaled = (x * 2.0 ** (np.array(powers) + all_of_them)).astype(np.float32)
    expected = fit_logistic(x, labels, 3, seed=0)
    found = fit_logistic(scaled, labels, 3, seed=0)
    assert found.C == expected.C
    off = np.abs(found.head.probabilities(scaled) - expected.head.probabilities(x))
    assert off.max() <= 1e-5  # a power of two changes no digit; some products fall below the smallest number


def test_features_far_from_zero_are_fitted_as_well_as_others() -> None:
    x, labels = blobs([20] * 3)
    far = x + 1000 * x.std(axis=0)
    fit = fit_logistic(far, labels, 3, seed=0)
    expected = by_scikit_learn(far, labels, fit.C, tol=1e-8)
    assert np.abs(fit.head.probabilities(far) - expected).max() <= 0.01  # 1,000 of 2**24 steps are lost


def test_two_classes_have_a_row_of_weights_each() -> None:
    x, labels = blobs([10, 14])
    head = fit_logistic(x, labels, 2, seed=0).head
    assert (head.weight.shape, head.bias.shape) == ((2, 12), (2,))
    assert head.weight[0] == pytest.approx(-head.weight[1], abs=1e-6)


def test_the_same_seed_gives_the_same_bits() -> None:
    x, labels = blobs([20] * 4)
    one, other = (fit_logistic(x, labels, 4, seed=3) for _ in range(2))
    assert one.head.weight.tobytes() == other.head.weight.tobytes()
    assert one.head.bias.tobytes() == other.head.bias.tobytes()
    assert one.losses == other.losses


def test_another_seed_holds_other_pictures_out() -> None:
    x, labels = blobs([20] * 4)
    assert fit_logistic(x, labels, 4, seed=3).losses != fit_logistic(x, labels, 4, seed=4).losses


def test_the_features_given_are_left_as_they_are() -> None:
    x, labels = blobs([10, 10])
    before = x.copy()
    fit_logistic(x, labels, 2, seed=0)
    assert (x == before).all()
