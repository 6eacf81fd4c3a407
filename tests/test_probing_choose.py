"""The choice of a strength beside scikit-learn's cross-validation; scaling beside scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from neocog.errors import UserError
from neocog.probing.choose import dealt, fit_best, held_out, last_of_each_class, whole_units
from neocog.probing.kinds import KINDS
from neocog.probing.scale import SCALES, Scaled, learned_scale


def digits(count: int) -> tuple[np.ndarray, np.ndarray]:
    x, y = load_digits(return_X_y=True)
    return x[:count].astype(np.float32), y[:count].astype(np.int64)


def test_the_figures_are_those_of_scikit_learns_cross_validation() -> None:
    x, y = digits(300)
    x = x[:, x.std(axis=0) > 0]
    folds = np.arange(300) % 4
    found = fit_best(KINDS["ridge"], x, y, 10, 0, folds=folds)
    wanted = {}
    for alpha in KINDS["ridge"].strengths:
        pipeline = make_pipeline(StandardScaler(), RidgeClassifier(alpha=alpha))
        said = cross_val_predict(pipeline, x.astype(np.float64), y, cv=PredefinedSplit(folds))
        wanted[alpha] = balanced_accuracy_score(y, said)
    assert found.figures == pytest.approx(wanted, abs=0.005)  # float32 may turn one answer of 300
    best = max(wanted.values())
    assert wanted[found.strength] == pytest.approx(best, abs=0.005)
    whole = make_pipeline(StandardScaler(), RidgeClassifier(alpha=found.strength)).fit(x, y)
    new, _ = digits(600)
    new = new[300:, digits(300)[0].std(axis=0) > 0]
    assert (found.fitted.predict(new) == whole.predict(new)).mean() > 0.99


def test_of_equally_good_strengths_the_smoothest_is_taken() -> None:
    y = np.arange(40) % 2
    x = (y[:, None] * 100 + np.random.default_rng(0).normal(size=(40, 3))).astype(np.float32)
    for name in ("logreg", "ridge", "svm"):
        found = fit_best(KINDS[name], x, y, 2, 0)
        assert set(found.figures.values()) == {1.0}
        assert found.strength == KINDS[name].strengths[0]
    assert KINDS["ridge"].strengths == tuple(sorted(KINDS["ridge"].strengths, reverse=True))
    for name in ("logreg", "svm", "rbf-svm"):
        assert KINDS[name].strengths == tuple(sorted(KINDS[name].strengths))


def test_one_picture_of_each_class_leaves_nothing_to_choose_by() -> None:
    x, y = digits(10)
    assert sorted(y) == list(range(10))
    found = fit_best(KINDS["svm"], x, y, 10, 0)
    assert (found.strength, found.figures) == (KINDS["svm"].usual, {})
    assert (found.fitted.predict(x) == y).all()


def test_kinds_without_a_strength_are_not_cross_validated() -> None:
    x, y = digits(60)
    assert fit_best(KINDS["ncm"], x, y, 10, 0).figures == {}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=60), st.integers(2, 7), st.integers(0, 3))
def test_folds_have_equal_shares_of_each_class(labels: list[int], folds: int, seed: int) -> None:
    y = np.array(labels)
    fold = dealt(y, folds, seed)
    for label in set(labels):
        members = fold[y == label]
        if len(members) == 1:
            assert members[0] == -1
            continue
        counts = [int((members == k).sum()) for k in range(folds)]
        assert sum(counts) == len(members)
        assert max(counts) - min(counts) <= 1
    sizes = [int((fold == k).sum()) for k in range(folds)]
    assert max(sizes) - min(sizes) <= 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=60), st.integers(1, 9))
def test_the_last_of_each_class_choose_and_its_first_never_does(labels: list[int], held: int) -> None:
    y = np.array(labels)
    fold = last_of_each_class(y, held)
    for label in set(labels):
        members = fold[y == label].tolist()
        chosen = min(held, len(members) - 1)
        assert members == [-1] * (len(members) - chosen) + [0] * chosen


units_and_labels = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4)), min_size=1, max_size=60)


@settings(max_examples=100, deadline=None)
@given(units_and_labels, st.integers(2, 6), st.integers(0, 3))
def test_what_belongs_together_lies_in_one_fold(rows: list[tuple[int, int]], folds: int, seed: int) -> None:
    units, labels = (np.array(column) for column in zip(*rows, strict=True))
    for fold in (
        dealt(labels, folds, seed, units),
        whole_units(last_of_each_class(labels, 3), units),
        whole_units(np.arange(len(rows)) % 2 - 1, units),
    ):
        for unit in set(units.tolist()):
            assert len(set(fold[units == unit].tolist())) == 1
        for held in held_out(labels, fold):
            assert len(set(labels[~held].tolist())) > 1
            assert not set(units[held].tolist()) & set(units[~held].tolist())


def test_copies_of_a_picture_tell_nothing_of_how_new_ones_fare() -> None:
    """Noise that is there three times: its nearest neighbour is itself, and right by heart."""
    rng = np.random.default_rng(0)
    units = np.repeat(np.arange(120), 3)
    x = rng.normal(size=(120, 20)).astype(np.float32)[units]
    y = rng.integers(0, 2, 120)[units]
    assert max(fit_best(KINDS["knn"], x, y, 2, 0).figures.values()) > 0.95
    honest = fit_best(KINDS["knn"], x, y, 2, 0, folds=dealt(y, 5, 0, units)).figures
    assert max(honest.values()) < 0.65


def test_twenty_five_train_and_five_choose() -> None:
    """DeCAF's split inside the 30 pictures of a class."""
    fold = last_of_each_class(np.repeat(np.arange(101), 30), 5)
    assert [(fold == k).sum() for k in (-1, 0)] == [101 * 25, 101 * 5]


def test_standard_is_scikit_learns_scaler_and_a_constant_feature_becomes_nothing() -> None:
    x, _ = digits(200)
    scaled = learned_scale("standard", x)(x)
    told = x.std(axis=0) > 0
    assert 0 < told.sum() < 64
    np.testing.assert_allclose(scaled[:, told], StandardScaler().fit_transform(x[:, told]), atol=1e-4)
    assert (scaled[:, ~told] == 0).all()


def test_l2_is_scikit_learns_normalizer_with_the_mean_square_of_the_other_scales() -> None:
    x, _ = digits(200)
    x[3] = 0
    np.testing.assert_allclose(learned_scale("l2", x)(x), 8 * Normalizer().fit_transform(x), rtol=1e-5)


def test_none_changes_nothing_but_one_factor() -> None:
    x, _ = digits(200)
    scaled = learned_scale("none", x)(x)
    there = x != 0
    ratios = x[there] / scaled[there]
    np.testing.assert_allclose(ratios, np.sqrt((x.astype(np.float64) ** 2).mean()), rtol=1e-5)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", ["logreg", "ridge", "ncm", "knn"])
def test_a_linear_classifier_is_one_layer_on_raw_features(scale: str, name: str) -> None:
    x, y = digits(200)
    fitted = fit_best(KINDS[name], x, y, 10, 0, scale=scale).fitted
    assert isinstance(fitted, Scaled)
    layer = fitted.linear()
    if scale == "l2" or name == "knn":
        assert layer is None
        return
    assert layer is not None
    np.testing.assert_allclose(x @ layer.weight.T + layer.bias, fitted.scores(x), atol=2e-3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"labels": np.zeros(4, np.int64)}, "two classes"),
        ({"labels": np.array([0, 1, 2, 1])}, "from 0 to 1"),
        ({"labels": np.array([0, 1])}, "a label each"),
        ({"features": np.array([[0], [1], [np.nan], [1]], np.float32)}, "finite numbers, got nan in row 2"),
        ({"features": np.array([[0], [np.inf], [1], [1]], np.float32)}, "finite numbers, got inf in row 1"),
    ],
)
def test_what_cannot_be_fitted_is_refused(change: dict[str, np.ndarray], words: str) -> None:
    given = {
        "features": np.array([[0], [1], [0], [1]], np.float32),
        "labels": np.array([0, 1, 0, 1]),
    } | change
    with pytest.raises(UserError, match=words):
        fit_best(KINDS["logreg"], given["features"], given["labels"], 2, 0)


@pytest.mark.parametrize("shape", [(3, 63), (64,)])
@pytest.mark.parametrize("scale", SCALES)
def test_features_of_another_network_are_told(scale: str, shape: tuple[int, ...]) -> None:
    x, y = digits(60)
    fitted = fit_best(KINDS["ncm"], x, y, 10, 0, scale=scale).fitted
    with pytest.raises(
        UserError, match=r"features must be \(n, 64\), like those that were learned from, got \("
    ):
        fitted.predict(np.zeros(shape, np.float32))


def test_an_unknown_scale_is_answered_with_those_there_are() -> None:
    x, y = digits(60)
    with pytest.raises(UserError, match="standard"):
        fit_best(KINDS["ncm"], x, y, 10, 0, scale="standart")
    with pytest.raises(UserError, match="two folds or more, got 1"):
        fit_best(KINDS["logreg"], x, y, 10, 0, folds=1)
