"""Scores of pictures that show several classes, against scikit-learn."""

from math import isclose

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    f1_score,
    hamming_loss,
    precision_score,
    recall_score,
    roc_auc_score,
)
from sklearn.metrics import log_loss as sklearn_log_loss

from neocog.errors import UserError
from neocog.evaluation.intervals import middle, resamples
from neocog.evaluation.ranking import average_precision
from neocog.evaluation.several import (
    binary_log_loss,
    intervals_of_several,
    leaked_several,
    score_several,
)

Case = tuple[NDArray[np.float32], NDArray[np.bool_]]
CLOSE = 1e-9


@st.composite
def answers(draw: st.DrawFn) -> Case:
    """Probabilities (n, k), many of them equal, and truth in which classes may be shown by no picture, or by all."""
    n, classes = draw(st.integers(1, 30)), draw(st.integers(2, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    levels = draw(st.sampled_from([2, 4, 1000]))
    probabilities = (rng.integers(0, levels + 1, (n, classes)) / levels).astype(np.float32)
    return probabilities, rng.random((n, classes)) < rng.choice([0, 0.2, 0.6, 1], classes)


def names(truth: NDArray[np.bool_]) -> tuple[str, ...]:
    return tuple(f"class {i}" for i in range(truth.shape[1]))


@given(answers())
def test_average_precision_is_that_of_scikit_learn(case: Case) -> None:
    probabilities, truth = case
    expected = [
        average_precision_score(truth[:, i], probabilities[:, i]) if truth[:, i].any() else None
        for i in range(truth.shape[1])
    ]
    got = [average_precision(probabilities[:, i], truth[:, i]) for i in range(truth.shape[1])]
    assert [ap is None for ap in got] == [ap is None for ap in expected]
    there = [i for i, ap in enumerate(expected) if ap is not None]
    assert np.allclose([got[i] for i in there], [expected[i] for i in there], atol=CLOSE)
    if there:
        macro = average_precision_score(truth[:, there], probabilities[:, there], average="macro")
        assert isclose(score_several(probabilities, truth, names(truth)).map, macro, abs_tol=CLOSE)


@given(answers(), st.sampled_from([0.25, 0.5, 0.9]))
def test_scores_at_a_threshold_are_those_of_scikit_learn(case: Case, threshold: float) -> None:
    probabilities, truth = case
    said = probabilities >= threshold
    got = score_several(probabilities, truth, names(truth), threshold)
    assert isclose(got.micro_f1, f1_score(truth, said, average="micro", zero_division=0), abs_tol=CLOSE)
    if truth.any() or said.any():
        expected = f1_score(truth, said, average="macro", zero_division=np.nan)
        assert isclose(got.macro_f1, expected, abs_tol=CLOSE)
    assert isclose(got.hamming, hamming_loss(truth, said), abs_tol=CLOSE)
    assert isclose(got.exact, accuracy_score(truth, said), abs_tol=CLOSE)
    rows = list(got.per_class.values())
    assert np.allclose(
        [row.precision for row in rows], precision_score(truth, said, average=None, zero_division=0)
    )
    assert np.allclose([row.recall for row in rows], recall_score(truth, said, average=None, zero_division=0))
    assert np.allclose([row.f1 for row in rows], f1_score(truth, said, average=None, zero_division=0))
    assert [(row.n, row.said) for row in rows] == list(zip(truth.sum(0), said.sum(0), strict=True))


@given(answers())
def test_the_loss_is_the_mean_over_classes_of_scikit_learn(case: Case) -> None:
    probabilities, truth = case
    inside = np.clip(probabilities, 0.001, 0.999).astype(np.float32)
    expected = np.mean(
        [
            sklearn_log_loss(truth[:, i], inside[:, i].astype(float), labels=[False, True])
            for i in range(truth.shape[1])
        ]
    )
    assert isclose(binary_log_loss(inside, truth), expected, rel_tol=1e-6)


@given(answers(), st.integers(0, 9))
def test_pictures_that_were_trained_on_are_left_out_of_the_second_figure(case: Case, seed: int) -> None:
    probabilities, truth = case
    known = np.random.default_rng(seed).random(len(truth)) < 0.5
    got = leaked_several(probabilities, truth, known)
    assert (got.same, got.of) == (known.sum(), len(known))
    rest, shown = probabilities[~known], truth[~known]
    there = shown.any(axis=0)
    if there.any():
        expected = average_precision_score(shown[:, there], rest[:, there], average="macro")
        assert got.map_without is not None
        assert isclose(got.map_without, expected, abs_tol=CLOSE)
    else:
        assert got.map_without is None


def test_nothing_to_score_and_damaged_models_are_refused() -> None:
    with pytest.raises(UserError, match="there must be a picture to score"):
        score_several(np.zeros((0, 2), np.float32), np.zeros((0, 2), bool), ("a", "b"))
    with pytest.raises(UserError, match="finite numbers"):
        score_several(np.full((1, 2), np.nan, np.float32), np.zeros((1, 2), bool), ("a", "b"))


@given(answers())
def test_the_area_is_the_mean_over_the_classes_that_have_one(case: Case) -> None:
    probabilities, truth = case
    expected = [
        roc_auc_score(truth[:, i], probabilities[:, i])
        if truth[:, i].any() and not truth[:, i].all()
        else None
        for i in range(truth.shape[1])
    ]
    got = score_several(probabilities, truth, names(truth))
    assert [row.auroc for row in got.per_class.values()] == [
        None if area is None else pytest.approx(area, abs=CLOSE) for area in expected
    ]
    there = [area for area in expected if area is not None]
    assert got.auroc == (pytest.approx(np.mean(there), abs=CLOSE) if there else None)


@given(answers(), st.integers(0, 5))
@settings(max_examples=15)
def test_the_intervals_are_those_of_scoring_every_draw_anew(case: Case, seed: int) -> None:
    probabilities, truth = case
    repeats = 25 if seed else 70  # more than are looked at together
    got = intervals_of_several(probabilities, truth, 0.4, seed=seed, repeats=repeats)
    scored = [
        score_several(probabilities[i], truth[i], names(truth), 0.4)
        for i in resamples(len(truth), seed, repeats)
    ]
    right = int(((probabilities >= 0.4) == truth).all(axis=1).sum())
    share = binomtest(right, len(truth)).proportion_ci(0.95, method="wilson")
    assert list(got) == ["map", "micro_f1", "macro_f1", "exact", "hamming"]
    for name, interval in got.items():
        expected = middle(np.array([getattr(scores, name) for scores in scored]))
        if name == "exact":
            expected = (share.low, share.high)
        np.testing.assert_allclose(interval, expected, atol=CLOSE)


def test_answers_of_other_classes_than_the_truth_s_are_refused() -> None:
    with pytest.raises(UserError, match=r"a cell for each picture and class, got \(2, 3\) and \(2, 2\)"):
        score_several(np.zeros((2, 3), np.float32), np.zeros((2, 2), bool), ("a", "b"))
