"""Bins, Brier score and temperature against loops over single pictures, scipy's minimiser and known distortions."""

from collections.abc import Callable
from math import exp, inf, log, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from neocog.errors import UserError
from neocog.evaluation.calibration import (
    COLDEST,
    HOTTEST,
    Reliability,
    fit_temperature,
    reliability,
    stored_temperature,
    tempered,
    unbounded,
)
from neocog.evaluation.metrics import log_loss

Case = tuple[NDArray[np.float32], NDArray[np.int64]]


@st.composite
def predictions(draw: st.DrawFn, unknown: bool = False) -> Case:
    """Probabilities (n, k), some on the bins' edges, and labels; `unknown` adds labels that have no column."""
    n, classes = draw(st.integers(1, 40)), draw(st.integers(2, 7))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    levels = (
        rng.integers(1, 5, (n, classes)) if draw(st.booleans()) else rng.gamma(0.5, size=(n, classes)) + 1e-4
    )
    probabilities = (levels / levels.sum(axis=1, keepdims=True)).astype(np.float32)
    return probabilities, rng.integers(-1 if unknown else 0, classes + 2 * unknown, n)


def drawn(n: int, classes: int, sharpness: float, seed: int) -> Case:
    """Labels drawn from probabilities p; what is returned beside them is p ** sharpness, made to sum to 1."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (n, classes))
    true = np.exp(log_softmax(logits, axis=1))
    labels = (true.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    return np.exp(log_softmax(sharpness * logits, axis=1)).astype(np.float32), labels


def by_hand(case: Case, bins: int) -> list[list[tuple[float, bool]]]:
    """(probability of the answer, right) of the pictures in each bin ]i / bins, (i + 1) / bins]."""
    found: list[list[tuple[float, bool]]] = [[] for _ in range(bins)]
    for row, label in zip(case[0].tolist(), case[1].tolist(), strict=True):
        sure = max(row)
        inside = [i for i in range(bins) if i / bins < sure <= (i + 1) / bins]
        found[inside[0]].append((sure, row.index(sure) == label))
    return found


@given(predictions(unknown=True), st.integers(1, 20))
def test_the_bins_are_those_of_a_loop_over_the_pictures(case: Case, bins: int) -> None:
    got, expected = reliability(*case, bins=bins), by_hand(case, bins)
    assert got.counts.tolist() == [len(bin_) for bin_ in expected]
    gaps = []
    for sure, right, bin_ in zip(got.confidence, got.accuracy, expected, strict=True):
        assert np.isnan(sure) == np.isnan(right) == (not bin_)
        if bin_:
            assert sure == pytest.approx(sum(s for s, _ in bin_) / len(bin_), abs=1e-12)
            assert right == pytest.approx(sum(r for _, r in bin_) / len(bin_), abs=1e-12)
            gaps.append((abs(sum(r - s for s, r in bin_)), len(bin_)))
    assert got.ece == pytest.approx(sum(gap for gap, _ in gaps) / len(case[1]), abs=1e-12)
    assert got.mce == pytest.approx(max(gap / n for gap, n in gaps), abs=1e-12)


def test_a_probability_on_an_edge_belongs_to_the_lower_bin() -> None:
    rows = np.array([[0.5, 0.5], [0.75, 0.25], [1, 0]], np.float32)
    assert reliability(rows, np.zeros(3, np.int64), bins=4).counts.tolist() == [0, 1, 1, 1]


@pytest.mark.parametrize(("bins", "expected"), [(15, 0.05), (1, 0.05)])
def test_a_classifier_that_is_sure_at_95_and_right_at_90_percent_errs_by_5(
    bins: int, expected: float
) -> None:
    rows = np.tile(np.array([[0.95, 0.05]], np.float32), (20, 1))
    got = reliability(rows, np.array([1, 1] + [0] * 18), bins=bins)
    assert (got.ece, got.mce) == pytest.approx((expected, expected), abs=1e-6)


def test_bins_of_equal_mass_hold_the_same_number_of_pictures() -> None:
    case = drawn(1500, 6, 1.5, seed=2)
    got = reliability(*case, equal_mass=True)
    assert got.counts.tolist() == [100] * 15
    order = np.argsort(case[0].max(axis=1), kind="stable").reshape(15, 100)
    right = (case[0].argmax(axis=1) == case[1])[order].mean(axis=1)
    np.testing.assert_allclose(got.accuracy, right, atol=1e-12)
    sure = case[0].max(axis=1).astype(np.float64)[order].mean(axis=1)
    assert got.ece == pytest.approx(np.abs(right - sure).mean(), abs=1e-12)


def test_bins_of_equal_mass_keep_equal_probabilities_together() -> None:
    rows = np.tile(np.array([[0.7, 0.3]], np.float32), (9, 1))
    assert sorted(reliability(rows, np.zeros(9, np.int64), bins=3, equal_mass=True).counts) == [0, 0, 9]


def test_calibrated_answers_err_little_and_sharpened_ones_much() -> None:
    assert reliability(*drawn(20_000, 5, 1, seed=1)).ece < 0.015
    assert reliability(*drawn(20_000, 5, 3, seed=1)).ece > 0.1


def test_the_json_has_null_where_a_bin_is_empty() -> None:
    got = reliability(np.array([[0.9, 0.1]], np.float32), np.array([0]), bins=2).to_json()
    assert got == {
        "edges": [0, 0.5, 1],
        "counts": [0, 1],
        "confidence": [None, pytest.approx(0.9)],
        "accuracy": [None, 1],
    }


def test_errors_weigh_as_many_pictures_as_a_bin_has() -> None:
    bins = Reliability(
        np.linspace(0, 1, 4), np.array([1, 0, 3]), np.array([0.2, nan, 0.9]), np.array([0.0, nan, 0.8])
    )
    assert (bins.ece, bins.mce) == pytest.approx(((0.2 + 3 * 0.1) / 4, 0.2))


@pytest.mark.parametrize(("classes", "sharpness"), [(3, 0.5), (10, 1.0), (5, 2.5), (100, 4.0)])
def test_the_temperature_undoes_a_sharpening(classes: int, sharpness: float) -> None:
    case = drawn(20_000, classes, sharpness, seed=5)
    temperature = fit_temperature(*case)
    assert temperature == pytest.approx(sharpness, rel=0.03)  # 20,000 labels
    assert unbounded(temperature) is None
    assert reliability(tempered(case[0], temperature), case[1]).ece < 0.02


@given(st.integers(0, 2**32), st.integers(2, 6), st.floats(0.3, 4))
@settings(max_examples=25)
def test_the_temperature_is_the_minimum_that_scipy_finds(seed: int, classes: int, sharpness: float) -> None:
    probabilities, labels = drawn(60, classes, sharpness, seed)
    logs = np.log(probabilities.astype(np.float64))

    def nll(temperature: float) -> float:
        return float(-log_softmax(logs / temperature, axis=1)[np.arange(60), labels].mean())

    found = minimize_scalar(nll, bounds=(COLDEST, HOTTEST), method="bounded", options={"xatol": 1e-10})
    assert nll(fit_temperature(probabilities, labels)) <= found.fun + 1e-9


@given(predictions(), st.floats(COLDEST, HOTTEST))
def test_no_temperature_changes_the_answers(case: Case, temperature: float) -> None:
    probabilities, _ = case
    got = tempered(probabilities, temperature)
    assert got.dtype == np.float32
    assert (got.argmax(axis=1) == probabilities.argmax(axis=1)).all()
    logs = np.log(probabilities.astype(np.float64))
    np.testing.assert_allclose(got, np.exp(log_softmax(logs / temperature, axis=1)), atol=3e-7)  # float32


def test_neighbours_in_float32_keep_their_order() -> None:
    row = np.array([[0.25, np.nextafter(np.float32(0.25), np.float32(1)), 0.25, 0.25]], np.float32)
    for temperature in (1.5, 7.0, HOTTEST):
        assert tempered(row, temperature).argmax() == 1


@given(predictions())
def test_a_temperature_of_one_changes_nothing(case: Case) -> None:
    np.testing.assert_allclose(tempered(case[0], 1.0), case[0], atol=2e-7)  # float32's rounding


def test_a_probability_of_zero_is_a_small_one() -> None:
    got = tempered(np.array([[1, 0]], np.float32), 4.0)
    small = exp(log(1.1754943508222875e-38) / 4)
    assert got[0, 1] == pytest.approx(small / (1 + small), rel=1e-5)


def test_nothing_tempered_is_nothing() -> None:
    assert tempered(np.empty((0, 3), np.float32), 2.0).shape == (0, 3)


def test_where_every_picture_is_right_the_coldest_is_returned_and_said() -> None:
    rows = np.array([[0.6, 0.4], [0.3, 0.7]], np.float32)
    temperature = fit_temperature(rows, np.array([0, 1]))
    assert temperature == COLDEST
    assert "as where every picture is right" in str(unbounded(temperature))


def test_where_every_picture_is_wrong_the_hottest_is_returned_and_said() -> None:
    rows = np.array([[0.6, 0.4], [0.3, 0.7]], np.float32)
    temperature = fit_temperature(rows, np.array([1, 0]))
    assert temperature == HOTTEST
    assert "as where answers are guesses" in str(unbounded(temperature))


@pytest.mark.parametrize("n", [20, 50, 100])
def test_pictures_without_a_mistake_do_not_spoil_a_calibrated_model(n: int) -> None:
    """A model that says 99 % and is right in 99 %: the coldest temperature would make its few mistakes certainties."""
    few = np.tile(np.array([[0.99, 0.01]], np.float32), (n, 1)), np.zeros(n, np.int64)
    temperature, note = stored_temperature(*few)
    assert (temperature, "every picture is right" in note) == (1, True)
    new = np.tile(np.array([[0.99, 0.01]], np.float32), (1000, 1)), (np.arange(1000) < 10).astype(np.int64)
    entropy = -(0.99 * log(0.99) + 0.01 * log(0.01))
    assert log_loss(tempered(new[0], temperature), new[1]) == pytest.approx(entropy, abs=1e-6)


def test_answers_that_are_guesses_leave_the_model_as_it_is() -> None:
    rows = np.array([[0.6, 0.4], [0.3, 0.7]], np.float32)
    temperature, note = stored_temperature(rows, np.array([1, 0]))
    assert (temperature, "answers are guesses" in note) == (1, True)


def test_a_fitted_temperature_is_stored_without_a_word() -> None:
    temperature, note = stored_temperature(*drawn(20_000, 5, 2.5, seed=5))
    assert (temperature, note) == (pytest.approx(2.5, rel=0.03), "")  # 20,000 labels


def test_equal_probabilities_have_no_temperature() -> None:
    assert fit_temperature(np.full((4, 3), 1 / 3, np.float32), np.array([0, 1, 2, 0])) == 1


def test_pictures_of_unknown_classes_do_not_move_the_temperature() -> None:
    probabilities, labels = drawn(500, 4, 2, seed=7)
    more = np.concatenate([probabilities, probabilities[:50]]), np.concatenate([labels, [4] * 25, [-1] * 25])
    assert fit_temperature(*more) == fit_temperature(probabilities, labels)
    with pytest.raises(
        UserError, match="a temperature needs pictures of classes that the model knows, got none"
    ):
        fit_temperature(probabilities, np.full(500, 4))


@pytest.mark.parametrize("temperature", [0.0, -1.0, nan, inf])
def test_a_temperature_that_is_none_is_refused(temperature: float) -> None:
    with pytest.raises(UserError, match="temperature must be a positive number"):
        tempered(np.array([[0.5, 0.5]], np.float32), temperature)


@pytest.mark.parametrize("figure", [reliability, stored_temperature])
@pytest.mark.parametrize(
    ("rows", "labels", "said"),
    [
        ([[0.5, nan]], [0], "probabilities must be finite numbers, got NaN or infinity"),
        ([[0.5, inf]], [0], "probabilities must be finite numbers, got NaN or infinity"),
        ([[3.0, -2.0]], [0], "must not be negative and must sum to 1, got -2 as smallest and 1 as sum"),
        ([[0.5, 0.5], [2.0, 1.0]], [0, 0], "got 1 as smallest and 3 as sum for picture 2: take the softmax"),
        (np.empty((0, 2)), [], "there must be a picture to score, got none"),
        ([[0.5, 0.5]], [0, 1], r"a label for each picture, got \(1, 2\) and \(2,\)"),
    ],
)
def test_what_are_no_probabilities_is_refused(
    figure: Callable[..., object], rows: object, labels: object, said: str
) -> None:
    with pytest.raises(UserError, match=said):
        figure(np.array(rows, np.float32), np.array(labels, np.int64))


def test_no_bins_are_refused() -> None:
    with pytest.raises(UserError, match="bins must be at least 1, got 0"):
        reliability(np.array([[0.5, 0.5]], np.float32), np.array([0]), bins=0)


def test_a_temperature_lowers_the_loss_that_it_is_fitted_to() -> None:
    case = drawn(300, 8, 3, seed=11)
    assert log_loss(tempered(case[0], fit_temperature(*case)), case[1]) < log_loss(*case)
