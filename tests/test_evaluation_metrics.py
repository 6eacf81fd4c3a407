from math import isclose
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    precision_recall_fscore_support,
    top_k_accuracy_score,
)

from neocog.errors import UserError
from neocog.evaluation.intervals import wilson
from neocog.evaluation.metrics import score
from neocog.evaluation.per_picture import rank_of_truth

Case = tuple[NDArray[np.float32], NDArray[np.int64], tuple[str, ...]]


@st.composite
def predictions(draw: st.DrawFn, tied: bool = False, unknown: bool = False) -> Case:
    """Probabilities (n, k) and labels; `tied` draws from few values, `unknown` adds labels that have no column."""
    n, classes = draw(st.integers(1, 40)), draw(st.integers(2, 9))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    levels = rng.integers(1, 4, (n, classes)) if tied else rng.random((n, classes))
    probabilities = (levels / levels.sum(axis=1, keepdims=True)).astype(np.float32)
    last = classes + 2 * unknown
    labels = rng.integers(-1 if unknown else 0, last, n)
    return probabilities, labels, tuple(f"class {i}" for i in range(last))


@given(predictions())
def test_accuracy_is_that_of_scikit_learn(case: Case) -> None:
    probabilities, labels, classes = case
    got = score(*case)
    assert got.top1 == accuracy_score(labels, probabilities.argmax(axis=1))
    if len(classes) > 5:
        expected = top_k_accuracy_score(labels, probabilities, k=5, labels=range(len(classes)))
        assert isclose(got.top5, expected, abs_tol=1e-12)
    else:
        assert got.top5 == 1


@given(predictions(tied=True))
def test_the_confusion_matrix_is_that_of_scikit_learn(case: Case) -> None:
    probabilities, labels, classes = case
    expected = confusion_matrix(labels, probabilities.argmax(axis=1), labels=range(len(classes)))
    assert (score(*case).confusion == expected).all()


@given(predictions())
def test_the_scores_of_each_class_are_those_of_scikit_learn(case: Case) -> None:
    probabilities, labels, classes = case
    expected = precision_recall_fscore_support(
        labels, probabilities.argmax(axis=1), labels=range(len(classes)), zero_division=0
    )
    got = score(*case).per_class
    assert list(got) == list(classes)
    table = [[s.precision, s.recall, s.f1, s.n] for s in got.values()]
    np.testing.assert_allclose(table, np.transpose(expected), atol=1e-12)  # double precision


@given(predictions(tied=True, unknown=True))
def test_the_rank_of_the_truth_counts_better_classes_and_lower_ones_of_equals(case: Case) -> None:
    probabilities, labels, _ = case
    for row, label, rank in zip(probabilities, labels, rank_of_truth(probabilities, labels), strict=True):
        order = sorted(range(len(row)), key=lambda i: (-row[i], i))
        assert rank == (order.index(label) if label in order else len(row))


@given(predictions(tied=True))
def test_the_interval_holds_the_top1_share(case: Case) -> None:
    got = score(*case)
    low, high = got.top1_interval
    assert low <= got.top1 <= high
    assert got.top1 <= got.top5


@given(predictions(), st.randoms(use_true_random=False))
def test_renaming_the_classes_permutes_the_confusion_matrix(case: Case, random: Random) -> None:
    probabilities, labels, classes = case
    order = random.sample(range(len(classes)), len(classes))
    renamed = score(probabilities[:, order], np.argsort(order)[labels], tuple(classes[i] for i in order))
    got = score(*case)
    assert (renamed.confusion == got.confusion[np.ix_(order, order)]).all()
    assert renamed.per_class == got.per_class


@given(predictions(tied=True, unknown=True))
def test_a_picture_of_a_class_without_a_column_counts_as_wrong(case: Case) -> None:
    probabilities, labels, classes = case
    got, right = score(*case), (probabilities.argmax(axis=1) == labels).sum()
    assert got.n == len(labels)
    assert got.top1 == right / len(labels)
    of_each = [(labels == i).sum() for i in range(len(classes))]
    assert [s.n for s in got.per_class.values()] == of_each
    assert got.confusion.sum(axis=1).tolist() == of_each


@pytest.mark.parametrize("label", [-1, 3])
def test_a_class_without_a_column_is_not_even_in_the_top_five(label: int) -> None:
    got = score(np.full((1, 3), 1 / 3, np.float32), np.array([label]), ("a", "b", "c", "d"))
    assert (got.top1, got.top5) == (0, 0)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_s_interval_is_that_of_scipy(counts: tuple[int, int]) -> None:
    right, n = counts
    expected = binomtest(right, n).proportion_ci(0.95, method="wilson")
    np.testing.assert_allclose(
        wilson(right, n), (expected.low, expected.high), atol=1e-12
    )  # double precision


@pytest.mark.parametrize(("right", "n"), [(-1, 5), (6, 5), (0, 0)])
def test_an_impossible_count_is_refused(right: int, n: int) -> None:
    with pytest.raises(UserError, match=f"right must lie between 0 and n > 0, got {right} of {n}"):
        wilson(right, n)


def test_nothing_to_score_is_refused() -> None:
    with pytest.raises(UserError, match="there must be a picture to score, got none"):
        score(np.empty((0, 2), np.float32), np.empty(0, np.int64), ("a", "b"))


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_probabilities_that_are_no_numbers_are_refused(number: float) -> None:
    with pytest.raises(UserError, match="probabilities must be finite numbers, got NaN or infinity"):
        score(np.array([[0.5, number]], np.float32), np.array([0]), ("a", "b"))
