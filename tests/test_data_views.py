import hashlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image

import zoo
from neocog.data.preprocess import Preprocess
from neocog.data.views.protocols import PROTOCOLS, views
from neocog.data.views.scales import edges_of
from neocog.errors import Unreadable, UserError
from reference import crops

Pixels = NDArray[np.uint8]
GREY = {"channels": 1, "mean": (0.5,), "std": (0.5,)}
MODES = ("crop", "pad", "squash")
LINEAR = Image.Resampling.BILINEAR


def noise(height: int, width: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def photograph(width: int, height: int) -> Image.Image:
    return Image.fromarray(skimage.data.chelsea()).resize((width, height), Image.Resampling.LANCZOS)


def stacked(pictures: list[Image.Image]) -> NDArray[np.int64]:
    return np.stack([np.asarray(picture) for picture in pictures]).astype(int)


def by_edges(picture: Pixels, side: int) -> Image.Image:
    """All of a picture as the preprocessing, which other tests compare with Pillow, resizes it."""
    height, width = picture.shape[:2]
    size = (side, int(side * width / height)) if height < width else (int(side * height / width), side)
    return Image.fromarray(Preprocess(size=size, resize_mode="squash", interpolation="bilinear")(picture))


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("center", 1),
        ("flip", 2),
        ("5-crop", 5),
        ("10-crop", 10),
        ("vgg-150", 150),  # 50 a scale, section 3.2
        ("googlenet-144", 144),  # 4 x 3 x 6 x 2, section 7
        ("multi-scale", 50),
    ],
)
def test_a_protocol_has_as_many_views_as_its_paper_counts(name: str, count: int) -> None:
    made = views(name, Preprocess(size=(12, 12)))
    assert (made.name, made.count) == (name, count)
    pixels = made(noise(20, 31))
    assert (pixels.shape, pixels.dtype) == ((count, 12, 12, 3), np.uint8)


def test_every_protocol_is_counted_above() -> None:
    assert sorted(PROTOCOLS) == sorted(
        ["center", "flip", "5-crop", "10-crop", "vgg-150", "googlenet-144", "multi-scale"]
    )


def test_vggs_and_resnets_views_are_50_and_10_for_each_scale() -> None:
    assert [PROTOCOLS[name].count / len(PROTOCOLS[name].scales) for name in ("vgg-150", "multi-scale")] == [
        50,
        10,
    ]


@given(
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.sampled_from(MODES),
    st.sampled_from((0.5, 0.875, 1.0)),
    st.sampled_from(("nearest", "bilinear", "bicubic", "lanczos")),
    st.booleans(),
)
def test_center_is_what_preprocessing_gives_and_flip_its_mirror_image_too(
    shape: tuple[int, int], size: tuple[int, int], mode: Any, share: float, method: Any, whole: bool
) -> None:
    preprocess = Preprocess(
        size=size, resize_mode=mode, crop_pct=share, interpolation=method, whole_pixels=whole
    )
    expected = preprocess(noise(*shape))
    assert np.array_equal(views("center", preprocess)(noise(*shape)), expected[None])
    both = views("flip", preprocess)(noise(*shape))
    assert np.array_equal(both, np.stack([expected, expected[:, ::-1]]))


@pytest.mark.parametrize("decoding", ["fast", "exact"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("orientation", zoo.ORIENTATIONS)
def test_center_of_a_turned_jpeg_is_what_preprocessing_gives(
    orientation: int, mode: Any, decoding: Any
) -> None:
    data = zoo.jpeg(zoo.held(skimage.data.chelsea(), orientation), exif=zoo.exif(orientation, "<"))
    preprocess = Preprocess(size=(40, 56), resize_mode=mode, crop_pct=0.875, decoding=decoding)
    assert np.array_equal(views("center", preprocess)(data)[0], preprocess(data))


@pytest.mark.parametrize("shape", [(256, 256), (256, 341), (455, 256), (257, 256)])
def test_ten_crops_of_a_resized_picture_are_torchvisions(shape: tuple[int, int]) -> None:
    picture = noise(*shape)  # of the size that it is resized to, so that resizing changes nothing
    preprocess = Preprocess(size=(224, 224), crop_pct=0.875)
    expected = stacked(crops.ten_crop(Image.fromarray(picture), 224, 224))
    assert np.array_equal(views("10-crop", preprocess)(picture), expected)
    assert np.array_equal(views("5-crop", preprocess)(picture), expected[:5])


def test_ten_crops_have_the_bytes_that_torchvision_gave() -> None:
    """Of torchvision.transforms.TenCrop(20) on the picture; torchvision 0.29.1, Pillow 13.0.0."""
    rows, columns = np.indices((24, 37))
    picture = np.stack([rows * 10, columns * 6, (rows * columns) % 251], 2).astype(np.uint8)
    made = views("10-crop", Preprocess(size=(20, 20), crop_pct=20 / 24))(picture)
    assert hashlib.sha256(made.tobytes()).hexdigest() == TENCROP


TENCROP = "593e40b02c351fda3fb09603649ec112e5c421d57e674da04abc4f6ed8bc5b5f"


@pytest.mark.parametrize("size", [(500, 375), (375, 500), (333, 333), (120, 300)])
def test_ten_crops_of_a_photograph_are_within_a_grey_level_of_resizing_and_cropping_by_pillow(
    size: tuple[int, int],
) -> None:
    preprocess = Preprocess(size=(56, 56), crop_pct=0.875, interpolation="bilinear")
    expected = stacked(crops.ten_crop(crops.resized(photograph(*size), 64, LINEAR), 56, 56))
    off = np.abs(views("10-crop", preprocess)(photograph(*size)) - expected)
    assert off.max() <= 1


@pytest.mark.parametrize("shape", [(70, 90), (90, 70), (64, 64), (31, 80), (80, 31)])
def test_vggs_150_views_are_the_papers_loops(shape: tuple[int, int]) -> None:
    picture = noise(*shape)
    resized = [by_edges(picture, side) for side in (32, 48, 64)]  # 256, 384, 512 for an input of 224
    made = views("vgg-150", Preprocess(size=(28, 28), interpolation="bilinear"))(picture)
    assert np.array_equal(made, stacked(crops.vgg_150(resized, 28)))


@pytest.mark.parametrize("shape", [(70, 90), (90, 70), (64, 64), (31, 80), (80, 31)])
def test_googlenets_144_views_are_the_papers_loops(shape: tuple[int, int]) -> None:
    picture = noise(*shape)
    resized = [by_edges(picture, side) for side in (32, 36, 40, 44)]  # 256, 288, 320, 352
    made = views("googlenet-144", Preprocess(size=(28, 28), interpolation="bilinear"))(picture)
    off = np.abs(made - stacked(crops.googlenet_144(resized, 28, LINEAR)))
    squares = np.arange(144) % 6 == 5
    assert not off[~squares].any()
    assert off[squares].max() <= 1


@pytest.mark.parametrize("name", ["vgg-150", "googlenet-144"])
def test_the_views_of_a_photograph_at_224_are_within_two_grey_levels_of_pillows(name: str) -> None:
    picture = photograph(310, 240)
    sides = {"vgg-150": (256, 384, 512), "googlenet-144": (256, 288, 320, 352)}[name]
    resized = [crops.resized(picture, side, LINEAR) for side in sides]
    expected = crops.vgg_150(resized, 224) if name == "vgg-150" else crops.googlenet_144(resized, 224, LINEAR)
    made = views(name, Preprocess(size=(224, 224), interpolation="bilinear"))(picture)
    for i, (view, other) in enumerate(zip(made, expected, strict=True)):  # one at a time: all are 90 MB
        square = name == "googlenet-144" and i % 6 == 5  # resized twice
        assert np.abs(view.astype(int) - np.asarray(other)).max() <= (2 if square else 1)


@settings(max_examples=30)
@given(
    st.tuples(st.integers(1, 50), st.integers(1, 50)),
    st.integers(1, 16),
    st.sampled_from(MODES),
    st.sampled_from(["5-crop", "10-crop", "vgg-150", "multi-scale"]),
)
def test_every_view_is_a_part_of_the_resized_picture_or_of_its_mirror_image(
    shape: tuple[int, int], side: int, mode: Any, name: str
) -> None:
    picture = noise(*shape)
    made = views(name, Preprocess(size=(side, side), resize_mode=mode, interpolation="bilinear"))
    at_scales = made(picture).reshape(len(made.edges), -1, side, side, 3)
    for (edge, _), pixels in zip(made.edges, at_scales, strict=True):
        if mode == "crop":
            whole = np.asarray(by_edges(picture, edge))
        else:
            whole = Preprocess(size=(edge, edge), resize_mode=mode, interpolation="bilinear")(picture)
        halves = (pixels[: len(pixels) // 2], pixels[len(pixels) // 2 :])
        seen = ((whole, pixels),) if name == "5-crop" else zip((whole, whole[:, ::-1]), halves, strict=True)
        for source, cut in seen:
            windows = sliding_window_view(source, (side, side), (0, 1)).transpose(0, 1, 3, 4, 2)
            for view in cut:
                assert (windows == view).all((2, 3, 4)).any()


@given(st.integers(0, 30), st.sampled_from(["10-crop", "vgg-150", "googlenet-144", "multi-scale"]))
def test_the_mirrored_picture_has_the_same_views_in_the_other_order(room: int, name: str) -> None:
    """At the first scale the picture is not resized, so this holds exactly."""
    made = views(name, Preprocess(size=(28, 28)))
    side = made.edges[0][0]
    picture = noise(side, side + room)
    scales = len(made.edges)
    there, mirrored = (
        made(pixels).reshape(scales, 2, -1, 28, 28, 3)[0]
        for pixels in (picture, np.ascontiguousarray(picture[:, ::-1]))
    )
    assert np.array_equal(there, mirrored[::-1])


@given(st.integers(0, 20))
def test_where_room_can_be_halved_each_view_has_its_mirror_image(half: int) -> None:
    made = views("10-crop", Preprocess(size=(28, 28), crop_pct=0.875))(noise(32, 32 + 2 * half))
    order = [1, 0, 3, 2, 4]  # the top left one of the mirrored picture shows what is top right
    assert np.array_equal(made[5:], made[order][:, :, ::-1])


@pytest.mark.parametrize(
    ("size", "scales", "expected"),
    [
        ((224, 224), (256, 384, 512), [256, 384, 512]),
        ((224, 224), (256, 288, 320, 352), [256, 288, 320, 352]),
        ((224, 224), (224, 256, 384, 480, 640), [224, 256, 384, 480, 640]),
        ((28, 28), (256, 384, 512), [32, 48, 64]),
        ((32, 32), (256, 384, 512), [37, 55, 73]),  # 36.57, 54.86, 73.14
        ((8, 8), (256, 288, 320, 352), [9, 10, 11, 13]),  # 9.14, 10.29, 11.43, 12.57
        ((299, 299), (256,), [342]),  # 341.7
    ],
)
def test_the_scales_are_in_proportion_to_the_input(
    size: tuple[int, int], scales: tuple[int, ...], expected: list[int]
) -> None:
    assert edges_of(Preprocess(size=size), scales) == [(edge, edge) for edge in expected]


def test_without_scales_the_edges_are_those_of_the_preprocessing_where_these_leave_room() -> None:
    assert edges_of(Preprocess(size=(224, 224), crop_pct=0.875), ()) == [(256, 256)]
    assert edges_of(Preprocess(size=(224, 224), crop_pct=0.965), ()) == [(232, 232)]
    for mode in MODES:  # crops nothing: 8/7 of the input
        assert edges_of(Preprocess(size=(112, 168), resize_mode=mode), ()) == [(128, 192)]  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["pad", "squash"])
def test_ten_crops_of_a_squashed_or_padded_picture_are_those_of_the_larger_square(mode: Any) -> None:
    picture = noise(40, 90)
    preprocess = Preprocess(size=(28, 28), resize_mode=mode, padding=(1, 200, 3))
    larger = Image.fromarray(replace(preprocess, size=(32, 32))(picture))
    assert np.array_equal(views("10-crop", preprocess)(picture), stacked(crops.ten_crop(larger, 28, 28)))


def test_crops_for_an_oblong_input_reach_the_corners() -> None:
    picture = noise(128, 192)
    made = views("5-crop", Preprocess(size=(112, 168), crop_pct=0.875))(picture)
    assert np.array_equal(made, stacked(crops.five_crop(Image.fromarray(picture), 112, 168)))


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
@pytest.mark.parametrize("size", [(8, 8), (28, 28), (1, 1), (5, 9)])
@pytest.mark.parametrize("mode", MODES)
def test_grey_pictures_smaller_than_a_crop_are_enlarged(name: str, size: tuple[int, int], mode: Any) -> None:
    for shape in ((8, 8), (1, 1), (1, 7), (3, 2)):
        made = views(name, Preprocess(size=size, resize_mode=mode, padding=(77, 77, 77), **GREY))  # type: ignore[arg-type]
        pixels = made(np.full(shape, 77, np.uint8))
        assert pixels.shape == (made.count, *size, 1)
        assert (pixels == 77).all()


def test_a_very_oblong_picture_is_refused_with_the_reason_and_center_takes_it() -> None:
    strip = np.zeros((1, 3000, 3), np.uint8)
    preprocess = Preprocess(size=(224, 224), crop_pct=0.875)
    with pytest.raises(Unreadable) as caught:
        views("10-crop", preprocess)(strip)
    assert str(caught.value) == (
        "too oblong to be resized whole: 3000 x 1 pixels become 768000 x 256, more than 33,554,432; "
        "the center protocol resizes only the middle"
    )
    assert views("center", preprocess)(strip).shape == (1, 224, 224, 3)


def test_fast_decoding_gives_the_views_of_exact_decoding_nearly() -> None:
    data = zoo.jpeg(np.asarray(photograph(900, 700)))
    fast, exact = (
        views("googlenet-144", Preprocess(size=(56, 56), decoding=decoding))(data)  # type: ignore[arg-type]
        for decoding in ("fast", "exact")
    )
    assert 0 < np.abs(fast.astype(int) - exact).mean() < 1.5


def test_an_unknown_protocol_is_refused_with_its_neighbours() -> None:
    with pytest.raises(UserError, match="unknown protocol '10-crops'; did you mean 10-crop"):
        views("10-crops", Preprocess(size=(8, 8)))
