import colorsys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from neocog.data.augment import colour
from neocog.data.augment.draws import Draws
from neocog.data.augment.jitter import Jitter, jittered
from neocog.data.builtin import HERE
from neocog.errors import UserError
from reference.augment import operation, to_image, to_pixels

Pixels = NDArray[np.uint8]
RNG = np.random.default_rng(0)
PHOTOGRAPHS = [
    np.asarray(Image.open(HERE / "whole" / f"{name}.jpg").convert("RGB").resize((90, 70)))
    for name in ("coffee", "rocket", "camera")
]
ODD = [
    RNG.integers(0, 256, (70, 90, 3), dtype=np.uint8),
    np.full((70, 90, 3), 77, np.uint8),
    (RNG.integers(0, 2, (70, 90, 3)) * 255).astype(np.uint8),
    np.clip(RNG.normal(120, 9, (70, 90, 3)), 0, 255).astype(np.uint8),
]
COLOUR = np.stack([*PHOTOGRAPHS, *ODD])
GREY = COLOUR[..., 1:2]
CHANGES = {
    "Brightness": colour.brightness,
    "Contrast": colour.contrast,
    "Color": colour.saturation,
    "Sharpness": colour.sharpness,
    "Posterize": colour.posterize,
    "Solarize": colour.solarize,
    "SolarizeAdd": colour.solarize_add,
}
NUMBERS = {
    "Posterize": [0, 1, 3, 4, 7, 8, 2],
    "Solarize": [0, 1, 100, 127.5, 178.5, 255, 256],
    "SolarizeAdd": [0, 1, 11, 33, 99, 110, 128],
}


def planes(pixels: Pixels) -> Tensor:
    return torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2).contiguous()


def apart(found: Tensor, expected: list[Pixels]) -> int:
    return int(np.abs(found.permute(0, 2, 3, 1).numpy().astype(int) - np.stack(expected)).max())


@pytest.mark.parametrize("pixels", [COLOUR, GREY], ids=["colour", "grey"])
@pytest.mark.parametrize("name", CHANGES)
def test_changes_of_colour_are_pillows(name: str, pixels: Pixels) -> None:
    numbers = NUMBERS.get(name, [0.0, 0.1, 0.55, 1.0, 1.27, 1.9, 1.99])
    found = CHANGES[name](planes(pixels), torch.tensor(numbers, dtype=torch.float64))
    expected = [to_pixels(operation(to_image(p), name, x)) for p, x in zip(pixels, numbers, strict=True)]
    assert found.dtype == torch.uint8
    assert apart(found, expected) == 0


@pytest.mark.parametrize("pixels", [COLOUR, GREY], ids=["colour", "grey"])
@pytest.mark.parametrize(
    ("name", "change"),
    [("Invert", colour.invert), ("AutoContrast", colour.autocontrast), ("Equalize", colour.equalize)],
)
def test_changes_without_a_number_are_pillows(name: str, change: object, pixels: Pixels) -> None:
    found = change(planes(pixels))  # type: ignore[operator]
    assert apart(found, [to_pixels(operation(to_image(p), name, 0)) for p in pixels]) == 0


@given(st.integers(0, 10**6), st.integers(3, 12), st.integers(3, 12), st.floats(0, 2.5))
@settings(max_examples=60)
def test_small_pictures_of_any_values_are_pillows(seed: int, height: int, width: int, factor: float) -> None:
    rng = np.random.default_rng(seed)
    low, high = sorted(rng.integers(0, 257, 2))
    pixels = rng.integers(low, max(high, low + 1), (1, height, width, 3), dtype=np.uint8)
    number = torch.tensor([factor], dtype=torch.float64)
    for name in ("Brightness", "Contrast", "Color", "Sharpness"):
        expected = to_pixels(operation(to_image(pixels[0]), name, factor))
        assert (
            apart(CHANGES[name](planes(pixels), number), [expected]) <= 1
        )  # Pillow's sum may round otherwise
    for name, change in (("AutoContrast", colour.autocontrast), ("Equalize", colour.equalize)):
        assert apart(change(planes(pixels)), [to_pixels(operation(to_image(pixels[0]), name, 0))]) == 0


def turned(pixels: Pixels, turn: float) -> Pixels:
    """The hue turned pixel by pixel by the standard library."""
    out = np.empty_like(pixels)
    for place in np.ndindex(pixels.shape[:2]):
        hue, saturation, value = colorsys.rgb_to_hsv(*(pixels[place] / 255))
        out[place] = np.rint(np.array(colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value)) * 255)
    return out


@pytest.mark.parametrize("turn", [-0.5, -0.1, 0.0, 0.25, 0.5])
def test_the_hue_is_turned_as_in_the_standard_library(turn: float) -> None:
    some = COLOUR[:, ::4, ::4]
    found = colour.hue(planes(some), torch.full((len(some),), turn, dtype=torch.float64))
    assert apart(found, [turned(p, turn) for p in some]) <= 1
    assert apart(colour.hue(planes(GREY), torch.full((len(GREY),), turn)), list(GREY)) == 0


def test_lighting_is_the_formula_of_alexnets_paper() -> None:
    """Section 4.1: to each pixel [p1, p2, p3][a1 l1, a2 l2, a3 l3]^T is added; p and l typed from fb.resnet.torch."""
    draws = Draws(0, 1, np.arange(len(COLOUR)))
    alphas = draws.normal("lighting", 3).numpy() * 0.1
    values = np.array([0.2175, 0.0188, 0.0045])
    vectors = np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]])
    expected = [
        np.clip(np.rint(p + 255 * vectors @ (a * values)), 0, 255).astype(np.uint8)
        for p, a in zip(COLOUR, alphas, strict=True)
    ]
    assert apart(colour.lit(planes(COLOUR), draws, 0.1), expected) == 0
    assert np.allclose(vectors.T @ vectors, np.eye(3), atol=1e-3)  # typed rightly: they are orthonormal


def test_lighting_of_grey_pictures_is_an_error() -> None:
    with pytest.raises(UserError, match="lighting needs pictures of 3 channels, got 1; set lighting to 0"):
        colour.lit(planes(GREY), Draws(0, 1, np.arange(len(GREY))), 0.1)


def test_jitter_makes_its_four_changes_in_each_pictures_own_order() -> None:
    pixels = COLOUR[[0] * 60]
    draws = Draws(0, 1, np.arange(60))
    reach = Jitter(0.4, 1.5, 0.3, 0.1)
    order, shares = draws.permutation("jitter.order", 4).tolist(), draws.uniform("jitter.amount", 4).tolist()
    assert len({tuple(o) for o in order}) > 15
    names = ("Brightness", "Contrast", "Color")
    expected = []
    for picture, own, share in zip(pixels, order, shares, strict=True):
        numbers = [0.6 + 0.8 * share[0], 2.5 * share[1], 0.7 + 0.6 * share[2], -0.1 + 0.2 * share[3]]
        small = picture[::6, ::6]
        for which in own:
            if which == 3:
                small = turned(small, numbers[3])
            else:
                small = to_pixels(operation(to_image(small), names[which], numbers[which]))
        expected.append(small)
    found = jittered(planes(pixels[:, ::6, ::6]), draws, reach)
    difference = np.abs(found.permute(0, 2, 3, 1).numpy().astype(int) - np.stack(expected))
    assert difference.max() <= 6  # one level after the hue, which contrast may stretch
    assert (difference > 1).mean() < 0.02


def test_jitter_of_one_kind_leaves_the_others_out() -> None:
    draws = Draws(0, 1, np.arange(len(COLOUR)))
    shares = draws.uniform("jitter.amount", 4)[:, 0].tolist()
    expected = [
        to_pixels(operation(to_image(p), "Brightness", 0.5 + s)) for p, s in zip(COLOUR, shares, strict=True)
    ]
    assert apart(jittered(planes(COLOUR), draws, Jitter(brightness=0.5)), expected) == 0
