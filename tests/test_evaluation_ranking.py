"""The area under the ROC curve against scikit-learn and pairs of pictures."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from neocog.evaluation.ranking import auroc, aurocs, macro_auroc, weighted_precision

Case = tuple[NDArray[np.float32], NDArray[np.bool_]]


@st.composite
def columns(draw: st.DrawFn) -> Case:
    """Scores (n,), many of them equal, and which pictures show the class: perhaps none, or all."""
    n, levels = draw(st.integers(1, 40)), draw(st.sampled_from([2, 5, 1000]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    return (rng.integers(0, levels, n) / levels).astype(np.float32), rng.random(n) < rng.choice(
        [0, 0.3, 0.7, 1]
    )


@given(columns())
def test_the_area_is_the_share_of_pairs_in_the_right_order(case: Case) -> None:
    scores, shown = case
    pairs = [(a > b) + 0.5 * (a == b) for a in scores[shown] for b in scores[~shown]]
    assert auroc(scores, shown) == (pytest.approx(sum(pairs) / len(pairs), abs=1e-12) if pairs else None)


@given(columns())
@settings(max_examples=40)
def test_the_area_is_that_of_scikit_learn(case: Case) -> None:
    scores, shown = case
    if shown.any() and not shown.all():
        assert auroc(scores, shown) == pytest.approx(roc_auc_score(shown, scores), abs=1e-12)


@given(columns())
def test_turning_the_scores_round_turns_the_area_round(case: Case) -> None:
    scores, shown = case
    area, turned = auroc(scores, shown), auroc(-scores, shown)
    assert (area is None) == (turned is None)
    assert area is None or turned is None or area + turned == pytest.approx(1)


def test_each_class_against_all_others() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(5), 200).astype(np.float32)
    labels = rng.integers(0, 4, 200)
    labels[:3] = [-1, 5, 9]
    got = aurocs(probabilities, labels)
    assert np.isnan(got).tolist() == [False] * 4 + [True]
    expected = [roc_auc_score(labels == i, probabilities[:, i]) for i in range(4)]
    np.testing.assert_allclose(got[:4], expected, atol=1e-12)
    assert macro_auroc(got) == pytest.approx(sum(expected) / 4, abs=1e-12)


def test_pictures_of_one_class_have_no_area() -> None:
    got = aurocs(np.full((3, 2), 0.5, np.float32), np.zeros(3, np.int64))
    assert np.isnan(got).all()
    assert macro_auroc(got) is None


@given(columns(), st.integers(0, 2**32))
@settings(max_examples=40)
def test_a_picture_that_counts_twice_is_there_twice(case: Case, seed: int) -> None:
    scores, shown = case
    weights = np.random.default_rng(seed).integers(0, 4, (len(scores), 3))
    got = weighted_precision(scores, shown)(weights.astype(np.float32))
    assert got.shape == (3,)
    for found, drawn in zip(got, weights.T, strict=True):
        again = np.repeat(np.arange(len(scores)), drawn)
        if not shown[again].any():
            assert np.isnan(found)
        else:
            assert found == pytest.approx(average_precision_score(shown[again], scores[again]), abs=1e-9)
