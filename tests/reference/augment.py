"""Augmentations one picture at a time, by Pillow and by loops, from numbers that are given."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

Pixels = NDArray[np.uint8]
NEAREST, BILINEAR = Image.Resampling.NEAREST, Image.Resampling.BILINEAR


def to_image(pixels: Pixels) -> Image.Image:
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else np.ascontiguousarray(pixels))


def to_pixels(image: Image.Image) -> Pixels:
    array = np.asarray(image)
    return array[..., None] if array.ndim == 2 else array


def operation(
    image: Image.Image, name: str, x: float, how: Image.Resampling = NEAREST, fill: int = 0
) -> Image.Image:
    """Pillow's own, by the name and with the number that RandAugment's papers give it."""
    colour = fill if image.mode == "L" else (fill,) * 3

    def affine(*matrix: float) -> Image.Image:
        return image.transform(image.size, Image.Transform.AFFINE, matrix, how, fillcolor=colour)

    made = {
        "Identity": lambda: image,
        "ShearX": lambda: affine(1, x, 0, 0, 1, 0),
        "ShearY": lambda: affine(1, 0, 0, x, 1, 0),
        "TranslateX": lambda: affine(1, 0, x, 0, 1, 0),
        "TranslateY": lambda: affine(1, 0, 0, 0, 1, x),
        "Rotate": lambda: image.rotate(x, how, fillcolor=colour),
        "Brightness": lambda: ImageEnhance.Brightness(image).enhance(x),
        "Color": lambda: ImageEnhance.Color(image).enhance(x),
        "Contrast": lambda: ImageEnhance.Contrast(image).enhance(x),
        "Sharpness": lambda: ImageEnhance.Sharpness(image).enhance(x),
        "Posterize": lambda: (
            ImageOps.posterize(image, int(x)) if x else image.point(lambda _: 0)
        ),  # Pillow wants a bit
        "Solarize": lambda: ImageOps.solarize(image, x),
        "SolarizeAdd": lambda: image.point(
            [min(255, i + int(x)) if i < 128 else i for i in range(256)] * len(image.getbands())
        ),
        "AutoContrast": lambda: ImageOps.autocontrast(image),
        "Equalize": lambda: ImageOps.equalize(image),
        "Invert": lambda: ImageOps.invert(image),
    }
    return made[name]()


WIDE = ("Identity", "ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness", "Color", "Contrast",
        "Sharpness", "Posterize", "Solarize", "AutoContrast", "Equalize")  # fmt: skip
AUGMIX = ("AutoContrast", "Equalize", "Posterize", "Rotate", "Solarize", "ShearX", "ShearY", "TranslateX",
          "TranslateY")  # fmt: skip
TIMM = ("AutoContrast", "Equalize", "Invert", "Rotate", "Posterize", "Solarize", "SolarizeAdd", "Brightness", "Color",
        "Contrast", "Sharpness", "ShearX", "ShearY", "TranslateX", "TranslateY")  # fmt: skip
ENHANCE = ("Brightness", "Color", "Contrast", "Sharpness")
UNSIGNED = ("Identity", "Posterize", "Solarize", "SolarizeAdd", "AutoContrast", "Equalize", "Invert")


def torchvision_number(name: str, bin_: int, negative: bool, size: tuple[int, int], trivial: bool) -> float:
    """The number of strength `bin_` of 0..30, as torchvision 0.29's RandAugment and TrivialAugmentWide make it."""
    height, width = size
    shear, turn, enhance, bits = (0.99, 135.0, 0.99, 6) if trivial else (0.3, 30.0, 0.9, 4)
    ends = {"ShearX": shear, "ShearY": shear, "Rotate": turn, **dict.fromkeys(ENHANCE, enhance)}
    ends["TranslateX"] = 32.0 if trivial else 150 / 331 * width
    ends["TranslateY"] = 32.0 if trivial else 150 / 331 * height
    if name == "Posterize":
        return 8 - int(np.round(bin_ / (30 / bits)))
    if name == "Solarize":
        return float(np.linspace(255, 0, 31, dtype=np.float32)[bin_])
    x = float(np.linspace(0, ends.get(name, 0), 31)[bin_]) * (-1 if negative else 1)
    if name in ENHANCE:
        return 1 + x
    return int(x) if name.startswith("Translate") else x


def timm_number(name: str, level: float, negative: bool, size: tuple[int, int], increasing: bool) -> float:
    """The number of strength `level` of 0..10 as timm 1.0's auto_augment.py makes it; translations in whole pixels."""
    height, width = size
    sign, share = (-1 if negative else 1), level / 10
    if name in ENHANCE:
        return max(0.1, 1 + sign * share * 0.9) if increasing else share * 1.8 + 0.1
    lost, below = int(share * 4), min(256, int(share * 256))
    numbers = {
        "Rotate": sign * share * 30,
        "Posterize": 4 - lost if increasing else lost,
        "Solarize": 256 - below if increasing else below,
        "SolarizeAdd": min(128, int(share * 110)),
        "ShearX": sign * share * 0.3,
        "ShearY": sign * share * 0.3,
        "TranslateX": int(sign * share * 0.45 * width),
        "TranslateY": int(sign * share * 0.45 * height),
    }
    return numbers.get(name, 0)


def augmix_number(name: str, level: float, negative: bool, size: tuple[int, int]) -> float:
    """The number of strength `level` of 0..10 as google-research/augmix's augmentations.py makes it."""
    height, width = size
    sign = -1 if negative else 1
    numbers = {
        "Posterize": 4 - int(level * 4 / 10),
        "Rotate": sign * int(level * 30 / 10),
        "Solarize": 256 - int(level * 256 / 10),
        "ShearX": sign * level * 0.3 / 10,
        "ShearY": sign * level * 0.3 / 10,
        "TranslateX": sign * int(level * width / 3 / 10),
        "TranslateY": sign * int(level * height / 3 / 10),
    }
    return numbers.get(name, 0)


def crop_box(
    size: tuple[int, int],
    areas: Sequence[float],
    ratios: Sequence[float],
    place: tuple[float, float],
    allowed: tuple[float, float],
) -> tuple[int, int, int, int]:
    """Top, left, height, width: torchvision's RandomResizedCrop.get_params with its random numbers given in 0..1.

    Its last resort may have no pixel in one direction, and the crop then fails; here it has one.
    """
    height, width = size
    for area, ratio in zip(areas, ratios, strict=True):
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            return int(place[0] * (height - h + 1)), int(place[1] * (width - w + 1)), h, w
    w, h = width, height
    if width / height < min(allowed):
        h = max(1, round(w / min(allowed)))
    elif width / height > max(allowed):
        w = max(1, round(h * max(allowed)))
    return (height - h) // 2, (width - w) // 2, h, w


def moved(pixels: Pixels, down: int, right: int, fill: int | None) -> Pixels:
    """Every pixel comes from `down` below and `right` of it; outside the border is repeated, or `fill`."""
    reach = max(abs(down), abs(right))
    wide = ((reach, reach), (reach, reach), (0, 0))
    padded = np.pad(pixels, wide, "edge") if fill is None else np.pad(pixels, wide, constant_values=fill)
    height, width = pixels.shape[:2]
    return padded[reach + down :, reach + right :][:height, :width]


def cut_box(size: tuple[int, int], kept: float, middle: tuple[int, int]) -> tuple[int, int, int, int]:
    """Rows from, to and columns from, to: CutMix's rand_bbox (clovaai/CutMix-PyTorch)."""
    tall, wide = (int(side * math.sqrt(1 - kept)) for side in size)
    top, left = max(middle[0] - tall // 2, 0), max(middle[1] - wide // 2, 0)
    return top, min(middle[0] + tall // 2, size[0]), left, min(middle[1] + wide // 2, size[1])
