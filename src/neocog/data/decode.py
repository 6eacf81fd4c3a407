"""An encoded file, an array or a PIL picture becomes 8-bit pixels, upright, grey or RGB."""

from __future__ import annotations

import io
from math import ceil
from struct import error as struct_error
from struct import unpack_from
from typing import NamedTuple

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from neocog.data.samples import ORIENTATION, Picture, held
from neocog.errors import Unreadable

MAX_PIXELS = 178_956_970  # where Pillow takes a file for a decompression bomb
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
SUFFIXES = (
    ".bmp",
    ".gif",
    ".jfif",
    ".jpe",
    ".jpeg",
    ".jpg",
    ".pbm",
    ".pgm",
    ".png",
    ".pnm",
    ".ppm",
    ".tif",
    ".tiff",
    ".webp",
)
Pixels = NDArray[np.uint8]
Box = tuple[float, float, float, float]
"""left, top, right, bottom"""


class Decoded(NamedTuple):
    """Pixels, and where on them the picture lies: decoding at a scale may leave a last row or column half empty."""

    image: Image.Image
    box: Box


def decode(picture: Picture, channels: int, wanted: tuple[int, int] = (0, 0)) -> Decoded:
    """The picture upright and in mode L (1 channel) or RGB (3 channels); raises `Unreadable` with the reason.

    EXIF orientation is applied, transparency lies on white, 16 bits become 8, of an animation the first frame is
    taken. `wanted` (height, width) allows a JPEG to be decoded at a smaller scale, never below that size.
    """
    mode = "L" if channels == 1 else "RGB"
    try:
        if isinstance(picture, bytes):
            fast = _turbo(picture, mode, wanted) if picture[:3] == b"\xff\xd8\xff" else None
            return fast or _whole(_pillow(picture, mode))
        image = picture if isinstance(picture, Image.Image) else _from_array(np.asarray(picture))
        image.load()  # a TIFF file is turned by this, and others may only now prove damaged
        return _whole(_to_mode(_upright(image, held(image)), mode))
    except Unreadable:
        raise
    except UnidentifiedImageError:
        raise Unreadable(f"not a picture in a known format ({', '.join(FORMATS)})") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Unreadable("decompression bomb: more pixels than any camera makes") from None
    except MemoryError:
        raise Unreadable("does not fit into memory") from None
    except Exception as error:  # a decoder may raise anything on a damaged file
        raise Unreadable(f"damaged: {error or type(error).__name__}") from error


def _whole(image: Image.Image) -> Decoded:
    return Decoded(image, (0, 0, *image.size))


def _turbo(data: bytes, mode: str, wanted: tuple[int, int]) -> Decoded | None:
    """A JPEG through libjpeg-turbo; None where Pillow must look at it (CMYK, damaged, or merely unusual)."""
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(data)
        if space in ("CMYK", "YCCK"):
            return None
        _refuse_bomb(width, height)
        orientation = _orientation(data)
        if orientation >= 5:  # turned by a quarter: what is asked for as height is the file's width
            wanted = (wanted[1], wanted[0])
        least = [min(want, have) for want, have in zip(wanted, (height, width), strict=True)]
        colour = "GRAY" if mode == "L" else "RGB"
        scaled = {"min_height": least[0], "min_width": least[1]} if min(least) > 0 else {}
        pixels = simplejpeg.decode_jpeg(data, colour, **scaled)
    except ValueError as error:
        if isinstance(error, Unreadable):
            raise
        return None
    image = Image.fromarray(pixels[..., 0] if mode == "L" else pixels)
    return Decoded(_upright(image, orientation), _box(image.size, (width, height), orientation))


def _box(size: tuple[int, int], full: tuple[int, int], orientation: int) -> Box:
    """Where a picture of `full` (width, height) lies on its `size` scaled pixels, once these are upright."""
    eighths = next(n for n in range(8, 0, -1) if size == tuple(ceil(side * n / 8) for side in full))
    width, height = (side * eighths / 8 for side in full)
    right, below = size[0] - width, size[1] - height
    if orientation >= 5:
        width, height, right, below = height, width, below, right
    left, top = right * (orientation in (2, 3, 6, 7)), below * (orientation in (3, 4, 7, 8))
    return (left, top, left + width, top + height)


def _pillow(data: bytes, mode: str) -> Image.Image:
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        _refuse_bomb(*image.size)
        image.load()
        orientation = _orientation(data) if image.format in ("JPEG", "MPO") else held(image)
        return _to_mode(_upright(image, orientation), mode)


def _to_mode(image: Image.Image, mode: str) -> Image.Image:
    if image.mode == mode and "transparency" not in image.info:
        return image
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image = _sixteen_bits(image)
    if "A" in image.getbands() or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        image = Image.alpha_composite(white, rgba)
    return image.convert(mode)


def _sixteen_bits(image: Image.Image) -> Image.Image:
    """65,535 grey levels as 255; Pillow itself would clip them."""
    if image.mode == "F":
        raise Unreadable("floating-point pixels have no agreed range; save it with 8 or 16 bits")
    levels = np.asarray(image).astype(np.int64).clip(0, 65_535)
    return Image.fromarray(((levels + 128) // 257).astype(np.uint8))


def _from_array(array: NDArray[np.generic]) -> Image.Image:
    """uint8 as it is; other numbers are taken to lie in 0..1 if none is above 1, else in 0..255."""
    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[-1] not in (3, 4)) or 0 in array.shape:
        raise Unreadable(f"a picture is (height, width) or (height, width, 1, 3 or 4), got {array.shape}")
    if array.dtype == np.uint16:
        array = (array.astype(np.int64) + 128) // 257
    elif array.dtype != np.uint8:
        numbers = array.astype(np.float64)
        if not np.isfinite(numbers).all():
            raise Unreadable("pixels must be finite numbers, got NaN or infinity")
        array = np.rint(numbers * (255 if numbers.max() <= 1 and array.dtype.kind in "fb" else 1)).clip(
            0, 255
        )
    return Image.fromarray(array.astype(np.uint8))


def _orientation(data: bytes) -> int:
    """How the camera was held, 1 (upright) to 8: tag 0x0112 of the first directory of a JPEG's EXIF block."""
    start = data.find(b"Exif\0\0", 0, 65_536) + 6
    order = {b"II": "<", b"MM": ">"}.get(data[start : start + 2]) if start > 5 else None
    if order is None:
        return 1
    try:
        directory = start + unpack_from(order + "I", data, start + 4)[0]
        for entry in range(unpack_from(order + "H", data, directory)[0]):
            tag, _, _, value = unpack_from(order + "HHIH", data, directory + 2 + 12 * entry)
            if tag == ORIENTATION:
                return int(value) if value in TURNS else 1
    except struct_error:  # a damaged block says nothing about the picture
        return 1
    return 1


TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(TURNS[orientation]) if orientation in TURNS else image


def _refuse_bomb(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise Unreadable(f"decompression bomb: {width} x {height} pixels, more than {MAX_PIXELS:,}")
