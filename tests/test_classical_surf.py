"""SURF against loops over pixels, and its laws: shifts, quarter turns, brightness, size."""

from math import erf, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.optimize import minimize_scalar

from neocog.classical.fast_hessian import Blobs, determinants, fast_hessian, sizes_of
from neocog.classical.integral import integral, sums_around
from neocog.classical.surf import Surf, describe, orientations
from neocog.classical.transformer import Local
from neocog.data.builtin import HERE
from reference import surf as literal

ALL = 100_000


def photograph(name: str, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(Image.open(HERE / "whole" / f"{name}.jpg").convert("L").resize(size))


def blob(extent: int, place: tuple[float, float], sigma: float) -> np.ndarray:
    """A bright Gaussian spot; place as rows and columns of a picture whose first pixel's centre is (.5, .5)."""
    rows, cols = np.mgrid[:extent, :extent] + 0.5
    return 0.2 + 0.7 * np.exp(-((rows - place[0]) ** 2 + (cols - place[1]) ** 2) / (2 * sigma**2))


@given(st.integers(1, 12), st.integers(1, 12), st.data())
def test_a_sum_over_a_box_takes_four_numbers(height: int, width: int, data: st.DataObject) -> None:
    image = np.random.default_rng(height * 13 + width).random((height, width))
    top, left = data.draw(st.integers(0, height)), data.draw(st.integers(0, width))
    bottom, right = data.draw(st.integers(top, height)), data.draw(st.integers(left, width))
    found = sums_around(integral(image), range(1), range(1), (top, left, bottom, right))
    assert found == pytest.approx(image[top:bottom, left:right].sum(), abs=1e-9)


def test_the_sizes_of_filters_are_the_papers() -> None:
    """Section 3.3."""
    assert [sizes_of(octave) for octave in (1, 2, 3)] == [[9, 15, 21, 27], [15, 27, 39, 51], [27, 51, 75, 99]]


@pytest.mark.parametrize(("size", "step"), [(9, 1), (15, 2), (21, 1), (27, 4)])
def test_determinants_are_the_literal_ones_where_the_filter_fits(size: int, step: int) -> None:
    image = photograph("camera", (41, 36)).astype(float) / 255
    found = determinants(integral(image), size, step)
    assert found.shape == (-(-36 // step), -(-41 // step))
    for i, j in np.ndindex(*found.shape):
        r, c = i * step, j * step
        fits = min(r, c) >= size // 2 and r + size // 2 < 36 and c + size // 2 < 41
        assert np.isfinite(found[i, j]) == fits
        if fits and (i + j) % 5 == 0:
            assert found[i, j] == pytest.approx(literal.determinant(image, r, c, size), abs=1e-9)


def test_angles_and_descriptors_are_the_literal_ones() -> None:
    image = photograph("camera", (110, 100)).astype(float) / 255
    blobs = fast_hessian(image, 1e-3, 2, 6)
    table = integral(image)
    angles = orientations(table, blobs)
    turned, upright = describe(table, blobs, angles), describe(table, blobs, 0 * angles)
    assert len(angles) == 6
    for k in range(6):
        place, scale = tuple(blobs.places[k]), blobs.scales[k]
        assert angles[k] == pytest.approx(literal.orientation(image, place, scale), abs=1e-9)
        np.testing.assert_allclose(turned[k], literal.descriptor(image, place, scale, angles[k]), atol=1e-6)
        np.testing.assert_allclose(upright[k], literal.descriptor(image, place, scale, 0.0), atol=1e-6)


def best_scale(sigma: float) -> float:
    """Where a spot's determinant is largest over sizes of filter, from the error function in place of pixels.

    In the middle Dxy is 0 and Dxx is Dyy. The boxes are wider than the Gaussian they are named after: .7 sigma.
    """

    def under(width: float) -> float:
        return erf(width / 2 / sqrt(2) / sigma)

    def minus_root(size: float) -> float:
        across, along = under(2 * size / 3 - 1), under(size) - 3 * under(size / 3)
        return across * along / size**2

    return 1.2 / 9 * minimize_scalar(minus_root, bounds=(6, 30 * sigma), method="bounded").x


@settings(max_examples=8)
@given(st.floats(2.8, 6), st.floats(58, 64), st.floats(58, 64))
def test_a_spot_is_found_once_at_its_place_and_size(sigma: float, row: float, col: float) -> None:
    found = fast_hessian(blob(121, (row, col), sigma).astype(np.float32), 1e-2, 3, ALL)
    near = np.abs(found.scales / found.scales[0] - 1) < 0.6
    assert np.abs(found.places[0] - (row, col)).max() < 0.35 * max(sigma / 3, 1)
    assert found.scales[0] == pytest.approx(best_scale(sigma), rel=0.12)
    assert near.sum() <= 2  # at the border of two octaves both may find it


@pytest.mark.parametrize("place", [(60, 60), (60.5, 60), (60.5, 60.5)])
def test_a_spot_between_pixels_is_not_lost_to_ties(place: tuple[float, float]) -> None:
    found = fast_hessian(blob(121, place, 2.4).astype(np.float32), 1e-2, 1, ALL)
    assert len(found.scales) == 1
    np.testing.assert_allclose(found.places[0], place, atol=0.1)


def test_a_quarter_turn_of_the_picture_turns_what_is_found_and_leaves_its_description() -> None:
    """On 201 pixels a side the grids of all three octaves turn into themselves."""
    picture = photograph("coffee", (201, 201))
    plain, turned = (Surf(sides=None, most=ALL).extract(p) for p in (picture, np.rot90(picture)))
    there = np.column_stack([turned.places[:, 1], 201 - turned.places[:, 0]])
    assert_same(plain, Local(turned.descriptors, there.astype(np.float32), turned.radii, plain.shape))
    upright = Surf(sides=None, most=ALL, upright=True).extract(picture)
    assert np.abs(upright.descriptors - plain.descriptors).max() > 0.1


def assert_same(one: Local, other: Local) -> None:
    """Equal points with equal descriptions, in whatever order."""
    assert len(one.radii) == len(other.radii) > 50
    apart = np.abs(one.places[:, None] - other.places).max(axis=2) + np.abs(one.radii[:, None] - other.radii)
    partner = apart.argmin(axis=1)
    assert apart.min(axis=1).max() < 1e-2
    assert len(set(partner)) == len(partner)
    np.testing.assert_allclose(one.descriptors, other.descriptors[partner], atol=1e-4)


def test_a_shift_shifts_what_is_found() -> None:
    """By a multiple of the coarsest step; what lies near a rim sees another surrounding."""
    picture = photograph("camera", (260, 260))
    one, other = (
        Surf(sides=None, most=ALL).extract(p) for p in (picture[:240, :240], picture[8:248, 12:252])
    )
    moved = other.places + np.float32((8, 12))
    assert_same(*(inner(f, p) for f, p in ((one, one.places), (other, moved))))


def inner(found: Local, places: np.ndarray) -> Local:
    reach = 1.6 * found.radii[:, None] + 14
    kept = ((places > reach + 12) & (places < 240 - reach)).all(axis=1)
    return Local(found.descriptors[kept], places[kept], found.radii[kept], found.shape)


def test_brightness_and_contrast_do_not_matter() -> None:
    image = photograph("camera", (160, 160)).astype(np.float32) / 255
    one, other = fast_hessian(image, 1e-3, 3, ALL), fast_hessian(0.25 * image + 0.3, 1e-3 / 16, 3, ALL)
    assert len(one.scales) > 50
    np.testing.assert_allclose(one.places, other.places, atol=1e-3)
    np.testing.assert_allclose(one.strengths, 16 * other.strengths, rtol=1e-3)
    angles = orientations(integral(image), one)
    descriptions = (
        describe(integral(image), one, angles),
        describe(integral(0.25 * image + 0.3), one, angles),
    )
    np.testing.assert_allclose(*descriptions, atol=1e-4)


def test_most_of_what_is_found_is_found_again_at_twice_the_size() -> None:
    small = photograph("camera", (150, 150))
    large = np.asarray(Image.fromarray(small).resize((300, 300), Image.Resampling.BICUBIC))
    one, other = (Surf(sides=None, most=ALL, threshold=3e-4).extract(p) for p in (small, large))
    apart = np.abs(2 * one.places[:, None] - other.places).max(axis=2) / one.radii[:, None]
    ratio = other.radii / (2 * one.radii[:, None])
    again = ((apart < 0.2) & (np.abs(np.log2(ratio)) < 0.35)).any(axis=1)
    assert len(again) > 50
    assert again.mean() > 0.7


def test_places_are_in_the_pixels_of_the_picture_given() -> None:
    large = np.uint8(255 * blob(600, (200, 400), 12))
    found = Surf(sides=(100, 300)).extract(large)
    np.testing.assert_allclose(found.places[0], (200, 400), atol=2)
    assert found.radii[0] == pytest.approx(10 * best_scale(12), rel=0.08)


def test_only_the_strongest_are_kept_and_nothing_is_found_in_nothing() -> None:
    picture = photograph("camera", (150, 150))
    everything, few = Surf(most=ALL).extract(picture), Surf(most=10).extract(picture)
    np.testing.assert_array_equal(few.descriptors, everything.descriptors[:10])
    empty = Surf().extract(np.full((50, 60, 3), 77, np.uint8))
    assert empty.descriptors.shape == (0, 64)
    assert empty.places.shape == (0, 2)
    assert Surf(sides=None).extract(np.zeros((3, 2), np.uint8)).descriptors.shape == (0, 64)


def test_an_area_outside_of_the_picture_is_described_by_zeros() -> None:
    image = photograph("camera", (60, 60)).astype(np.float32) / 255
    far = Blobs(np.array([[-90.0, -90.0]]), np.array([2.0]), np.array([1.0]))
    assert not describe(integral(image), far, orientations(integral(image), far)).any()
