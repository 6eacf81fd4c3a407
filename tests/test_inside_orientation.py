"""What kernels prefer, on kernels of which that is known: waves of any angle, noise, grey and coloured ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from neocog.inside.kernels.orientation import tuning


def gabor(
    degrees: float, period: float, colour: tuple[float, float, float] = (1, 1, 1), side: int = 11
) -> np.ndarray:
    """(3, side, side) whose edges run at `degrees` from the horizontal, counter-clockwise as one looks at it."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    along = np.radians(degrees)
    across = x * np.sin(along) + y * np.cos(along)  # y counts downwards
    envelope = np.exp(-(x**2 + y**2) / (2 * (side / 5) ** 2))
    return np.asarray(colour)[:, None, None] * envelope * np.sin(2 * np.pi * across / period)


@given(degrees=st.floats(0, 179.9), period=st.floats(4, 7))
def test_the_direction_is_that_of_the_edges(degrees: float, period: float) -> None:
    found = tuning(gabor(degrees, period)[None])
    off = abs(found.direction[0] - degrees) % 180
    assert min(off, 180 - off) < 3
    assert found.oriented[0]


def test_a_horizontal_edge_lies_at_0_and_a_vertical_one_at_90() -> None:
    horizontal = np.ones((1, 1, 8, 8))
    horizontal[:, :, :4] = -1
    vertical = horizontal.transpose(0, 1, 3, 2)
    assert tuning(horizontal).direction[0] == pytest.approx(0, abs=1e-6)
    assert tuning(vertical).direction[0] == pytest.approx(90, abs=1e-6)


def test_noise_and_round_spots_have_no_direction() -> None:
    noise = np.random.default_rng(0).normal(size=(200, 3, 11, 11))
    found = tuning(noise)
    assert found.oriented.mean() == 0 and found.coloured.mean() == 0
    # the disc of radius 0.35 is pi 0.35^2 of the square of all frequencies, and noise has the same power everywhere
    assert found.fine.mean() == pytest.approx(1 - np.pi * 0.35**2, abs=0.02)
    # of three independent channels one degree of freedom in three is grey
    assert found.colour.mean() == pytest.approx(2 / 3, abs=0.02)
    y, x = np.mgrid[:11, :11] - 5
    spot = np.exp(-(x**2 + y**2) / 8)[None, None].repeat(3, 1)
    assert tuning(spot).selectivity[0] < 0.01


def test_an_edge_has_a_direction_and_smoothed_noise_seldom_one() -> None:
    """The figures beside `ORIENTED`."""
    y, x = np.mgrid[:11, :11] - 5
    angles = np.radians(np.arange(0, 180, 5))[:, None, None]
    edges = tuning(np.sign(x * np.sin(angles) + y * np.cos(angles))[:, None])
    assert edges.selectivity.min() > 0.52 and edges.selectivity.max() < 0.58
    noise = gaussian_filter(np.random.default_rng(0).normal(size=(1000, 3, 11, 11)), (0, 0, 1.5, 1.5))
    assert np.quantile(tuning(noise).selectivity, 0.99) < 0.35


def test_colour_is_what_differs_between_channels() -> None:
    kernels = np.stack([gabor(30, 5), gabor(30, 5, (1, -1, 0)), gabor(30, 5, (1, 0, 0))])
    found = tuning(kernels)
    # of (1, 0, 0) the grey part is (1/3, 1/3, 1/3), with a third of the squares
    np.testing.assert_allclose(found.colour, [0, 1, 2 / 3], atol=1e-12)
    assert found.coloured.tolist() == [False, True, True]


@given(factor=st.floats(0.01, 100), offset=st.floats(-10, 10))
def test_scale_and_offset_do_not_matter_to_the_direction(factor: float, offset: float) -> None:
    kernel = gabor(70, 5)[None]
    one, other = tuning(kernel), tuning(kernel * factor + offset)
    np.testing.assert_allclose(other.selectivity, one.selectivity, rtol=1e-6)
    np.testing.assert_allclose(other.direction, one.direction, rtol=1e-6)


def test_a_kernel_of_zeros_has_nothing() -> None:
    found = tuning(np.zeros((1, 3, 5, 5)))
    assert found.selectivity[0] == found.fine[0] == found.colour[0] == 0


def test_a_small_kernel_has_no_room_to_be_told_from_noise() -> None:
    """Of 3x3 weights even a plain edge lies half in fine patterns."""
    edge = np.array([[1.0, 0, -1]] * 3)
    kernel = np.stack([edge, -edge, 0 * edge])[None]
    found = tuning(kernel)
    assert found.fine[0] > 0.2 and found.coloured[0] and found.oriented[0]
    large = np.random.default_rng(0).standard_normal((50, 3, 11, 11))
    assert tuning(large).noise.mean() > 0.95
