import subprocess
import sys
import warnings
from math import isclose, log
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    brier_score_loss,
    confusion_matrix,
    f1_score,
    precision_recall_fscore_support,
    top_k_accuracy_score,
)
from sklearn.metrics import log_loss as sklearn_log_loss

from neocog import evaluation
from neocog.errors import UserError
from neocog.evaluation.calibration import reliability
from neocog.evaluation.intervals import middle, reflected, resamples
from neocog.evaluation.metrics import intervals_of, log_loss, score, topk
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


@given(predictions(tied=True, unknown=True))
def test_the_means_over_classes_are_those_of_scikit_learn(case: Case) -> None:
    probabilities, labels, _ = case
    got, known = score(*case), labels >= 0
    answers = probabilities.argmax(axis=1)
    if known.any():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # answers of classes that no picture shows
            assert isclose(
                got.balanced, balanced_accuracy_score(labels[known], answers[known]), abs_tol=1e-12
            )
        macro = f1_score(labels[known], answers[known], average="macro", zero_division=0)
        assert isclose(got.macro_f1, macro, abs_tol=1e-12)
        occurring = _recalls(labels[known], answers[known])
        assert isclose(got.mean_per_class, sum(occurring) / len(occurring), abs_tol=1e-12)
    else:
        assert (got.balanced, got.macro_f1) == (0, 0)


def _recalls(labels: NDArray[np.int64], answers: NDArray[np.int64]) -> list[float]:
    return [float((answers[labels == i] == i).mean()) for i in sorted(set(labels.tolist()))]


@given(predictions())
def test_the_loss_is_that_of_scikit_learn(case: Case) -> None:
    probabilities, labels, classes = case
    exact = probabilities.astype(np.float64)
    exact /= exact.sum(axis=1, keepdims=True)  # scikit-learn warns of float32's rounding
    expected = sklearn_log_loss(labels, exact, labels=range(len(classes)))
    assert isclose(score(*case).nll, expected, abs_tol=1e-6)


@pytest.mark.parametrize("label", [1, 2, -1])
def test_a_truth_of_probability_0_counts_as_one_of_1e_minus_12(label: int) -> None:
    got = log_loss(np.array([[1, 0]], np.float32), np.array([label]))
    assert isclose(got, 12 * log(10), abs_tol=1e-5)


@given(predictions(tied=True, unknown=True))
def test_the_calibration_error_is_that_of_15_bins(case: Case) -> None:
    assert score(*case).ece == reliability(*case[:2], bins=15).ece


@given(predictions())
def test_the_brier_score_is_that_of_scikit_learn(case: Case) -> None:
    probabilities, labels, _ = case
    exact = probabilities.astype(np.float64)
    exact /= exact.sum(axis=1, keepdims=True)  # scikit-learn warns of float32's rounding
    classes = np.arange(probabilities.shape[1])
    expected = brier_score_loss(
        np.eye(len(classes))[labels] if len(classes) > 2 else labels,
        exact if len(classes) > 2 else exact[:, 1],
        scale_by_half=False,
        **({} if len(classes) > 2 else {"pos_label": 1}),
    )
    assert score(*case).brier == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("label", "expected"), [(0, 0.02), (1, 1.62), (2, 1.82), (-1, 1.82)])
def test_the_brier_score_goes_from_0_to_2_and_an_unknown_class_has_probability_0(
    label: int, expected: float
) -> None:
    got = score(np.array([[0.9, 0.1]], np.float32), np.array([label]), ("a", "b", "c"))
    assert got.brier == pytest.approx(expected, abs=1e-6)


@given(predictions(tied=True))
def test_more_answers_are_never_worse_and_all_of_them_are_right(case: Case) -> None:
    probabilities, labels, classes = case
    shares = [topk(probabilities, labels, k) for k in range(1, len(classes) + 1)]
    assert shares == sorted(shares)
    assert shares[0] == score(*case).top1
    assert shares[-1] == 1
    for k, share in enumerate(shares, 1):
        first = [sorted(range(len(row)), key=lambda i: (-row[i], i))[:k] for row in probabilities.tolist()]  # noqa: B023
        assert isclose(share, np.mean([label in best for label, best in zip(labels, first, strict=True)]))


@pytest.mark.parametrize("k", [0, 4, -1])
def test_more_answers_than_classes_are_refused(k: int) -> None:
    with pytest.raises(UserError, match=f"k must lie between 1 and the number of classes, 3, got {k}"):
        topk(np.full((2, 3), 1 / 3, np.float32), np.array([0, 1]), k)


@given(predictions(tied=True, unknown=True), st.integers(2, 4))
def test_pictures_that_all_come_several_times_score_the_same(case: Case, times: int) -> None:
    probabilities, labels, classes = case
    once, more = score(*case), score(np.tile(probabilities, (times, 1)), np.tile(labels, times), classes)
    for name in ("top1", "top5", "balanced", "macro_f1", "nll", "brier", "ece"):
        assert isclose(getattr(once, name), getattr(more, name), abs_tol=1e-9)
    assert (more.confusion == times * once.confusion).all()


@given(predictions(unknown=True), st.integers(0, 5))
@settings(max_examples=15)
def test_the_intervals_are_those_of_scoring_every_draw_anew(case: Case, seed: int) -> None:
    probabilities, labels, classes = case
    got = intervals_of(probabilities, labels, seed=seed, repeats=25)
    scored = [score(probabilities[i], labels[i], classes) for i in resamples(len(labels), seed, 25)]
    names = ["top1", "top5", "balanced", "macro_f1", "nll", "brier", "ece"]
    assert list(got) == names
    for name in names:
        expected = middle(np.array([getattr(scores, name) for scores in scored]))
        if name in ("top1", "top5"):
            right = round(getattr(score(*case), name) * len(labels))
            ci = binomtest(right, len(labels)).proportion_ci(0.95, method="wilson")
            expected = (ci.low, ci.high)
        elif name == "ece":
            expected = reflected(np.array([scores.ece for scores in scored]), score(*case).ece)
        np.testing.assert_allclose(got[name], expected, atol=1e-9)


def test_the_intervals_hold_the_figures() -> None:
    rng = np.random.default_rng(6)
    probabilities = rng.dirichlet(np.full(8, 0.3), 400).astype(np.float32)
    labels = np.where(rng.random(400) < 0.5, probabilities.argmax(axis=1), rng.integers(0, 8, 400))
    got, scores = (
        intervals_of(probabilities, labels, repeats=500),
        score(probabilities, labels, tuple("abcdefgh")),
    )
    for name, (low, high) in got.items():
        assert low < getattr(scores, name) < high


def test_shares_without_a_mistake_have_an_interval() -> None:
    """Every resample of pictures that are all right is all right; Wilson's lower end is n / (n + z^2)."""
    probabilities, labels = np.eye(6, dtype=np.float32)[np.arange(30) % 6], np.arange(30) % 6
    got = intervals_of(probabilities, labels, repeats=20)
    for name in ("top1", "top5"):
        assert got[name] == pytest.approx((30 / (30 + 1.959963984540054**2), 1), abs=1e-12)


def test_nothing_to_score_is_refused() -> None:
    with pytest.raises(UserError, match="there must be a picture to score, got none"):
        score(np.empty((0, 2), np.float32), np.empty(0, np.int64), ("a", "b"))


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_probabilities_that_are_no_numbers_are_refused(number: float) -> None:
    with pytest.raises(UserError, match="probabilities must be finite numbers, got NaN or infinity"):
        score(np.array([[0.5, number]], np.float32), np.array([0]), ("a", "b"))


def test_the_statistics_are_light_to_import() -> None:
    """They load neither torch nor scipy nor scikit-learn before a figure needs one."""
    files = (Path(evaluation.__file__).parent).glob("[a-z]*.py")
    names = ", ".join(f"neocog.evaluation.{path.stem}" for path in files)
    code = f"import sys, {names}; print({{'torch', 'scipy', 'sklearn'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
