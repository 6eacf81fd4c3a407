"""Pictures are checked and brought to a size; tiny images, HOG and LBP against what can be counted by hand."""

import re
from math import cos, floor, pi, sin

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from skimage.feature import hog

from neocog.classical.hog import Hog
from neocog.classical.lbp import LocalBinaryPatterns
from neocog.classical.pictures import Picture, grey, within
from neocog.classical.tiny import TinyImages
from neocog.errors import UserError


def noise(height: int, width: int, channels: int | None = None, seed: int = 0) -> Picture:
    shape = (height, width) if channels is None else (height, width, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def test_grey_is_pillows_luma_up_to_its_rounding() -> None:
    picture = noise(9, 14, 3)
    theirs = np.asarray(Image.fromarray(picture).convert("L"), float)
    assert np.abs(grey(picture) * 255 - theirs).max() <= 0.51
    assert (grey(picture[..., 0]) * 255 == picture[..., 0]).all()


@given(st.integers(1, 90), st.integers(1, 90))
def test_the_longer_side_ends_within_its_range(height: int, width: int) -> None:
    small = within(np.zeros((height, width, 3), np.uint8), (20, 40))
    longer = max(height, width)
    assert max(small.shape[:2]) == min(max(longer, 20), 40)
    factor = max(small.shape[:2]) / longer
    assert abs(small.shape[0] - max(height * factor, 1)) <= 0.5
    assert abs(small.shape[1] - max(width * factor, 1)) <= 0.5


@pytest.mark.parametrize(
    ("wrong", "given_as"),
    [
        (np.zeros((4, 4)), "float64 (4, 4)"),
        (np.zeros((4, 4, 4), np.uint8), "uint8 (4, 4, 4)"),
        (np.zeros((0, 4), np.uint8), "uint8 (0, 4)"),
        (np.zeros(16, np.uint8), "uint8 (16,)"),
        ("cat.jpg", "str"),
    ],
)
def test_what_is_no_picture_is_named_with_its_place(wrong: object, given_as: str) -> None:
    message = (
        f"picture 1: a picture must be a uint8 array (height, width) or (height, width, 3), got {given_as}"
    )
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        TinyImages().fit_transform([noise(4, 4), wrong])


def test_no_pictures_at_all() -> None:
    with pytest.raises(UserError, match="at least one picture, got none"):
        TinyImages().fit_transform([])


def test_a_tiny_image_is_pillows_small_one_with_mean_0_and_norm_1() -> None:
    picture = noise(70, 90, 3)
    small = np.asarray(Image.fromarray(picture).resize((32, 32), Image.Resampling.BICUBIC), float)
    wanted = (small - small.mean()) / (small.std() * small.size**0.5)
    found = TinyImages().transform([picture, picture[..., 0], np.full((5, 8), 7, np.uint8)])
    assert found.shape == (3, 32 * 32 * 3)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0].reshape(32, 32, 3), wanted, atol=1e-6)
    assert (found[1].reshape(-1, 3) == found[1].reshape(-1, 3)[:, :1]).all()
    assert not found[2].any()


def test_hog_of_upright_edges_has_one_orientation() -> None:
    """Bars of brightness 0 and 64, whose roots are 0 and 8: gradients of 8 across, in the first of 9 orientations."""
    bars = np.repeat(np.tile(np.uint8([0, 64]), 8), 4)[None].repeat(64, 0)
    found = Hog(size=64).transform([bars, np.stack([bars, 0 * bars, bars // 9], axis=2)])
    blocks = found.reshape(2, 7, 7, 2, 2, 9)
    assert found.shape[1] == (64 // 8 - 2 + 1) ** 2 * 2**2 * 9
    assert (blocks[..., 1:] == 0).all()
    np.testing.assert_allclose(blocks[0, 3, 3, ..., 0], 0.5, atol=1e-3)
    np.testing.assert_array_equal(blocks[0], blocks[1])  # the strongest colour counts alone
    np.testing.assert_allclose((blocks**2).sum(axis=(3, 4, 5)), 1, atol=1e-3)


def test_hog_is_that_of_the_roots() -> None:
    """The hog of squares is the plain one of what was squared."""
    roots = noise(64, 64) % 16
    found = Hog(size=64).transform([roots**2])
    plain = hog(roots.astype(np.float32), 9, (8, 8), (2, 2), "L2-Hys")
    np.testing.assert_allclose(found[0], plain, atol=1e-5)


def test_hog_that_cannot_hold_a_block() -> None:
    with pytest.raises(UserError, match=r"size must hold a block of 16 pixels \(cell x block\), got 8"):
        Hog(size=8).transform([noise(20, 20)])


def between(picture: Picture, r: float, c: float) -> float:
    """Bilinear."""
    top, left = floor(r), floor(c)
    down, over = r - top, c - left
    rows = [(top, 1 - down)] + ([(top + 1, down)] if down else [])
    cols = [(left, 1 - over)] + ([(left + 1, over)] if over else [])
    return sum(float(picture[i, j]) * a * b for i, a in rows for j, b in cols)


def circle(picture: Picture, r: int, c: int, radius: int) -> list[bool]:
    turns = [2 * pi * p / 8 for p in range(8)]
    places = [(round(r - radius * sin(t), 5), round(c + radius * cos(t), 5)) for t in turns]
    return [between(picture, *place) >= float(picture[r, c]) for place in places]


def turning_code(bits: list[bool]) -> int:
    """The paper's riu2: the number of ones where there are at most two changes, else 9."""
    changes = sum(bits[i] != bits[i - 1] for i in range(8))
    return sum(bits) if changes <= 2 else 9


@pytest.mark.parametrize("radius", [1, 2])
def test_turning_patterns_are_counted_cell_by_cell(radius: int) -> None:
    picture = noise(13, 17)
    inner = np.array(
        [
            [turning_code(circle(picture, r, c, radius)) for c in range(radius, 17 - radius)]
            for r in range(radius, 13 - radius)
        ]
    )
    height, width = inner.shape
    found = LocalBinaryPatterns(radius=radius, cells=2, turning=True).transform([picture])
    for cell in np.ndindex(2, 2):
        codes = [
            inner[r, c] for r, c in np.ndindex(height, width) if (r * 2 // height, c * 2 // width) == cell
        ]
        wanted = [codes.count(code) / len(codes) for code in range(10)]
        np.testing.assert_allclose(found[0].reshape(2, 2, 10)[cell], wanted, atol=1e-6)


def test_fixed_patterns_join_to_the_turning_ones() -> None:
    """Of the 59, 58 are uniform: none, all, or a run of 1 to 7 ones that begins at one of 8 points."""
    pictures = [noise(30, 22, seed=seed) for seed in range(3)]
    fixed = LocalBinaryPatterns(cells=1).transform(pictures)
    turning = LocalBinaryPatterns(cells=1, turning=True).transform(pictures)
    assert fixed.shape == (3, 59)
    np.testing.assert_allclose(fixed.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(fixed[:, 58], turning[:, 9], atol=1e-6)
    np.testing.assert_allclose(fixed[:, 0], turning[:, 0], atol=1e-6)


def test_patterns_of_colour_pictures_are_those_of_their_luma() -> None:
    picture = noise(20, 20, 3)
    luma = np.asarray(Image.fromarray(picture).convert("L"))
    a, b = LocalBinaryPatterns(cells=2).transform([picture, luma])
    assert np.abs(a - b).sum() < 0.5  # roundings of the luma flip a few comparisons


def test_too_few_pixels_for_the_cells() -> None:
    with pytest.raises(UserError, match=r"picture 0: 5 x 9 pixels are too few: 4 x 4 cells .* need 6 x 6"):
        LocalBinaryPatterns().transform([noise(5, 9)])
