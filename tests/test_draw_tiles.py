"""Arrays as pixels, against numpy written out."""

import base64
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from neocog.draw import tiles

small = st.integers(1, 7)
seeds = st.integers(0, 2**32 - 1)


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@given(seeds, st.floats(1e-3, 1e3))
def test_around_grey_keeps_signs_apart(seed: int, scale: float) -> None:
    """0.5 + v / (2 max|v|), as deepvis and Zeiler and Fergus's pictures have it."""
    values = np.random.default_rng(seed).standard_normal((3, 5, 3)) * scale
    found = tiles.around_grey(values).astype(float)
    exact = 255 * (0.5 + values / (2 * np.abs(values).max()))
    assert (np.abs(found - exact) <= 0.5 + 1e-6).all()
    assert set(np.unique(tiles.around_grey(np.zeros((2, 2))))) <= {127, 128}
    assert np.allclose(tiles.around_grey(values) + tiles.around_grey(-values).astype(int), 255, atol=1)


def test_signed_is_blue_below_white_at_and_red_above_zero() -> None:
    row = tiles.signed(np.array([[-2.0, 0.0, 2.0, 1.0]]))[0].astype(int)
    assert row[0].tolist() == [33, 86, 150] and row[2].tolist() == [168, 40, 46]
    assert row[1].min() >= 240
    assert row[3].tolist() == [232, 150, 112]  # half way to the largest stands the colour in the middle
    shared = tiles.signed(np.array([[1.0]]), largest=2.0)[0, 0]
    assert shared.tolist() == [232, 150, 112]


def test_glowing_grows_brighter() -> None:
    line = tiles.glowing(np.linspace(0, 3, 50)[None])[0].astype(float) @ [0.3, 0.59, 0.11]
    assert (np.diff(line) > 0).all()
    assert line[0] < 15 and line[-1] > 230
    half = tiles.glowing(np.array([[1.5]]), high=3.0)[0, 0]
    assert half.tolist() == tiles.glowing(np.linspace(0, 3, 3)[None])[0, 1].tolist()


@given(seeds, small, small, st.integers(1, 60))
def test_enlarged_repeats_pixels_just_often_enough(seed: int, height: int, width: int, least: int) -> None:
    pixels = noise(seed, height, width, 3)
    found = tiles.enlarged(pixels, least)
    factor = found.shape[0] // height
    assert np.array_equal(found, np.kron(pixels, np.ones((factor, factor, 1), np.uint8)))
    assert max(found.shape[:2]) >= least
    assert factor == 1 or (factor - 1) * max(height, width) < least


@given(seeds, small, small, st.integers(1, 9), st.integers(1, 4), st.integers(0, 3))
def test_a_mosaic_holds_every_tile_in_its_place(
    seed: int, height: int, width: int, count: int, columns: int, gap: int
) -> None:
    shown = [noise(seed + i, height, width, 3) for i in range(count)]
    sheet = tiles.mosaic(shown, columns, gap)
    rest = np.ones(sheet.shape[:2], bool)
    for i, tile in enumerate(shown):
        row, column = divmod(i, columns)
        top, left = row * (height + gap), column * (width + gap)
        assert np.array_equal(sheet[top : top + height, left : left + width], tile)
        rest[top : top + height, left : left + width] = False
    assert (sheet[rest] == 255).all()
    assert sheet.shape[0] == -(-count // columns) * (height + gap) - gap


boxes = st.tuples(st.integers(-9, 12), st.integers(-9, 12), st.integers(1, 14), st.integers(1, 14))


@given(seeds, small, small, boxes)
def test_what_is_cut_outside_the_picture_is_grey(
    seed: int, height: int, width: int, box: tuple[int, int, int, int]
) -> None:
    """Against a picture padded on all sides: negative starts must not reach slicing."""
    pixels = noise(seed, height, width, 3)
    top, left, tall, wide = box
    padded = np.pad(pixels, ((30, 30), (30, 30), (0, 0)), constant_values=77)
    truth = padded[30 + top : 30 + top + tall, 30 + left : 30 + left + wide]
    assert np.array_equal(tiles.cut(pixels, (top, left, top + tall, left + wide), 77), truth)


@given(seeds, small, small, boxes, st.integers(1, 3))
def test_an_outline_is_the_border_and_nothing_else(
    seed: int, height: int, width: int, box: tuple[int, int, int, int], line: int
) -> None:
    pixels = noise(seed, height + 8, width + 8, 3)
    top, left, tall, wide = box
    bottom, right = top + tall, left + wide
    found = tiles.outlined(pixels, (top, left, bottom, right), (1, 2, 3), line)
    for i in range(pixels.shape[0]):
        for j in range(pixels.shape[1]):
            inside = top <= i < bottom and left <= j < right
            deep = top + line <= i < bottom - line and left + line <= j < right - line
            truth = [1, 2, 3] if inside and not deep else pixels[i, j].tolist()
            assert found[i, j].tolist() == truth, (i, j)


def test_an_outline_leaves_the_picture_as_it_was() -> None:
    pixels = noise(1, 9, 9, 3)
    before = pixels.copy()
    tiles.outlined(pixels, (1, 1, 8, 8))
    assert np.array_equal(pixels, before)


def test_an_overlay_is_grey_where_nothing_glows() -> None:
    picture = noise(2, 12, 10, 3)
    values = np.zeros((3, 5))
    values[1, 2] = 1
    none = tiles.overlaid(picture, values, strength=0.0)
    assert np.abs(none.astype(float) - picture.mean(axis=2, keepdims=True)).max() <= 0.5
    whole = tiles.overlaid(picture, np.ones((3, 5)), strength=1.0)
    assert (whole == tiles.glowing(np.array([[1.0]]))[0, 0]).all()
    assert tiles.overlaid(picture[..., :1], values).shape == (12, 10, 3)


def test_one_plane_becomes_three() -> None:
    plane = noise(3, 4, 6)
    truth = np.dstack([plane] * 3)
    assert np.array_equal(tiles.rgb(plane), truth)
    assert np.array_equal(tiles.rgb(plane[..., None]), truth)
    assert np.array_equal(tiles.rgb(truth), truth)


@pytest.mark.parametrize("shape", [(1, 1, 3), (40, 30, 3)])
def test_a_file_gives_back_the_pixels(shape: tuple[int, ...]) -> None:
    pixels = noise(4, *shape)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(tiles.png(pixels)))), pixels)


@pytest.mark.parametrize("exact", [True, False])
def test_an_address_holds_the_picture(exact: bool) -> None:
    smooth = np.linspace(0, 255, 40 * 30 * 3).reshape(40, 30, 3).astype(np.uint8)
    head, code = tiles.uri(smooth, exact).split(";base64,")
    image = Image.open(io.BytesIO(base64.b64decode(code, validate=True)))
    assert head == f"data:image/{'png' if exact else 'jpeg'}" and image.format == ("PNG" if exact else "JPEG")
    assert np.abs(np.asarray(image).astype(int) - smooth).max() <= (0 if exact else 6)


def test_what_is_cut_keeps_its_numbers() -> None:
    values = np.random.default_rng(6).standard_normal((5, 6, 2)).astype(np.float32)
    truth = np.pad(values, ((2, 0), (0, 3), (0, 0)))[:4, 2:9]
    assert np.array_equal(tiles.cut(values, (-2, 2, 2, 9), 0), truth)


def test_resized_has_the_size_and_keeps_a_constant() -> None:
    assert (tiles.resized(np.full((5, 7, 3), 90, np.uint8), 11, 3) == 90).all()
    assert tiles.resized(noise(5, 5, 7, 3), 11, 3).shape == (11, 3, 3)
