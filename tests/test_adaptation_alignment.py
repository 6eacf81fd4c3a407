"""CORAL and Daumé's augmentation beside their definitions."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.linalg import fractional_matrix_power

from neocog.adaptation.coral import Covariance
from neocog.adaptation.daume import Span, augmented
from neocog.adaptation.subspace import alignment
from neocog.adaptation.subspaces import principal

Doubles = NDArray[np.float64]
GOLDEN = Path(__file__).parent / "golden" / "skada.npz"


def correlated(seed: int, rows: int, features: int) -> Doubles:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, features)) @ rng.normal(size=(features, features)) + rng.normal(
        size=features
    )


@pytest.mark.parametrize(("rows", "features"), [(60, 8), (7, 20)])
@pytest.mark.parametrize("power", [-0.5, 0.5, 1.0])
def test_powers_of_the_covariance_are_those_of_scipy(rows: int, features: int, power: float) -> None:
    x = correlated(0, rows, features)
    matrix = fractional_matrix_power(np.cov(x, rowvar=False) + 0.7 * np.eye(features), power)
    other = correlated(1, 5, features)
    assert Covariance.of(x, 0.7).times(other, power) == pytest.approx(other @ matrix, rel=1e-6, abs=1e-6)


def test_coral_is_skadas() -> None:
    """skada 0.6.0's CORALAdapter(reg=None); it divides by n, which is the same for both domains."""
    golden = np.load(GOLDEN)
    source = golden["source"] - golden["source"].mean(axis=0)
    white = Covariance.of(golden["source"], 1e-12).times(source, -0.5)
    assert Covariance.of(golden["target"], 1e-12).times(white, 0.5) == pytest.approx(
        golden["coral"], abs=1e-6
    )


def test_subspace_alignment_is_skadas() -> None:
    """skada 0.6.0's SubspaceAlignmentAdapter(3); the signs of directions are free."""
    golden = np.load(GOLDEN)
    bases = principal(golden["source"], 3), principal(golden["target"], 3)
    for domain, basis in (("source", alignment(*bases)), ("target", bases[1])):
        rows = (golden[domain] - golden[domain].mean(axis=0)) @ basis
        assert np.abs(rows) == pytest.approx(np.abs(golden[f"aligned_{domain}"]), abs=1e-8)


def test_the_aligned_source_has_the_targets_covariance() -> None:
    source, target = correlated(0, 80, 6), correlated(1, 90, 6)
    aligned = Covariance.of(target, 1e-12).times(Covariance.of(source, 1e-12).times(source, -0.5), 0.5)
    assert np.cov(aligned, rowvar=False) == pytest.approx(np.cov(target, rowvar=False), rel=1e-6, abs=1e-6)


@given(st.integers(0, 999), st.integers(1, 6), st.integers(1, 6), st.integers(1, 5))
@settings(max_examples=30)
def test_augmented_rows_have_the_products_of_daumes_kernel(seed: int, n: int, m: int, d: int) -> None:
    """2 <x, x'> within a domain, <x, x'> across."""
    rng = np.random.default_rng(seed)
    source, target = rng.normal(size=(n, d)), rng.normal(size=(m, d))
    one, other = augmented(source, False), augmented(target, True)
    assert one @ one.T == pytest.approx(2 * source @ source.T)
    assert other @ other.T == pytest.approx(2 * target @ target.T)
    assert one @ other.T == pytest.approx(source @ target.T)


def test_the_span_has_the_products_of_the_augmented_rows_and_fewer_numbers() -> None:
    rng = np.random.default_rng(0)
    source, target, unseen = (rng.normal(size=(n, 50)) for n in (9, 4, 6))
    span = Span(source, target)
    rows = np.vstack([span.coordinates(source, False), span.coordinates(target, True)])
    assert rows.shape[1] <= 13
    nothing = [np.zeros_like(x) for x in (source, target, unseen)]
    literal = np.vstack([np.hstack([source, source, nothing[0]]), np.hstack([target, nothing[1], target])])
    assert rows @ rows.T == pytest.approx(literal @ literal.T)
    later = np.hstack([unseen, nothing[2], unseen])
    assert span.coordinates(unseen, True) @ rows.T == pytest.approx(later @ literal.T)


def test_rows_that_repeat_add_no_direction() -> None:
    x = np.random.default_rng(0).normal(size=(3, 40))
    span = Span(np.vstack([x, x]), x[:2])
    assert span.coordinates(x, False).shape[1] == 5
