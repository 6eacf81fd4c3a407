import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from neocog.data.augment import crops
from neocog.data.augment.crops import View
from neocog.data.builtin import HERE
from neocog.errors import UserError

sizes = st.tuples(st.integers(30, 900), st.integers(30, 900))


def places(views: tuple[View, ...]) -> list[tuple[int, int, bool]]:
    return [(view.top, view.left, view.mirrored) for view in views]


def test_one_five_and_ten_crops_lie_where_alexnets_paper_has_them() -> None:
    """256 x 256, crops of 224: corners and middle, whose offset is 16; then the mirror images."""
    corners = [(0, 0), (0, 32), (32, 0), (32, 32), (16, 16)]
    square = (256, 256)
    assert places(crops.centre(square, 256, 224)) == [(16, 16, False)]
    assert places(crops.five(square, 256, 224)) == [(*c, False) for c in corners]
    assert places(crops.ten(square, 256, 224)) == [(*c, m) for m in (False, True) for c in corners]


def test_the_crops_of_a_wide_picture_reach_its_ends() -> None:
    """500 x 375 becomes 341 x 256 as in torchvision's Resize(256), whose FiveCrop and CenterCrop are these."""
    assert crops.scaled_size((375, 500), 256) == (256, 341)
    assert places(crops.five((375, 500), 256, 224))[:4] == [
        (0, 0, False),
        (0, 117, False),
        (32, 0, False),
        (32, 117, False),
    ]
    assert places(crops.centre((375, 500), 256, 224)) == [(16, round((341 - 224) / 2), False)]


def test_googlenets_144_views_are_counted_and_placed() -> None:
    """Section 7 of its paper: 4 sizes x 3 squares x (4 corners + middle + whole square) x 2."""
    views = crops.googlenet((375, 500))
    assert len(views) == len(set(views)) == 144
    assert sorted({view.side for view in views}) == [256, 288, 320, 352]
    of_288 = {view for view in views if view.side == 288 and not view.mirrored}
    expected = set()
    for left in (0, 48, 96):  # 288 x 384: squares of 288 at the left, in the middle and at the right
        expected.add(View(288, 0, left, 288))
        for top, right in ((0, 0), (0, 64), (64, 0), (64, 64), (32, 32)):
            expected.add(View(288, top, left + right, 224))
    assert of_288 == expected
    tall = {(view.top, view.left) for view in crops.googlenet((500, 375)) if view.extent == view.side == 288}
    assert tall == {(0, 0), (48, 0), (96, 0)}


def test_vggs_150_views_are_counted_and_placed() -> None:
    """Section 3.2: 50 views a size, a regular grid of 5 x 5 and its mirror images; 3 sizes."""
    views = crops.vgg((384, 512))
    assert len(views) == len(set(views)) == 150
    of_384 = {(view.top, view.left) for view in views if view.side == 384 and view.mirrored}
    assert of_384 == {(top, left) for top in (0, 40, 80, 120, 160) for left in (0, 72, 144, 216, 288)}


@given(sizes, st.sampled_from([crops.googlenet, crops.vgg]))
@settings(max_examples=50)
def test_all_views_lie_inside_and_the_outermost_touch_every_border(
    size: tuple[int, int], make: object
) -> None:
    views = make(size)  # type: ignore[operator]
    for side in {view.side for view in views}:
        height, width = crops.scaled_size(size, side)
        boxes = [view.box for view in views if view.side == side]
        assert min(height, width) == side
        assert abs(height / width - size[0] / size[1]) <= 1.01 * max(size) / min(size) / side
        assert (min(b[0] for b in boxes), min(b[1] for b in boxes)) == (0, 0)
        assert (max(b[2] for b in boxes), max(b[3] for b in boxes)) == (width, height)


def test_a_crop_larger_than_the_picture_is_an_error() -> None:
    for make in (crops.five, crops.ten, crops.centre):
        with pytest.raises(
            UserError, match="must lie inside the resized picture of shorter side 200, got one of 224"
        ):
            make((300, 400), 200, 224)
    with pytest.raises(UserError, match="shorter side 256, got one of 300"):
        crops.vgg((300, 400), 300)


def test_views_are_cut_as_pillow_cuts_them() -> None:
    photographs = [
        Image.open(HERE / "whole" / f"{n}.jpg").convert("RGB").resize((150, 100))
        for n in ("coffee", "rocket")
    ]
    pixels = torch.from_numpy(np.stack([np.asarray(p) for p in photographs]))
    views = (
        *crops.ten((100, 150), 64, 56),
        *crops.googlenet((100, 150), 56, (64, 72)),
        *crops.vgg((100, 150), 56, (96,)),
    )
    found = crops.cut(pixels, views, 56).numpy()
    assert found.shape == (2, 10 + 72 + 50, 56, 56, 3)
    bilinear = Image.Resampling.BILINEAR
    for n, photograph in enumerate(photographs):
        for i, view in enumerate(views):
            height, width = crops.scaled_size((100, 150), view.side)
            one = photograph.resize((width, height), bilinear).crop(view.box).resize((56, 56), bilinear)
            one = one.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if view.mirrored else one
            assert np.abs(found[n, i].astype(int) - np.asarray(one)).max() <= 2  # resized twice, a level each


def test_a_pyramid_holds_the_whole_picture_at_each_size() -> None:
    photograph = Image.open(HERE / "whole" / "coffee.jpg").convert("RGB").resize((150, 100))
    levels = crops.scale_pyramid(torch.from_numpy(np.asarray(photograph)[None].copy()), (50, 100, 120))
    for level, size in zip(levels, ((75, 50), (150, 100), (180, 120)), strict=True):
        expected = np.asarray(photograph.resize(size, Image.Resampling.BILINEAR)).astype(int)
        assert np.abs(level[0].numpy() - expected).max() <= 1
