import io
from collections.abc import Callable
from struct import pack

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageOps

import zoo
from neocog.data.decode import decode
from neocog.data.samples import Files
from neocog.errors import Unreadable

GOOD, BAD = zoo.good(), zoo.bad()
Floats = NDArray[np.float64]


def on_white(image: Image.Image) -> Floats:
    """RGB over white, by the definition of alpha."""
    pixels = np.asarray(image.convert("RGBA"), float)
    opacity = pixels[..., 3:] / 255
    return pixels[..., :3] * opacity + 255 * (1 - opacity)


def plain(data: bytes) -> Floats:
    """The picture as RGB in Pillow's straightforward way."""
    with Image.open(io.BytesIO(data)) as opened:
        image = ImageOps.exif_transpose(opened)
    if image.mode.startswith("I"):
        return np.rint(np.asarray(image, float) / 257)[..., None].repeat(3, axis=2)
    return on_white(image)


def luma(rgb: Floats) -> Floats:
    """Grey as JPEG and Pillow define it (ITU-R BT.601)."""
    return rgb @ (0.299, 0.587, 0.114)


@pytest.mark.parametrize("name", GOOD)
def test_every_odd_picture_has_the_colours_that_pillow_sees(name: str) -> None:
    off = np.abs(np.asarray(decode(GOOD[name], 3).image, float) - plain(GOOD[name]))
    assert off.max() <= 1  # rounding of alpha, and of two builds of libjpeg-turbo


@pytest.mark.parametrize("name", GOOD)
def test_every_odd_picture_in_grey_is_the_luma_of_its_colours(name: str) -> None:
    off = np.abs(np.asarray(decode(GOOD[name], 1).image, float) - luma(plain(GOOD[name])))
    assert off.max() <= 3  # a JPEG stores luma itself, and clips its colours afterwards
    assert off.mean() <= 1


@pytest.mark.parametrize("name", [name for name in GOOD if name.startswith("exif")])
@pytest.mark.parametrize("door", [lambda data: data, lambda data: Image.open(io.BytesIO(data))])
def test_a_turned_picture_comes_upright(name: str, door: Callable[[bytes], bytes | Image.Image]) -> None:
    off = np.abs(np.asarray(decode(door(GOOD[name]), 3).image, float) - zoo.scene())
    assert off.max() <= 12  # JPEG at quality 95; a wrong turn is off by 160 and more


@pytest.mark.parametrize("name", ["rgba.png", "picture.webp", "la.png"])
def test_white_shows_through_what_is_transparent(name: str) -> None:
    pixels = np.asarray(decode(GOOD[name], 3).image, int)
    opaque = (zoo.grey_scene()[..., None] if name == "la.png" else zoo.scene()).astype(int)
    assert (pixels[:, :32] == 255).all()
    assert np.abs(pixels[:, 32:64] - (opaque[:, 32:64] * 128 + 255 * 127) / 255).max() <= 1  # rounding
    assert (pixels[:, 64:] == opaque[:, 64:]).all()


@pytest.mark.parametrize("name", ["palette-transparent.png", "rgb-transparent.png", "grey-transparent.png"])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_one_transparent_colour_becomes_white(name: str, channels: int) -> None:
    assert np.asarray(decode(GOOD[name], channels).image)[0, 0].min() == 255


@pytest.mark.parametrize("name", ["sixteen-bit.png", "sixteen-bit.tif"])
def test_sixteen_bits_are_scaled_and_not_clipped(name: str) -> None:
    assert (np.asarray(decode(GOOD[name], 1).image) == np.rint(zoo.levels16() / 257)).all()


def test_an_animation_gives_its_first_frame() -> None:
    pixels = np.asarray(decode(GOOD["animated.gif"], 3).image, float)
    assert np.abs(pixels - zoo.scene()).mean() < 15  # eight colours; the second frame is grey, and 60 off


REASONS = {
    "empty.jpg": "not a picture in a known format",
    "cut-30.jpg": "damaged: .*truncated",
    "cut-90.jpg": "damaged: .*truncated",
    "cut-50.png": "damaged: .*truncated",
    "text.jpg": r"not a picture in a known format \(AVIF, BMP, GIF, JPEG",
    "bomb.png": "decompression bomb: more pixels than",
    "flipped.png": "damaged: ",
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_with_the_reason(name: str) -> None:
    with pytest.raises(Unreadable, match=REASONS[name]):
        decode(BAD[name], 3)


def test_a_jpeg_of_too_many_pixels_is_refused_before_it_is_decoded() -> None:
    data = bytearray(zoo.jpeg(zoo.scene()))
    size = data.index(b"\xff\xc0") + 5  # of the frame header's height and width
    data[size : size + 4] = b"\x80\0\x80\0"
    with pytest.raises(Unreadable, match="bomb: 32768 x 32768 pixels, more than 178,956,970"):
        decode(bytes(data), 3)


def test_an_empty_file_is_called_empty(tmp_path) -> None:
    with pytest.raises(Unreadable, match=r"empty file \(0 bytes\)"):
        Files(zoo.make(tmp_path, {"empty.jpg": b""})).read(0)


@pytest.mark.parametrize("name", ["cut-90.jpg", "cut-50.png"])
def test_an_opened_picture_whose_file_is_cut_short_is_unreadable(name: str) -> None:
    with pytest.raises(Unreadable, match="damaged: .*truncated"):
        decode(Image.open(io.BytesIO(BAD[name])), 3)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_damaged_exif_block_costs_the_turn_and_not_the_picture(kind: str) -> None:
    beyond = zoo.exif(6, ">").replace(pack(">I", 8), pack(">I", 0x7FFFFFFF))
    data = zoo.encoded(Image.fromarray(zoo.held(zoo.scene(), 6)), kind, exif=beyond)
    assert decode(data, 3).image.size == (64, 96)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_an_exif_tag_of_a_wrong_type_costs_nothing(kind: str) -> None:
    odd = zoo.exif(6, ">").replace(
        pack(">HHI", 0x010F, 2, 4), pack(">HHI", 0x010F, 11, 1)
    )  # a float, no text
    data = zoo.encoded(Image.fromarray(zoo.held(zoo.scene(), 6)), kind, exif=odd)
    assert decode(data, 3).image.size == (96, 64)


def mutants(data: bytes) -> st.SearchStrategy[bytes]:
    """`data` with a few bytes changed, then cut at any place; half of the changes hit the header."""
    place = st.integers(0, len(data) - 1) | st.integers(0, 200)
    change = st.tuples(place, st.sampled_from((0, 1, 127, 128, 255)) | st.integers(0, 255))
    return st.builds(mutated, st.just(data), st.lists(change, max_size=6), st.none() | place)


def mutated(data: bytes, changes: list[tuple[int, int]], end: int | None) -> bytes:
    changed = bytearray(data)
    for place, value in changes:
        changed[place % len(data)] = value
    return bytes(changed[:end])


FUZZED = ["exif-6-big.jpg", "progressive.jpg", "cmyk.jpg", "exif-6.png", "palette-transparent.png"]
FUZZED += [
    "picture.avif",
    "animated.webp",
    "one-bit.tif",
    "cmyk.tif",
    "sixteen-bit.png",
    "animated.gif",
    "exif-6.webp",
    "picture.tif",
    "picture.bmp",
    "picture.ppm",
]


@given(st.sampled_from(FUZZED).flatmap(lambda name: mutants(GOOD[name])), st.sampled_from([(0, 0), (20, 20)]))
def test_a_damaged_file_gives_pixels_or_unreadable_and_nothing_else(
    data: bytes, wanted: tuple[int, int]
) -> None:
    try:
        image = decode(data, 3, wanted).image
    except Unreadable as reason:
        assert len(str(reason)) > len("damaged: ")
    else:
        assert image.mode == "RGB"


@given(
    st.sampled_from(sorted(zoo.turned_jpegs())),
    st.tuples(st.integers(1, 130), st.integers(1, 130)),
)
def test_scaled_decoding_keeps_the_picture_and_never_falls_below_what_is_wanted(
    name: str, wanted: tuple[int, int]
) -> None:
    image = decode(GOOD[name], 3, wanted).image
    height, width = 64, 96
    assert min(wanted[0], height) <= image.height <= height
    assert min(wanted[1], width) <= image.width <= width
    small = Image.fromarray(zoo.scene()).resize(image.size, Image.Resampling.BOX)
    assert np.abs(np.asarray(image, float) - np.asarray(small, float)).mean() < 6  # a wrong turn: 90


def test_scaled_decoding_takes_the_smallest_scale_that_suffices() -> None:
    assert decode(GOOD["exif-6-big.jpg"], 3, (16, 24)).image.size == (24, 16)


@pytest.mark.parametrize(
    ("wanted", "size"), [(33, 64), (32, 32), (17, 32), (16, 16), (9, 16), (8, 8), (0, 64)]
)
def test_scales_that_libjpeg_is_slow_at_are_never_taken(wanted: int, size: int) -> None:
    assert decode(zoo.jpeg(zoo.scene(64, 64)), 3, (wanted, wanted)).pixels.shape == (size, size, 3)


def test_a_tiny_jpeg_is_decoded_in_full_because_two_scales_give_it_one_size() -> None:
    assert decode(zoo.jpeg(zoo.scene()[:3, :3]), 3, (1, 1)).pixels.shape == (3, 3, 3)


def test_the_part_of_the_pixels_that_is_the_picture_is_known() -> None:
    scaled = decode(zoo.jpeg(zoo.scene(66, 98)), 3, (20, 20))
    assert (scaled.pixels.shape[:2], scaled.full, scaled.scale) == ((33, 49), (66, 98), 0.5)


def test_an_array_of_bytes_is_taken_as_it_is() -> None:
    assert (np.asarray(decode(zoo.scene(), 3).image) == zoo.scene()).all()


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([[0.0, 0.5, 1.0]]), [0, 128, 255]),
        (np.array([[0.0, 100.4, 300.0]], np.float32), [0, 100, 255]),
        (np.array([[False, True, True]]), [0, 255, 255]),
        (np.array([[0, 1, 1]], np.int64), [0, 1, 1]),
        (np.array([[0, 32_896, 65_535]], np.uint16), [0, 128, 255]),
        (np.array([[[0], [7], [255]]], np.uint8), [0, 7, 255]),
    ],
)
def test_an_array_of_other_numbers_becomes_bytes(array: NDArray[np.generic], expected: list[int]) -> None:
    assert np.asarray(decode(array, 1).image).tolist() == [expected]


@pytest.mark.parametrize("shape", [(5,), (4, 4, 2), (3, 32, 32), (0, 4), (2, 4, 4, 3)])
def test_an_array_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(Unreadable, match=r"a picture is \(height, width\) or"):
        decode(np.zeros(shape, np.uint8), 3)


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_an_array_with_a_hole_is_refused(number: float) -> None:
    with pytest.raises(Unreadable, match="pixels must be finite numbers"):
        decode(np.array([[0.5, number]]), 1)


def test_floating_point_files_are_refused_because_their_range_is_unknown() -> None:
    data = zoo.encoded(Image.fromarray(np.ones((4, 4), np.float32)), "TIFF")
    with pytest.raises(Unreadable, match="floating-point pixels have no agreed range"):
        decode(data, 3)
