"""What processing does. Each function: floats (h, w, c) in 0..1, the authors' strength, a generator -> floats."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter, map_coordinates

from neocog.data.corruptions.noise import Floats, Strength


def brightness(x: Floats, strength: Strength, rng: Generator) -> Floats:
    """Adds `strength` to the value of hue, saturation and value, which keeps the proportions of the channels."""
    (more,) = strength
    value = x.max(axis=2, keepdims=True)
    brighter = np.clip(value + more, 0, 1)
    return np.asarray(np.where(value > 0, x * (brighter / np.where(value > 0, value, 1)), brighter))


def saturate(x: Floats, strength: Strength, rng: Generator) -> Floats:
    """The saturation times `strength[0]` plus `strength[1]`. What has no hue counts as red, as in scikit-image."""
    times, plus = strength
    value = x.max(axis=2, keepdims=True)
    spread = value - x.min(axis=2, keepdims=True)
    saturation = spread / np.where(value > 0, value, 1)
    wanted = np.clip(saturation * times + plus, 0, 1)
    below = np.where(spread > 0, (value - x) / np.where(spread > 0, spread, 1), [0.0, 1.0, 1.0])
    return np.asarray(value - value * wanted * below)


def contrast(x: Floats, strength: Strength, rng: Generator) -> Floats:
    """What differs from the mean of its channel is scaled by `strength`."""
    (times,) = strength
    mean = x.mean(axis=(0, 1), keepdims=True)
    return np.asarray((x - mean) * times + mean)


def pixelate(x: Floats, strength: Strength, rng: Generator) -> Floats:
    """Box-averaged to `strength` of the width and height, and back."""
    (share,) = strength
    height, width = x.shape[:2]
    picture = _picture(x)
    small = picture.resize((int(width * share), int(height * share)), Image.Resampling.BOX)
    return _floats(small.resize((width, height), Image.Resampling.BOX))


def jpeg_compression(x: Floats, strength: Strength, rng: Generator) -> Floats:
    """Through a JPEG file of quality `strength`, as Pillow writes it."""
    file = io.BytesIO()
    _picture(x).save(file, "JPEG", quality=int(strength[0]))
    return _floats(Image.open(file))


def elastic_transform(x: Floats, strength: Strength, rng: Generator) -> Floats:
    """A random affine map, then each point shifted by a smooth random field.

    `strength` = (height of the field, its smoothness, how far three points of the affine map move), in pixels. The
    affine map takes its samples exactly; OpenCV, which the authors use, at 1/32 of a pixel.
    """
    height_of_field, sigma, most = strength
    height, width = x.shape[:2]
    rows, columns = np.mgrid[:height, :width].astype(np.float64)
    matrix = affine(height, width, rng.uniform(-most, most, size=(3, 2)))
    across, down = np.tensordot(matrix, np.stack([columns, rows, np.ones_like(rows)]), axes=1)
    x = sampled(x, down, across, "mirror")
    across, down = (_smooth_field(rng, height, width, sigma) * height_of_field for _ in range(2))
    return sampled(x, rows + down, columns + across, "reflect")


def affine(height: int, width: int, shift: Floats) -> Floats:
    """(2, 3): from a point (x, y, 1) of the result to the point of the picture that is seen there.

    Three points around the middle are moved by the rows of `shift` (3, 2).
    """
    middle, side = np.array([height, width]) // 2, min(height, width) // 3
    points = middle + side * np.array([[1, 1], [1, -1], [-1, -1]])
    return np.asarray(np.linalg.solve(np.column_stack([points + shift, np.ones(3)]), points).T)


def _smooth_field(rng: Generator, height: int, width: int, sigma: float) -> Floats:
    field = rng.uniform(-1, 1, size=(height, width))
    return _smoother(height, sigma) @ field @ _smoother(width, sigma).T


@lru_cache(maxsize=16)
def _smoother(side: int, sigma: float) -> Floats:
    """(side, side): a Gaussian along a line as a matrix, since the widest reaches far beyond the picture."""
    return np.asarray(gaussian_filter(np.eye(side), (sigma, 0), mode="reflect", truncate=3))


def sampled(x: Floats, down: Floats, across: Floats, mode: str) -> Floats:
    """The values of `x` at the points (`down`, `across`), each (h, w), bilinear; `mode` is scipy's for the border."""
    channels = [map_coordinates(x[..., c], (down, across), order=1, mode=mode) for c in range(x.shape[2])]
    return np.stack(channels, axis=2)


def _picture(x: Floats) -> Image.Image:
    pixels: NDArray[np.uint8] = np.rint(x * 255).astype(np.uint8)
    return Image.fromarray(pixels[..., 0] if x.shape[2] == 1 else pixels)


def _floats(picture: Image.Image) -> Floats:
    pixels = np.asarray(picture) / 255
    return pixels[..., None] if pixels.ndim == 2 else pixels
