"""SIFT on a grid against loops over pixels and against scikit-image's at the same place; SIFT at points."""

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage.feature import SIFT

from neocog.classical.dense_sift import DenseSift, centres, described_at
from neocog.classical.sift import Sift
from neocog.data.builtin import HERE
from neocog.errors import UserError
from reference import dense_sift as literal


def photograph(size: tuple[int, int]) -> np.ndarray:
    return np.asarray(Image.open(HERE / "whole" / "camera.jpg").convert("L").resize(size))


@pytest.mark.parametrize("width", [3.0, 4.0, 4.8])
def test_descriptors_are_the_literal_ones(width: float) -> None:
    image = photograph((27, 25)).astype(np.float32) / 255
    rows, cols = np.float32([10.0, 13.5]), np.float32([11.0, 14.0])
    found = described_at(image, rows, cols, width).reshape(2, 2, 128)
    for i, j in np.ndindex(2, 2):
        table, _ = literal.histograms(image.astype(float), (rows[i], cols[j]), width)
        np.testing.assert_allclose(found[i, j], literal.descriptor(table), atol=2e-5)


def test_descriptors_are_scikit_images_at_the_same_place_scale_and_angle() -> None:
    """Its bins are 3 sigma wide, its angles are counted the other way round, its numbers are whole, times 512."""
    image = photograph((96, 80)).astype(np.float32) / 255
    place, sigma = np.float32([[40, 47]]), 1.6
    theirs = SIFT(upsampling=1, n_octaves=1)
    theirs.positions, theirs.sigmas, theirs.orientations = place, np.float32([sigma]), np.float32([0])
    theirs.scales, theirs.octaves = np.array([0]), np.array([0])
    theirs.extract(image)
    table = theirs.descriptors.reshape(4, 4, 8)  # its k-th bin is 45 k degrees from the rows' direction
    turned = table[..., [(2 - k) % 8 for k in range(8)]].reshape(-1).astype(float)
    smooth = gaussian_filter(image, np.sqrt(sigma**2 - 0.5**2), mode="reflect")
    ours = described_at(smooth, place[:, 0] + 0.5, place[:, 1] + 0.5, 3 * sigma)[0]
    assert np.abs(np.floor(512 * ours) - turned).max() <= 2
    assert turned.max() > 60


def test_patches_lie_on_a_grid_in_the_middle() -> None:
    found = DenseSift(sides=None).extract(photograph((28, 20)))
    assert found.places.tolist() == [[10, 10], [10, 18]]
    assert found.radii.tolist() == [8, 8]
    assert centres(100, 16, 8).tolist() == [10.0 + 8 * i for i in range(11)]
    assert centres(16, 16, 8).tolist() == [8]


@pytest.mark.parametrize(("width", "variance"), [(3, 0), (8, (8 / 6) ** 2 - 0.5**2)])
def test_the_picture_is_blurred_by_a_sixth_of_a_bin_where_it_is_sharper(width: int, variance: float) -> None:
    picture = photograph((40, 36))
    image = picture.astype(np.float32) / 255
    smooth = gaussian_filter(image, np.sqrt(variance)) if variance else image
    found = DenseSift(step=4, bins=(width,), sides=None).extract(picture)
    places = [np.unique(axis) for axis in found.places.T]
    np.testing.assert_allclose(found.descriptors, described_at(smooth, *places, width), atol=1e-6)


def test_several_scales_follow_each_other() -> None:
    picture = photograph((64, 48))
    both = DenseSift(step=6, bins=(4, 7), sides=None).extract(picture)
    parts = [DenseSift(step=6, bins=(width,), sides=None).extract(picture) for width in (4, 7)]
    for name in ("descriptors", "places", "radii"):
        np.testing.assert_array_equal(getattr(both, name), np.concatenate([getattr(p, name) for p in parts]))


def test_root_sift_is_the_root_of_the_shares() -> None:
    picture = photograph((48, 48))
    plain, root = (DenseSift(root=root, sides=None).extract(picture).descriptors for root in (False, True))
    np.testing.assert_allclose(root**2, plain / plain.sum(axis=1, keepdims=True), atol=1e-6)
    np.testing.assert_allclose((root**2).sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize(("slope", "described"), [(1, False), (2, True)])
def test_a_patch_with_next_to_no_gradient_is_zeros(slope: int, described: bool) -> None:
    """A ramp of one step of 255 a pixel rises by .0039, below .005; one of two steps by .0078."""
    ramp = np.uint8(slope * np.arange(40))[None].repeat(40, 0)
    found = DenseSift(sides=None).extract(ramp).descriptors
    assert found.any() == described
    assert not DenseSift().extract(np.full((40, 40), 200, np.uint8)).descriptors.any()


def test_places_are_in_the_pixels_of_the_picture_given() -> None:
    large = DenseSift(sides=(10, 50)).extract(photograph((100, 80)))
    small = DenseSift(sides=None).extract(np.asarray(Image.fromarray(photograph((100, 80))).resize((50, 40))))
    assert large.shape == (80, 100)
    np.testing.assert_allclose(large.places, 2 * small.places)
    np.testing.assert_allclose(large.radii, 2 * small.radii)
    np.testing.assert_allclose(large.descriptors, small.descriptors, atol=1e-6)


def test_too_small_a_picture_says_what_a_patch_needs() -> None:
    with pytest.raises(UserError, match="looked at with 15 x 40 pixels is too small: a patch .* has 16 x 16"):
        DenseSift(sides=None).extract(photograph((40, 15)))


def test_sift_at_points_is_scikit_images() -> None:
    picture = photograph((160, 150))
    theirs = SIFT()
    theirs.detect_and_extract(picture.astype(np.float32) / 255)
    ours = Sift(most=10_000).extract(picture)
    assert len(ours.radii) == len(theirs.sigmas) > 50
    order = np.argsort(-theirs.sigmas, kind="stable")
    np.testing.assert_allclose(ours.places, theirs.positions[order] + 0.5, atol=1e-4)
    np.testing.assert_allclose(ours.radii, 6 * theirs.sigmas[order], rtol=1e-5)
    norms = np.linalg.norm(theirs.descriptors[order].astype(float), axis=1, keepdims=True)
    np.testing.assert_allclose(ours.descriptors, theirs.descriptors[order] / norms, atol=1e-6)
    few = Sift(most=20, root=True).extract(picture)
    np.testing.assert_array_equal(few.places, ours.places[:20])
    shares = ours.descriptors[:20] / ours.descriptors[:20].sum(axis=1, keepdims=True)
    np.testing.assert_allclose(few.descriptors**2, shares, atol=1e-6)


def test_no_point_found_is_no_error_but_too_few_pixels_are() -> None:
    assert Sift().extract(np.full((60, 60), 99, np.uint8)).descriptors.shape == (0, 128)
    with pytest.raises(UserError, match="5 x 60 pixels is too small for SIFT, which needs 6 x 6"):
        Sift(sides=None).extract(np.zeros((5, 60), np.uint8))
