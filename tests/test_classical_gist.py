"""The gist against the authors' steps with filters as matrices, and its laws."""

import numpy as np
import pytest
from PIL import Image

from neocog.classical.gist import Gist, gabor_bank, gist, prefiltered
from neocog.data.builtin import HERE
from reference import gist as literal


def photograph(name: str) -> np.ndarray:
    return np.asarray(Image.open(HERE / "whole" / f"{name}.jpg"))


def small(size: int = 48) -> np.ndarray:
    return (
        np.asarray(Image.open(HERE / "whole" / "camera.jpg").convert("L").resize((size, size)), np.float32)
        / 255
    )


def test_it_is_the_literal_one() -> None:
    found = gist(small(), 4)
    assert found.shape == (512,)
    np.testing.assert_allclose(found, literal.gist(small().astype(float), 4), rtol=2e-3, atol=2e-6)


@pytest.mark.parametrize("size", [48, 37])
def test_the_prefilter_is_the_literal_one(size: int) -> None:
    image = small(size) * 255
    np.testing.assert_allclose(prefiltered(image), literal.prefiltered(image.astype(float)), atol=1e-3)


def test_a_filter_of_the_bank_is_the_literal_one() -> None:
    bank = gabor_bank(24)
    assert bank.shape == (32, 24, 24)
    for index in (0, 7, 13, 31):
        np.testing.assert_allclose(bank[index], literal.gabor(24, index // 8, index % 8), atol=1e-6)


def test_the_middle_square_is_looked_at() -> None:
    square = np.asarray(Image.fromarray(photograph("camera")).resize((64, 64)))
    wide = np.concatenate([square * 0, square, 255 - square * 0], axis=1)
    found = Gist(size=64).transform([square, wide])
    np.testing.assert_array_equal(found[0], found[1])


def test_brightness_and_contrast_of_the_whole_do_not_matter() -> None:
    picture = np.asarray(Image.fromarray(photograph("camera")).resize((64, 64))) // 4 + 10
    found = Gist(size=64).transform([picture, picture * 3 + 5])
    np.testing.assert_allclose(found[0], found[1], atol=1e-4)


def test_colours_are_described_one_by_one() -> None:
    picture = photograph("coffee")
    found = Gist(size=64, colour=True).transform([picture])
    assert found.shape == (1, 1536)
    for channel in range(3):
        alone = Gist(size=64).transform([np.ascontiguousarray(picture[..., channel])])
        np.testing.assert_allclose(found[0, channel * 512 : (channel + 1) * 512], alone[0], atol=1e-6)


def test_a_grating_answers_where_it_is_and_how_it_turns() -> None:
    """Stripes of 1/4 pixel frequency in the right half: strongest there, at the finest scale, across the columns."""
    wave = np.uint8(127 + 100 * np.cos(np.arange(128) * 2 * np.pi / 4))
    picture = np.full((128, 128), 127, np.uint8)
    picture[:, 64:] = wave[64:]
    table = Gist(size=128).transform([picture]).reshape(4, 8, 4, 4)
    scale, turn, _, col = np.unravel_index(table.argmax(), table.shape)
    assert (scale, turn) == (0, 0)
    assert col >= 2
    assert table[0, 0, :, 3].min() > 5 * table[0, 4, :, 3].max()


def test_a_picture_of_one_colour_has_no_gist() -> None:
    assert not Gist(size=32).transform([np.full((40, 50, 3), 90, np.uint8)]).any()
