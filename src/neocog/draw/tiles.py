"""Arrays as pixels: scaled to colours, enlarged without blur, laid side by side, with rectangles drawn on them."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
"""(height, width, 3)"""
Box = tuple[int, int, int, int]
"""top, left, bottom, right in pixels, ends excluded"""
GREY = 128
ORANGE = (232, 72, 32)
PAPER = 255
EXACT = 256 * 256
"""pixels up to which a picture is kept exactly on a page; larger ones are a JPEG there, and exact as a file"""
CRISP = 160
"""pixels of a side up to which they are shown as squares"""
TINY = 1e-12

# blue through white to red, and black through purple and orange to pale yellow: equal steps look equal
DIVERGING = ((33, 86, 150), (120, 170, 214), (247, 246, 243), (232, 150, 112), (168, 40, 46))
GLOWING = ((8, 6, 20), (72, 22, 96), (158, 44, 92), (226, 98, 58), (250, 178, 74), (252, 246, 190))


def rgb(pixels: NDArray[np.uint8]) -> Pixels:
    """uint8 (height, width), (height, width, 1) or (height, width, 3) as three colours."""
    planes = pixels if pixels.ndim == 3 else pixels[..., None]
    return np.repeat(planes, 3, axis=2) if planes.shape[2] == 1 else planes


def around_grey(values: NDArray[Any], largest: float | None = None) -> NDArray[np.uint8]:
    """Signed `values` with 0 as middle grey: 0.5 + v / (2 max|v|), the scale of Zeiler and Fergus's pictures."""
    most = float(np.abs(values).max()) if largest is None else largest
    return np.asarray(np.rint(255 * (0.5 + values / (2 * max(most, TINY))).clip(0, 1)), np.uint8)


def signed(values: NDArray[Any], largest: float | None = None) -> Pixels:
    """(height, width) of any sign: below 0 blue, 0 white, above 0 red."""
    most = float(np.abs(values).max()) if largest is None else largest
    return _coloured(0.5 + values / (2 * max(most, TINY)), DIVERGING)


def glowing(values: NDArray[Any], low: float = 0.0, high: float | None = None) -> Pixels:
    """(height, width), from `low`, dark, to `high` or the largest, bright."""
    top = float(values.max()) if high is None else high
    return _coloured((values - low) / max(top - low, TINY), GLOWING)


def overlaid(picture: NDArray[np.uint8], values: NDArray[Any], strength: float = 0.6) -> Pixels:
    """`values` >= 0 of any size, enlarged smoothly, glowing over a grey `picture` (height, width, 1 or 3)."""
    height, width = picture.shape[:2]
    scaled = Image.fromarray(np.asarray(values / max(float(values.max()), TINY), np.float32))
    heat = np.asarray(scaled.resize((width, height), Image.Resampling.BILINEAR)).clip(0, 1)
    grey = rgb(picture).mean(axis=2, keepdims=True).repeat(3, axis=2)
    return np.asarray(np.rint(grey * (1 - strength) + glowing(heat, high=1.0) * strength), np.uint8)


def _coloured(share: NDArray[Any], colours: Sequence[tuple[int, int, int]]) -> Pixels:
    at = np.asarray(share, np.float64).clip(0, 1) * (len(colours) - 1)
    planes = [np.interp(at, range(len(colours)), plane) for plane in zip(*colours, strict=True)]
    return np.asarray(np.rint(np.stack(planes, axis=-1)), np.uint8)


def enlarged(pixels: Pixels, least: int) -> Pixels:
    """By a whole factor, each pixel a square, until the longer side has at least `least` pixels."""
    factor = max(1, ceil(least / max(pixels.shape[:2])))
    return np.asarray(pixels.repeat(factor, axis=0).repeat(factor, axis=1))


def resized(pixels: Pixels, height: int, width: int) -> Pixels:
    """Smoothly, to any size."""
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS))


def mosaic(tiles: Sequence[Pixels], columns: int, gap: int = 2) -> Pixels:
    """Tiles of one size (height, width, 3) row by row, `gap` white pixels between them."""
    height, width = tiles[0].shape[:2]
    rows = ceil(len(tiles) / columns)
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), PAPER, np.uint8)
    for i, tile in enumerate(tiles):
        top, left = i // columns * (height + gap), i % columns * (width + gap)
        sheet[top : top + height, left : left + width] = tile
    return sheet


def cut(pixels: NDArray[Any], box: Box, ground: int = GREY) -> NDArray[Any]:
    """The rectangle of (height, width, channels); what lies outside the picture is `ground`."""
    top, left, bottom, right = box
    height, width = pixels.shape[:2]
    out = np.full((bottom - top, right - left, pixels.shape[2]), ground, pixels.dtype)
    y0, x0, y1, x1 = max(top, 0), max(left, 0), min(bottom, height), min(right, width)
    if y0 < y1 and x0 < x1:
        out[y0 - top : y1 - top, x0 - left : x1 - left] = pixels[y0:y1, x0:x1]
    return out


def outlined(pixels: Pixels, box: Box, colour: tuple[int, int, int] = ORANGE, line: int = 2) -> Pixels:
    """A copy with the border of a rectangle, inside it; what lies outside the picture is not drawn."""
    out = pixels.copy()
    top, left, bottom, right = box
    height, width = out.shape[:2]

    def fill(y0: int, y1: int, x0: int, x1: int) -> None:
        out[max(y0, 0) : max(min(y1, height), 0), max(x0, 0) : max(min(x1, width), 0)] = colour

    down, across = min(line, bottom - top), min(line, right - left)
    fill(top, top + down, left, right)
    fill(bottom - down, bottom, left, right)
    fill(top, bottom, left, left + across)
    fill(top, bottom, right - across, right)
    return out


def png(pixels: Pixels) -> bytes:
    """The file's bytes."""
    return _encoded(pixels, "PNG", {})


def uri(pixels: Pixels, exact: bool, quality: int = 90) -> str:
    """An address that holds the picture itself: a PNG where it is to be `exact`, else a JPEG."""
    kind, options = ("png", {}) if exact else ("jpeg", {"quality": quality})
    code = base64.b64encode(_encoded(pixels, kind.upper(), options)).decode()
    return f"data:image/{kind};base64,{code}"


def plate_uri(pixels: Pixels) -> str:
    """The same of a picture among few, exact up to `EXACT` pixels."""
    return uri(pixels, pixels.shape[0] * pixels.shape[1] <= EXACT)


def crisp(pixels: Pixels) -> bool:
    """Whether it is so small that its pixels are shown as squares."""
    return bool(max(pixels.shape[:2]) <= CRISP)


def _encoded(pixels: Pixels, kind: str, options: dict[str, int]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind, optimize=True, **options)
    return out.getvalue()
