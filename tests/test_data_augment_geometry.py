import math

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from neocog.data.augment import geometry
from neocog.data.augment.draws import Draws
from neocog.data.augment.geometry import Sampling
from neocog.data.builtin import HERE
from reference.augment import BILINEAR, NEAREST, crop_box, moved, operation, to_image, to_pixels

Pixels = NDArray[np.uint8]
PHOTOGRAPHS = np.stack(
    [
        np.asarray(Image.open(HERE / "whole" / f"{name}.jpg").convert("RGB").resize((90, 70)))
        for name in ("coffee", "rocket", "camera", "chelsea")
    ]
)
NOISE = np.random.default_rng(0).integers(0, 256, (4, 70, 90, 3), dtype=np.uint8)


def planes(pixels: Pixels) -> Tensor:
    return torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2).contiguous()


def back(found: Tensor) -> Pixels:
    pixels: Pixels = found.permute(0, 2, 3, 1).numpy()
    return pixels


def difference(found: Tensor, expected: list[Pixels]) -> NDArray[np.int64]:
    return np.abs(back(found).astype(int) - np.stack(expected))


WARPS = {
    "ShearX": (geometry.shear_x, [-0.99, -0.1, 0.3, 0.0]),
    "ShearY": (geometry.shear_y, [-0.99, -0.1, 0.3, 0.0]),
    "Rotate": (geometry.rotate, [-135.0, 7.0, 29.9, 0.0]),
    "TranslateX": (geometry.translate_x, [-40.0, 89.0, 3.0, 0.0]),
    "TranslateY": (geometry.translate_y, [-30.0, 69.0, 2.0, 0.0]),
}


@pytest.mark.parametrize("pixels", [PHOTOGRAPHS, NOISE[..., :1]], ids=["photographs", "grey noise"])
@pytest.mark.parametrize("name", WARPS)
def test_warps_to_the_nearest_pixel_are_pillows(name: str, pixels: Pixels) -> None:
    """Pillow steps along a row in 65536ths of a pixel, so that a few pixels of a turned picture are neighbours."""
    change, numbers = WARPS[name]
    found = change(planes(pixels), torch.tensor(numbers, dtype=torch.float64), Sampling("nearest", 77))
    expected = [
        to_pixels(operation(to_image(p), name, x, NEAREST, 77)) for p, x in zip(pixels, numbers, strict=True)
    ]
    assert (difference(found, expected) > 0).mean() < (0.004 if name == "Rotate" else 0.0005)


@pytest.mark.parametrize("name", ["ShearX", "ShearY", "Rotate"])
def test_warps_between_pixels_are_pillows(name: str) -> None:
    change, numbers = WARPS[name]
    found = change(planes(PHOTOGRAPHS), torch.tensor(numbers, dtype=torch.float64), Sampling("bilinear", 128))
    expected = [
        to_pixels(operation(to_image(p), name, x, BILINEAR, 128))
        for p, x in zip(PHOTOGRAPHS, numbers, strict=True)
    ]
    assert difference(found, expected).max() <= 1


@pytest.mark.parametrize("size", [(8, 9), (70, 90)], ids=["small", "large"])
@pytest.mark.parametrize("fill", [None, 0, 200])
def test_shifts_are_padding_and_cropping(size: tuple[int, int], fill: int | None) -> None:
    """Small and large pictures take two ways."""
    pixels = NOISE[:, : size[0], : size[1]]
    offsets = [(-3, 5), (0, 0), (7, -8), (2, 1)]
    found = geometry.shifted(planes(pixels), torch.tensor(offsets), fill)
    expected = [moved(p, *offset, fill) for p, offset in zip(pixels, offsets, strict=True)]
    assert (back(found) == np.stack(expected)).all()


def test_mirrors_turn_the_chosen_pictures_only() -> None:
    chosen = torch.tensor([True, False, False, True])
    across, down = NOISE.copy(), NOISE.copy()
    across[[0, 3]] = across[[0, 3]][:, :, ::-1]
    down[[0, 3]] = down[[0, 3]][:, ::-1]
    assert (back(geometry.mirrored(planes(NOISE), chosen)) == across).all()
    assert (back(geometry.mirrored(planes(NOISE), chosen, axis=2)) == down).all()
    assert (back(geometry.mirrored(planes(NOISE), torch.zeros(4, dtype=torch.bool))) == NOISE).all()


@pytest.mark.parametrize("pixels", [PHOTOGRAPHS, NOISE, NOISE[..., :1]], ids=["photographs", "noise", "grey"])
@pytest.mark.parametrize("size", [(32, 32), (24, 50), (110, 96)])
def test_crops_are_resized_as_by_pillow(pixels: Pixels, size: tuple[int, int]) -> None:
    boxes = [(0, 0, 70, 90), (5, 9, 60, 41), (30, 0, 11, 90), (66, 88, 4, 2)]
    found = geometry.cropped(planes(pixels), torch.tensor(boxes), size)
    expected = []
    for picture, (top, left, height, width) in zip(pixels, boxes, strict=True):
        box = to_image(picture[top : top + height, left : left + width])
        expected.append(to_pixels(box.resize(size[::-1], Image.Resampling.BILINEAR)))
    assert difference(found, expected).max() <= 1


@given(
    height=st.integers(1, 300),
    width=st.integers(1, 300),
    seed=st.integers(0, 99),
    scale=st.sampled_from([(0.08, 1.0), (0.5, 0.6), (1.0, 1.0)]),
    ratio=st.sampled_from([(3 / 4, 4 / 3), (1.0, 1.0), (0.2, 0.5)]),
)
@example(height=1, width=9, seed=0, scale=(1.0, 1.0), ratio=(0.2, 0.5))
@settings(max_examples=60)
def test_boxes_are_those_of_torchvisions_algorithm(
    height: int, width: int, seed: int, scale: tuple[float, float], ratio: tuple[float, float]
) -> None:
    """From the same random numbers, an attempt after the other."""
    draws = Draws(seed, 1, np.arange(8))
    found = geometry.area_boxes(draws, (height, width), scale, ratio).tolist()
    areas, logs = draws.uniform("crop.area", 10).tolist(), draws.uniform("crop.ratio", 10).tolist()
    places = draws.uniform("crop.place", 2).tolist()
    for box, area, log, place in zip(found, areas, logs, places, strict=True):
        shares = [height * width * (scale[0] + (scale[1] - scale[0]) * a) for a in area]
        low, high = math.log(ratio[0]), math.log(ratio[1])
        ratios = [math.exp(low + (high - low) * r) for r in log]
        expected = crop_box((height, width), shares, ratios, (place[0], place[1]), ratio)
        assert tuple(box) == expected


def test_crops_out_of_a_resized_picture_have_every_place_and_scale() -> None:
    """VGG: a side of 256 to 512 of which 224 are cut is 224/256 down to 224/512 of the picture's shorter side."""
    draws = Draws(0, 1, np.arange(4000))
    boxes = geometry.jitter_boxes(draws, (512, 600), (256 / 224, 512 / 224))
    top, left, height, width = boxes.T
    assert torch.equal(height, width)
    assert (int(height.min()), int(height.max())) == (224, 448)
    assert min(top.min(), left.min()) == 0
    assert (top + height).max() == 512
    assert (left + width).max() == 600
    sides = 512 * 224 / height.double()  # of the resized picture, evenly from 256 to 512
    counts = torch.histc(sides.float(), 8, 256, 512)
    assert counts.min() > 4000 / 8 * 0.8
    fixed = geometry.jitter_boxes(draws, (256, 256), (256 / 224, 256 / 224))  # AlexNet: 33 x 33 places of 224
    assert (fixed[:, 2:] == 224).all()
    assert {tuple(place) for place in fixed[:, :2].tolist()} <= {(y, x) for y in range(33) for x in range(33)}
    assert len({tuple(place) for place in fixed[:, :2].tolist()}) > 1000
