"""The minimiser on functions whose least value is known in closed form."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize

from neocog.probing.lbfgs import minimise

Doubles = NDArray[np.float64]


@given(st.integers(1, 12), st.floats(0, 3), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_a_quadratic_is_solved_as_by_linear_algebra(dim: int, power: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.normal(size=(dim, dim)))[0]
    hessian = axes * np.logspace(0, power, dim) @ axes.T
    least = rng.normal(size=dim)

    def quadratic(x: Doubles) -> tuple[float, Doubles]:
        return float((x - least) @ hessian @ (x - least) / 2 + 1), hessian @ (x - least)

    found = minimise(quadratic, np.zeros(dim), 1e-9)
    assert quadratic(found)[0] - 1 <= 1e-6


def test_a_start_at_the_minimum_is_left_as_it_is() -> None:
    def parabola(x: Doubles) -> tuple[float, Doubles]:
        return float(1 + x @ x), 2 * x

    assert (minimise(parabola, np.zeros(3), 1e-9) == 0).all()


def test_steps_that_are_too_long_are_shortened() -> None:
    """Far out the slope of log cosh is 1 and says nothing of how near the minimum is."""

    def steep(x: Doubles) -> tuple[float, Doubles]:
        return float(np.logaddexp(50 * x, -50 * x).sum() + 1), 50 * np.tanh(50 * x)

    found = minimise(steep, np.array([0.3, -0.2]), 1e-9)
    assert np.abs(found).max() <= 1e-4


@pytest.mark.parametrize("seed", range(3))
def test_scipy_finds_no_lower_value(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, shifts = rng.normal(size=(40, 6)), rng.normal(size=40)

    def soft_maximum(x: Doubles) -> tuple[float, Doubles]:
        z = rows @ x + shifts
        powers = np.exp(z - z.max())
        value = np.log(powers.sum()) + z.max() + 0.05 * x @ x
        return float(value), rows.T @ powers / powers.sum() + 0.1 * x

    expected = minimize(soft_maximum, np.zeros(6), jac=True, options={"gtol": 1e-10}).fun
    found, _ = soft_maximum(minimise(soft_maximum, np.zeros(6), 1e-8))
    assert expected <= found + 1e-9
    assert found == pytest.approx(expected, rel=1e-6)
