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

from neocog.data.resize import Pixels as Pixels
from neocog.data.samples import ORIENTATION, Picture, held
from neocog.errors import Unreadable

MAX_PIXELS = 178_956_970  # where Pillow takes a file for a decompression bomb
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
SUFFIXES = (
    ".avif",
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
WHITE = (255, 255, 255)


class Decoded(NamedTuple):
    """Pixels as the file stores them, how to turn them, and what part of them the picture is."""

    pixels: Pixels
    """(height, width, 1 or 3)"""
    orientation: int = 1
    """EXIF's 1 (upright) to 8; see `upright`"""
    scale: float = 1.0
    """stored pixels per pixel of the picture: below 1 where a JPEG was decoded at a smaller scale"""
    full: tuple[int, int] = (0, 0)
    """height and width of the picture before it was scaled down, as the file stores it"""

    @property
    def image(self) -> Image.Image:
        """The whole picture upright, in mode L or RGB."""
        pixels = np.ascontiguousarray(upright(self.pixels, self.orientation))
        return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)

    @property
    def shown(self) -> tuple[int, int]:
        """Height and width of the picture before it was scaled down, as a viewer shows it."""
        height, width = self.full
        return (width, height) if TURNS[self.orientation].turned else (height, width)

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of the picture on `image`: scaled down, its last row or column may be half empty."""
        turned, mirrored, upturned = TURNS[self.orientation]
        height, width = (side * self.scale for side in self.full)
        left = self.pixels.shape[1] - width if mirrored else 0.0
        top = self.pixels.shape[0] - height if upturned else 0.0
        box = (left, top, left + width, top + height)
        return (box[1], box[0], box[3], box[2]) if turned else box


def decode(
    picture: Picture,
    channels: int,
    wanted: tuple[int, int] = (0, 0),
    background: tuple[int, int, int] = WHITE,
    exif: bool = True,
) -> Decoded:
    """The picture's pixels, grey (1 channel) or RGB (3 channels); raises `Unreadable` with the reason.

    Transparency shows the `background`, 16 bits become 8, of an animation the first frame is taken. `wanted` (height,
    width, as a viewer sees it) allows a JPEG to be decoded at a smaller scale, never below that size. Without `exif`
    the picture is taken to be stored upright.
    """
    mode = "L" if channels == 1 else "RGB"
    try:
        if isinstance(picture, bytes):
            turbo = _turbo(picture, mode, wanted, exif) if picture[:3] == b"\xff\xd8\xff" else None
            decoded = turbo or _pillow(picture, mode, background)
        else:
            decoded = _in_memory(picture, mode, background)
        return decoded if exif else decoded._replace(orientation=1)
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


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """A view of stored `pixels` (height, width, ...) as a viewer that obeys EXIF's orientation shows them."""
    turned, mirrored, upturned = TURNS.get(orientation, TURNS[1])
    if mirrored:
        pixels = pixels[:, ::-1]
    if upturned:
        pixels = pixels[::-1]
    return pixels.swapaxes(0, 1) if turned else pixels


def _in_memory(
    picture: Image.Image | NDArray[np.generic], mode: str, background: tuple[int, int, int]
) -> Decoded:
    if isinstance(picture, Image.Image):
        picture.load()  # a TIFF file is turned by this, and others may only now prove damaged
        return _whole(_to_mode(picture, mode, background), held(picture))
    array = _as_bytes(np.asarray(picture))
    if mode == "RGB" and array.shape[2:] == (3,):  # spares two copies by Pillow
        return Decoded(array, full=(array.shape[0], array.shape[1]))
    return _whole(_to_mode(Image.fromarray(array), mode, background), 1)


def _whole(image: Image.Image, orientation: int) -> Decoded:
    pixels = np.asarray(image).reshape(image.height, image.width, -1)
    return Decoded(pixels, orientation if orientation in TURNS else 1, 1.0, (image.height, image.width))


def _turbo(data: bytes, mode: str, wanted: tuple[int, int], exif: bool) -> Decoded | None:
    """A JPEG through libjpeg-turbo; None where Pillow must look at it (CMYK, damaged, or merely unusual)."""
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(data)
        if space in ("CMYK", "YCCK"):
            return None
        _refuse_bomb(width, height)
        orientation = _orientation(data) if exif else 1
        eighths = _eighths((height, width), wanted[::-1] if TURNS[orientation].turned else wanted)
        scaled = {"min_height": ceil(height * eighths / 8), "min_width": ceil(width * eighths / 8)}
        pixels = simplejpeg.decode_jpeg(data, "GRAY" if mode == "L" else "RGB", **scaled)
    except ValueError as error:
        if isinstance(error, Unreadable):
            raise
        return None
    return Decoded(pixels, orientation, eighths / 8, (height, width))


def _eighths(full: tuple[int, int], wanted: tuple[int, int]) -> int:
    """In how many eighths of its size to decode a JPEG: one, two or four if that is enough, else all.

    libjpeg-turbo has fast inverse transforms for these alone: five, six or seven take longer than all eight.
    """
    if min(wanted) < 1 or max(full) < 8:  # below eight pixels two scales can round to one size
        return 8
    enough = (n for n in (1, 2, 4) if full[0] * n >= 8 * wanted[0] and full[1] * n >= 8 * wanted[1])
    return next(enough, 8)


def _pillow(data: bytes, mode: str, background: tuple[int, int, int]) -> Decoded:
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        _refuse_bomb(*image.size)
        image.load()
        orientation = _orientation(data) if image.format in ("JPEG", "MPO") else held(image)
        return _whole(_to_mode(image, mode, background), orientation)


def _to_mode(image: Image.Image, mode: str, background: tuple[int, int, int]) -> Image.Image:
    if image.mode == mode and "transparency" not in image.info:
        return image
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image = _sixteen_bits(image)
    if "A" in image.getbands() or "transparency" in image.info:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, background), rgba)
    return image.convert(mode)


def _sixteen_bits(image: Image.Image) -> Image.Image:
    """65,535 grey levels as 255; Pillow itself would clip them."""
    if image.mode == "F":
        raise Unreadable("floating-point pixels have no agreed range; save it with 8 or 16 bits")
    levels = np.asarray(image).astype(np.int64).clip(0, 65_535)
    return Image.fromarray(((levels + 128) // 257).astype(np.uint8))


def _as_bytes(array: NDArray[np.generic]) -> Pixels:
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
    return array.astype(np.uint8, copy=False)


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


class Turn(NamedTuple):
    """From stored pixels to an upright picture: first the mirrors, then columns for rows."""

    turned: bool
    """exchange rows and columns, after the mirrors"""
    mirrored: bool
    """left for right"""
    upturned: bool
    """top for bottom"""


TURNS = {
    1: Turn(False, False, False),
    2: Turn(False, True, False),
    3: Turn(False, True, True),
    4: Turn(False, False, True),
    5: Turn(True, False, False),
    6: Turn(True, False, True),
    7: Turn(True, True, True),
    8: Turn(True, True, False),
}
"""EXIF's orientations (Exif 2.3, tag 274)"""


def _refuse_bomb(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise Unreadable(f"decompression bomb: {width} x {height} pixels, more than {MAX_PIXELS:,}")
