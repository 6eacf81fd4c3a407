from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from math import floor
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from threadpoolctl import threadpool_limits

from neocog.data.resize import KERNELS, _weights, resize, tall

Pixels = NDArray[np.uint8]
Box = tuple[float, float, float, float]
METHODS = sorted(KERNELS)


@st.composite
def cases(draw: st.DrawFn, largest: int = 160) -> tuple[Pixels, Box, tuple[int, int]]:
    """A picture of noise, of black and white noise or of hard blocks, a box of it and a size to bring that to."""
    height, width = draw(st.integers(1, largest)), draw(st.integers(1, largest))
    channels, kind = draw(st.sampled_from((1, 3))), draw(st.sampled_from(("noise", "binary", "blocks")))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if kind == "noise":
        pixels = rng.integers(0, 256, (height, width, channels))
    else:
        step = 5 if kind == "blocks" else 1
        coarse = rng.integers(0, 2, (height // step + 1, width // step + 1, channels)) * 255
        pixels = coarse.repeat(step, 0).repeat(step, 1)[:height, :width]
    part = st.floats(0, 0.45)
    box = (
        draw(part) * width,
        draw(part) * height,
        (1 - draw(part)) * width,
        (1 - draw(part)) * height,
    )
    size = draw(st.integers(1, 90)), draw(st.integers(1, 90))
    return pixels.astype(np.uint8), box, size


def by_pillow(pixels: Pixels, box: Box, size: tuple[int, int], method: str) -> NDArray[np.int64]:
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    small = image.resize(size[::-1], Image.Resampling[method.upper()], box)
    return np.asarray(small).reshape(*size, -1).astype(int)


def in_order(
    pixels: Pixels, box: Box, size: tuple[int, int], method: str, columns: bool
) -> NDArray[np.int64]:
    """Pillow a pass at a time, each rounded and clipped: the rows first, or the columns."""
    left, top, right, bottom = box
    for down in (columns, not columns):
        height, width, _ = pixels.shape
        part = (0.0, top, width, bottom) if down else (left, 0.0, right, height)
        goal = (size[0], width) if down else (height, size[1])
        pixels = by_pillow(pixels, part, goal, method).astype(np.uint8)
    return pixels.astype(int)


@given(cases())
def test_bilinear_is_pillows_within_one_grey_level(case: Any) -> None:
    pixels, box, size = case
    assert np.abs(resize(*case, "bilinear") - by_pillow(*case, "bilinear")).max() <= 1


@given(cases(), st.sampled_from(METHODS), st.booleans())
def test_each_pass_is_pillows_within_the_rounding_of_a_sum(case: Any, method: str, columns: bool) -> None:
    off = np.abs(resize(*case, method, columns) - in_order(*case, method, columns))
    # a sum that lies at half a grey level may fall either way; lobes let two such falls meet
    assert off.max() <= (2 if KERNELS[method].signed else 1)
    assert (off > 1).mean() <= 0.02


@given(cases(), st.sampled_from(["bicubic", "lanczos"]))
def test_pillow_13_takes_the_columns_of_a_tall_picture_first(case: Any, method: str) -> None:
    pixels, box, size = case
    off = np.abs(resize(*case, method, tall(pixels.shape[:2], size)) - by_pillow(*case, method))
    assert off.max() <= 2
    assert (off > 1).mean() <= 0.02


@given(cases())
@example((np.array([[[217], [163]]], np.uint8), (0.04756810325713613, 0.0, 1.9524318967428638, 1.0), (1, 1)))
def test_nearest_is_pillows_to_the_bit(case: Any) -> None:
    assert (resize(*case, "nearest") == by_pillow(*case, "nearest")).all()


@given(cases(), st.sampled_from(METHODS), st.booleans(), st.integers(1, 200))
def test_chunks_of_any_size_give_the_same_bytes(case: Any, method: str, columns: bool, chunk: int) -> None:
    assert (resize(*case, method, columns, chunk=chunk) == resize(*case, method, columns)).all()


@pytest.mark.parametrize("method", METHODS)
def test_any_number_of_threads_gives_the_same_bytes(method: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (700, 900, 3)).astype(np.uint8)
    results = []
    for threads in (1, 2, 4):
        with threadpool_limits(threads):
            results.append(resize(pixels, (0, 0, 900, 700), (224, 224), method))
    assert (results[0] == results[1]).all()
    assert (results[0] == results[2]).all()


@pytest.mark.parametrize("kept", [0, 1 << 22])
def test_threads_that_resize_at_once_do_not_meet_in_memory(
    kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("neocog.data.resize.KEPT", kept)
    rng = np.random.default_rng(0)
    sides = [(300 + 70 * i, 600 - 50 * i) for i in range(6)] * 4
    pictures = [rng.integers(0, 256, (*side, 3)).astype(np.uint8) for side in sides]
    boxes: list[Box] = [(0, 0, width, height) for height, width in sides]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda p, b: resize(p, b, (90, 110), "bilinear"), pictures, boxes))
    for result, pixels, box in zip(results, pictures, boxes, strict=True):
        assert np.abs(result - by_pillow(pixels, box, (90, 110), "bilinear")).max() <= 1


@given(
    st.integers(1, 4000),
    st.integers(1, 600),
    st.floats(0, 0.49),
    st.floats(0, 0.49),
    st.sampled_from(METHODS),
)
def test_every_sum_fits_into_the_24_bits_of_a_float32(
    extent: int, size: int, low: float, high: float, method: str
) -> None:
    _, weights = _weights(extent, low * extent, (1 - high) * extent, size, method)
    units = weights * 2.0 ** KERNELS[method].bits
    assert (units == np.rint(units)).all()
    assert (units.sum(axis=1) == 2 ** KERNELS[method].bits).all()
    half = 2 ** (KERNELS[method].bits - 1)  # what rounding adds
    assert 255 * np.abs(units).sum(axis=1).max() + half < 2**24


def exactly(line: list[int], size: int, bits: int) -> list[int]:
    """A line resized by a triangle filter in rational numbers, its weights rounded to multiples of 2**-bits."""
    scale = Fraction(len(line), size)
    stretch = max(scale, Fraction(1))
    result = []
    for i in range(size):
        centre = (i + Fraction(1, 2)) * scale
        weights = [max(Fraction(0), 1 - abs(j + Fraction(1, 2) - centre) / stretch) for j in range(len(line))]
        total = sum(weights)
        running, before, value = Fraction(0), 0, Fraction(0)
        for weight, pixel in zip(weights, line, strict=True):
            running += weight / total
            place = round(running * 2**bits)
            value += Fraction(place - before, 2**bits) * pixel
            before = place
        result.append(floor(value + Fraction(1, 2)))
    return result


@given(st.lists(st.integers(0, 255), min_size=1, max_size=60), st.integers(1, 40))
def test_float32_sums_are_those_of_rational_numbers(line: list[int], size: int) -> None:
    pixels = np.array(line, np.uint8)[:, None, None]
    ours = resize(pixels, (0, 0, 1, len(line)), (size, 1), "bilinear")[:, 0, 0]
    expected = exactly(line, size, 16)
    # the weights themselves are computed in double precision, which may round one of them the other way
    assert np.abs(ours.astype(int) - expected).max() <= (0 if _dyadic(len(line), size) else 1)


def _dyadic(length: int, size: int) -> bool:
    """Whether the filter's weights are exact in binary floating point."""
    return length % size == 0 and (length // size) & (length // size - 1) == 0


@pytest.mark.parametrize(("height", "width"), [(3, 20_000), (20_000, 3), (1, 70_000), (70_000, 1)])
@pytest.mark.parametrize("method", METHODS)
def test_a_picture_far_longer_than_wide_is_pillows_own(height: int, width: int, method: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)
    box = (0.0, 0.0, float(width), float(height))
    first = tall((height, width), (32, 32))
    assert (resize(pixels, box, (32, 32), method, first) == by_pillow(pixels, box, (32, 32), method)).all()


@pytest.mark.parametrize("box", [(-1, 0, 4, 4), (0, 0, 5, 4), (2, 0, 2, 4), (0, 3, 4, 1)])
def test_a_box_that_leaves_the_picture_is_refused(box: Box) -> None:
    with pytest.raises(ValueError, match="box must lie in the picture of 4 x 4 pixels"):
        resize(np.zeros((4, 4, 3), np.uint8), box, (2, 2), "bilinear")


def test_rows_in_reverse_are_resized_without_a_copy_of_the_picture() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (90, 70, 3)).astype(np.uint8)
    box = (0.0, 0.0, 70.0, 90.0)
    copied = np.ascontiguousarray(pixels[::-1])
    assert (resize(pixels[::-1], box, (20, 30), "bicubic") == resize(copied, box, (20, 30), "bicubic")).all()
