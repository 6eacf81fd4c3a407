import io
import json
from math import floor
from typing import Any

import numpy as np
import pytest
import skimage.data
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

import zoo
from neocog.data.preprocess import Preprocess
from neocog.errors import UserError

FILTERS = ("nearest", "bilinear", "bicubic", "lanczos")
HALF = {"mean": (0.5,), "std": (0.5,)}
SIDES = st.integers(1, 300)
COLOURS = st.tuples(*[st.integers(0, 255)] * 3)


def columns(height: int, width: int) -> NDArray[np.uint8]:
    """Each pixel is the number of its column, grey; no picture here is wider than 256."""
    return np.tile(np.arange(width, dtype=np.uint8), (height, 1))


def resize_then_crop(image: Image.Image, size: int, crop_pct: float, method: str) -> NDArray[np.uint8]:
    """torchvision's Resize and CenterCrop on a PIL picture, by their documented rules, and so timm's."""
    edge = floor(size / crop_pct)
    width, height = image.size
    if width <= height:
        wide, high = edge, int(edge * height / width)
    else:
        wide, high = int(edge * width / height), edge
    left, top = int(round((wide - size) / 2.0)), int(round((high - size) / 2.0))
    resized = image.resize((wide, high), Image.Resampling[method.upper()])
    return np.asarray(resized.crop((left, top, left + size, top + size)))


@given(
    SIDES, SIDES, SIDES, SIDES, st.sampled_from(("crop", "pad", "squash")), st.sampled_from((0.5, 0.875, 1))
)
def test_every_picture_comes_in_the_size_asked_for(
    height: int, width: int, rows: int, cols: int, fit: Any, crop_pct: float
) -> None:
    make = Preprocess(
        size=(rows, cols), channels=1, resize_mode=fit, crop_pct=crop_pct, interpolation="nearest", **HALF
    )
    assert make(np.zeros((height, width), np.uint8)).shape == (rows, cols, 1)


def test_a_picture_one_pixel_larger_than_the_input_is_cropped_although_rounding_leads_out_of_it() -> None:
    grey = np.full((29, 29), 77, np.uint8)  # 29 / 28 * 28 is more than 29 in floating point
    assert (Preprocess(size=(28, 28), channels=1, **HALF)(grey) == 77).all()


@pytest.mark.parametrize(("channels", "shape"), [(1, (8, 8, 1)), (3, (8, 8, 3))])
def test_the_pixels_are_bytes_with_the_channels_last(channels: int, shape: tuple[int, ...]) -> None:
    make = Preprocess(size=(8, 8), channels=channels, mean=(0.5,) * channels, std=(0.5,) * channels)
    pixels = make(zoo.scene())
    assert (pixels.shape, pixels.dtype) == (shape, np.uint8)


@pytest.mark.parametrize("fit", ["crop", "pad", "squash"])
def test_a_picture_that_fits_passes_through_unchanged(fit: Any) -> None:
    assert (Preprocess(size=(64, 96), resize_mode=fit)(zoo.scene()) == zoo.scene()).all()


def test_crop_takes_the_middle_of_a_wide_picture() -> None:
    pixels = Preprocess(size=(40, 40), channels=1, **HALF)(columns(40, 100))
    assert (pixels[..., 0] == np.arange(30, 70)).all()


def test_crop_takes_the_middle_of_a_high_picture() -> None:
    pixels = Preprocess(size=(40, 40), channels=1, **HALF)(columns(40, 100).T)
    assert (pixels[..., 0] == np.arange(30, 70)[:, None]).all()


def test_crop_pct_keeps_its_share_of_the_shorter_edge() -> None:
    pixels = Preprocess(size=(20, 20), channels=1, crop_pct=0.5, **HALF)(columns(40, 100))
    assert (pixels[..., 0] == np.arange(40, 60)).all()


def test_crop_for_an_oblong_input_has_its_proportions() -> None:
    pixels = Preprocess(size=(20, 40), channels=1, **HALF)(columns(40, 60))
    assert pixels[:, 0].max() <= 1  # columns 0 to 59, two thirds of a pixel each
    assert pixels[:, -1].min() >= 58


@given(
    st.integers(1, 90),
    st.integers(1, 90),
    st.integers(1, 40),
    st.sampled_from((0.5, 0.875, 0.9, 1.0)),
    st.sampled_from(("bilinear", "bicubic")),
    st.integers(0, 2**32 - 1),
)
def test_crop_is_torchvisions_resize_and_crop_in_one_step(
    height: int, width: int, size: int, crop_pct: float, method: Any, seed: int
) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    make = Preprocess(size=(size, size), crop_pct=crop_pct, interpolation=method)
    expected = resize_then_crop(Image.fromarray(noise), size, crop_pct, method)
    off = np.abs(make(noise).astype(int) - expected)
    assert off.max() <= (1 if method == "bilinear" else 2)  # two only where rounded sums meet, see the next
    assert (off > 1).mean() <= 1e-3


def test_a_tall_picture_is_filtered_in_the_order_of_pillow_13() -> None:
    noise = np.random.default_rng(0).integers(0, 2, (400, 100, 3)).astype(np.uint8) * 255
    ours = Preprocess(size=(56, 56), crop_pct=0.875)(noise)
    expected = resize_then_crop(Image.fromarray(noise), 56, 0.875, "bicubic")
    assert np.abs(ours.astype(int) - expected).max() <= 2  # rows first: 20


@pytest.mark.parametrize("method", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(500, 375), (375, 500), (1000, 750), (333, 333), (640, 200), (120, 300)])
def test_a_photograph_is_within_one_grey_level_of_torchvisions(size: tuple[int, int], method: Any) -> None:
    image = Image.fromarray(skimage.data.chelsea()).resize(size, Image.Resampling.LANCZOS)
    ours = Preprocess(size=(224, 224), crop_pct=0.875, interpolation=method)(image)
    expected = resize_then_crop(image, 224, 0.875, method)
    assert np.abs(ours.astype(int) - expected).max() <= 1


def test_the_edge_is_whole_although_division_falls_short_of_it() -> None:
    size, edge = next((s, e) for s in range(8, 300) for e in range(s, 400) if floor(s / (s / e)) == e - 1)
    image = Image.fromarray(zoo.scene(2 * edge, 2 * edge + 20))
    ours = Preprocess(size=(size, size), crop_pct=size / edge, interpolation="bilinear")(image)
    wide = int(edge * image.width / image.height)
    resized = np.asarray(image.resize((wide, edge), Image.Resampling.BILINEAR), int)
    top, left = round((edge - size) / 2), round((wide - size) / 2)
    assert np.abs(ours - resized[top : top + size, left : left + size]).max() <= 1


def test_an_oblong_input_is_cropped_as_timm_does() -> None:
    image = Image.fromarray(zoo.scene(300, 500))
    # ResizeKeepRatio to (128, 192) at least: 300 x 500 pixels become 128 x 213, of which the middle counts
    resized = np.asarray(image.resize((213, 128), Image.Resampling.BICUBIC))
    expected = resized[8:120, 22:190]
    ours = Preprocess(size=(112, 168), crop_pct=0.875)(image)
    assert np.abs(ours.astype(int) - expected).max() <= 1


def test_pad_puts_the_whole_picture_in_the_middle_of_a_grey_ground() -> None:
    pixels = Preprocess(size=(40, 40), channels=1, resize_mode="pad", **HALF)(np.full((20, 40), 9, np.uint8))
    expected = np.full((40, 40), 128)
    expected[10:30] = 9
    assert (pixels[..., 0] == expected).all()


def test_pad_enlarges_a_small_picture_as_far_as_it_fits() -> None:
    pixels = Preprocess(size=(40, 60), resize_mode="pad")(np.full((10, 5, 3), 9, np.uint8))
    expected = np.full((40, 60, 3), 128)
    expected[:, 20:40] = 9
    assert (pixels == expected).all()


def test_squash_shows_the_whole_picture_and_nothing_else() -> None:
    pixels = Preprocess(size=(32, 32), resize_mode="squash")(zoo.scene()).astype(int)
    corners = pixels[[0, 0, -1, -1], [0, -1, 0, -1]]
    assert np.abs(corners - zoo.scene()[[0, 0, -1, -1], [0, -1, 0, -1]]).max() <= 2  # the slope of brightness


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("fit", ["crop", "pad", "squash"])
def test_fine_stripes_become_their_mean_and_no_moire(interpolation: Any, fit: Any) -> None:
    stripes = np.tile(np.array([0, 255], np.uint8), (256, 128))
    pixels = Preprocess(size=(25, 25), channels=1, resize_mode=fit, interpolation=interpolation, **HALF)(
        stripes
    )
    assert np.abs(pixels[:, 2:-2].astype(float) - 127.5).max() <= 3  # without antialiasing 0 and 255 appear


@pytest.mark.parametrize("name", FILTERS)
def test_each_interpolation_is_pillows_of_the_same_name(name: Any) -> None:
    expected = np.asarray(Image.fromarray(zoo.scene()).resize((17, 13), Image.Resampling[name.upper()]))
    ours = Preprocess(size=(13, 17), resize_mode="squash", interpolation=name)(zoo.scene())
    assert np.abs(ours.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("fit", ["crop", "pad", "squash"])
@pytest.mark.parametrize("orientation", zoo.ORIENTATIONS)
def test_fast_decoding_of_a_photograph_looks_like_exact_decoding(fit: Any, orientation: int) -> None:
    data = zoo.jpeg(zoo.held(skimage.data.chelsea(), orientation), exif=zoo.exif(orientation, "<"))
    fast, exact = (
        Preprocess(size=(96, 96), resize_mode=fit, decoding=decoding)(data) for decoding in ("fast", "exact")
    )
    off = np.abs(fast.astype(float) - exact)
    # of 255, for libjpeg's scaling is no bicubic; a shift by half a pixel is off by 4, the same way is off by 0
    assert 0 < off.mean() < 1.5


@pytest.mark.parametrize("size", [(64, 96), (96, 64), (250, 60), (60, 250)])
@pytest.mark.parametrize("orientation", zoo.ORIENTATIONS)
def test_a_turned_picture_is_filtered_as_the_upright_one(orientation: int, size: tuple[int, int]) -> None:
    noise = (
        np.random.default_rng(0).integers(0, 2, (*size, 3)).astype(np.uint8) * 255
    )  # clips between the passes
    data = zoo.encoded(
        Image.fromarray(zoo.held(noise, orientation)), "PNG", exif=zoo.exif(orientation, ">")[6:]
    )
    for fit in ("crop", "pad", "squash"):
        make = Preprocess(size=(40, 40), resize_mode=fit, crop_pct=0.9)  # type: ignore[arg-type]
        assert np.abs(make(data).astype(int) - make(noise)).max() <= 2  # sums rounded the other way


def test_exact_decoding_uses_every_pixel() -> None:
    data = zoo.jpeg(zoo.scene(800, 1200))
    with Image.open(io.BytesIO(data)) as image:
        expected = np.asarray(image.resize((96, 96), Image.Resampling.BICUBIC), float)
    pixels = Preprocess(size=(96, 96), resize_mode="squash", decoding="exact")(data)
    assert np.abs(pixels - expected).max() <= 1  # two builds of libjpeg-turbo


@st.composite
def preprocessings(draw: st.DrawFn) -> Preprocess:
    channels = draw(st.sampled_from((1, 3)))
    numbers = st.floats(0.01, 1)
    return Preprocess(
        size=draw(st.tuples(SIDES, SIDES)),
        channels=channels,
        resize_mode=draw(st.sampled_from(("crop", "pad", "squash"))),
        crop_pct=draw(numbers),
        interpolation=draw(st.sampled_from(sorted(FILTERS))),
        mean=draw(st.tuples(*[numbers] * channels)),
        std=draw(st.tuples(*[numbers] * channels)),
        decoding=draw(st.sampled_from(("fast", "exact"))),
        whole_pixels=draw(st.booleans()),
        exif=draw(st.booleans()),
        background=draw(COLOURS),
        padding=draw(COLOURS),
    )


@given(preprocessings())
def test_what_is_stored_as_json_comes_back_equal(preprocess: Preprocess) -> None:
    assert Preprocess.from_json(json.loads(json.dumps(preprocess.to_json()))) == preprocess


def test_a_bundle_of_before_keeps_the_meaning_that_its_fields_had() -> None:
    stored = {
        "size": [56, 56],
        "channels": 3,
        "resize_mode": "crop",
        "crop_pct": 0.875,
        "interpolation": "bicubic",
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
        "decoding": "fast",
    }
    image = Image.fromarray(skimage.data.chelsea())
    # then: the middle square times 7/8, in fractions of a pixel, by Pillow in one step
    side = 300 * 0.875
    box = (225.5 - side / 2, 150 - side / 2, 225.5 + side / 2, 150 + side / 2)
    expected = np.asarray(image.resize((56, 56), Image.Resampling.BICUBIC, box=box))
    assert np.abs(Preprocess.from_json(stored)(image).astype(int) - expected).max() <= 1
    clear = Image.new("RGBA", (56, 20))
    padded = Preprocess.from_json({**stored, "resize_mode": "pad"})(clear)
    assert (padded[18:38] == 255).all()
    assert (padded[:18] == 128).all()


def test_a_stored_field_that_is_needed_and_missing_is_refused() -> None:
    stored = Preprocess(size=(8, 8)).to_json()
    del stored["crop_pct"]
    with pytest.raises(UserError, match="preprocessing must be said in full, it lacks crop_pct$"):
        Preprocess.from_json(stored)


def test_the_background_shows_through_what_is_transparent() -> None:
    make = Preprocess(size=(64, 96), resize_mode="squash", background=(10, 200, 30))
    pixels = make(zoo.good()["rgba.png"])
    assert (pixels[:, :32] == (10, 200, 30)).all()
    assert (pixels[:, 64:] == zoo.scene()[:, 64:]).all()


@pytest.mark.parametrize(("channels", "expected"), [(3, (250, 5, 80)), (1, (87,))])  # 87 is its luma
def test_the_padding_surrounds_a_picture_that_does_not_fit(channels: int, expected: tuple[int, ...]) -> None:
    make = Preprocess(
        size=(40, 40),
        channels=channels,
        resize_mode="pad",
        padding=(250, 5, 80),
        mean=(0.5,) * channels,
        std=(0.5,) * channels,
    )
    pixels = make(np.zeros((20, 40, 3), np.uint8))
    assert (pixels[:10] == expected).all()
    assert (pixels[30:] == expected).all()
    assert not pixels[10:30].any()


@pytest.mark.parametrize("orientation", zoo.ORIENTATIONS)
def test_without_exif_a_picture_stays_as_its_file_stores_it(orientation: int) -> None:
    stored = zoo.held(zoo.scene(), orientation)
    data = zoo.encoded(Image.fromarray(stored), "PNG", exif=zoo.exif(orientation, ">")[6:])
    make = Preprocess(size=(stored.shape[0], stored.shape[1]), resize_mode="squash", exif=False)
    assert (make(data) == stored).all()


@pytest.mark.parametrize("orientation", zoo.ORIENTATIONS)
def test_without_exif_fast_decoding_takes_the_scale_of_a_file_without_a_tag(orientation: int) -> None:
    """An oblong input, for which a turned picture would be decoded at another scale."""
    make = Preprocess(size=(25, 90), resize_mode="squash", decoding="fast", exif=False)
    tagged, plain = (
        zoo.jpeg(zoo.scene(400, 200), exif=zoo.exif(orientation, "<")),
        zoo.jpeg(zoo.scene(400, 200)),
    )
    assert (make(tagged) == make(plain)).all()


def test_stored_preprocessing_with_other_fields_is_refused() -> None:
    stored = {**Preprocess(size=(8, 8)).to_json(), "gamma": 2}
    with pytest.raises(
        UserError, match="unknown field of the preprocessing 'gamma'; there are background, channels"
    ):
        Preprocess.from_json(stored)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"size": (0, 8)}, "size must be a height and a width of at least 1, got (0, 8)"),
        ({"size": (8, 8, 8)}, "size must be a height and a width of at least 1, got (8, 8, 8)"),
        ({"size": 8}, "size must be a tuple of numbers, got 8"),
        ({"std": 0}, "std must be a tuple of numbers, got 0"),
        ({"channels": 4}, "channels must be 1 (grey) or 3 (RGB), got 4"),
        ({"crop_pct": 0}, "crop_pct must be above 0 and at most 1, got 0"),
        ({"crop_pct": 1.1}, "crop_pct must be above 0 and at most 1, got 1.1"),
        ({"crop_pct": float("nan")}, "crop_pct must be above 0 and at most 1, got nan"),
        (
            {"mean": (0.5,)},
            "mean and std need a number for each channel (3), std above 0, got (0.5,) and (0.5, 0.5, 0.5)",
        ),
        (
            {"std": (1, 1)},
            "mean and std need a number for each channel (3), std above 0, got (0.5, 0.5, 0.5) and (1, 1)",
        ),
        (
            {"std": (1, 0, 1)},
            "mean and std need a number for each channel (3), std above 0, got (0.5, 0.5, 0.5) and (1, 0, 1)",
        ),
        ({"resize_mode": "stretch"}, "resize_mode must be one of crop, pad, squash, got 'stretch'"),
        (
            {"interpolation": "area"},
            "interpolation must be one of nearest, bilinear, bicubic, lanczos, got 'area'",
        ),
        ({"background": (0, 0)}, "background must be three whole numbers from 0 to 255, got (0, 0)"),
        ({"padding": (0, 0, 256)}, "padding must be three whole numbers from 0 to 255, got (0, 0, 256)"),
        ({"padding": (0, 0.5, 0)}, "padding must be three whole numbers from 0 to 255, got (0, 0.5, 0)"),
        ({"decoding": "lazy"}, "decoding must be one of fast, exact, got 'lazy'"),
    ],
)
def test_a_wrong_field_is_refused_with_the_rule_and_what_was_given(
    wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError) as caught:
        Preprocess(**{"size": (8, 8), **wrong})
    assert str(caught.value) == message
