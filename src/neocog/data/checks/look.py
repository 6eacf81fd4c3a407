"""One picture's facts: its header by Pillow, its pixels as every verb decodes them."""

from __future__ import annotations

import hashlib
import io
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np
import simplejpeg
from PIL import Image, ImageStat

from neocog.data.checks.facts import FACT, Facts
from neocog.data.checks.hashes import hashes, thumbnail
from neocog.data.decode import FORMATS, TURNS, Decoded, decode
from neocog.data.samples import Picture, Samples, content_hash, held
from neocog.errors import Unreadable

LEAST = 64  # pixels of the shorter side that a JPEG keeps when it is decoded at a reduced scale
SUFFIXES = {
    "AVIF": (".avif",),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "MPO": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png",),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
}
BITS = {"1": 1, "I;16": 16, "I;16B": 16, "I;16L": 16, "I": 16, "F": 32}
GREY = 4  # levels by which the channels of a grey picture may differ after JPEG
ENDS = {"PNG": b"IEND\xaeB\x60\x82", "GIF": b"\x3b"}
PNG_DEPTH = 24  # place of the bit depth in a PNG file (RFC 2083, 4.1.1)
TAIL = 64  # bytes among which a file's end mark must be: some programs write a little behind it


class Look(NamedTuple):
    """A picture's row of facts, and what is wrong with it: (kind, words), none where all is well."""

    row: Facts
    troubles: tuple[tuple[str, str], ...]


class Header(NamedTuple):
    format: str
    mode: str
    bits: int
    orientation: int
    frames: int
    alpha: bool


def look(samples: Samples, index: int) -> Look:
    """Read and decode one picture."""
    row = np.zeros((), FACT)
    try:
        picture = samples.read(index)
        row["content"] = np.frombuffer(content_hash(picture), np.uint8)
    except Unreadable as reason:
        return Look(row, ((unreadable_kind(str(reason)), str(reason)),))
    row["bytes"] = len(picture) if isinstance(picture, bytes) else np.asarray(picture).nbytes
    try:
        decoded = decode(picture, 3, (LEAST, LEAST))
    except Unreadable as reason:
        return Look(row, ((unreadable_kind(str(reason)), str(reason)),))
    head = header(picture)
    _fill(row, head, decoded)
    row["width"], row["height"] = size = _size(decoded)
    row["scaled"] = decoded.scale < 1
    row["pixels"] = np.frombuffer(pixel_hash(decoded.image, size), np.uint8)
    suffix = PurePosixPath(samples.name(index).replace("\\", "/")).suffix.lower()
    row["wrong_suffix"] = bool(suffix) and suffix not in SUFFIXES.get(head.format, (suffix,))
    return Look(row, tuple(_complaints(picture, head, bool(row["scaled"]))))


def unreadable_kind(reason: str) -> str:
    """Which kind of finding a reason of `decode` or of `Samples.read` is."""
    starts = (
        ("empty file", "empty"),
        ("not a picture", "not-a-picture"),
        ("decompression bomb", "bomb"),
        ("cannot be opened", "unopened"),
    )
    kind = next((kind for start, kind in starts if reason.startswith(start)), None)
    return kind or ("truncated" if "truncated" in reason else "corrupt")


def header(picture: Picture) -> Header:
    """What the file says of itself before any pixel is decoded."""
    if isinstance(picture, bytes):
        with Image.open(io.BytesIO(picture), formats=FORMATS) as image:
            found = _header(image, image.format or "")
        deep = (
            found.format == "PNG" and picture[PNG_DEPTH] == 16
        )  # Pillow makes 8 of 16 where there are colours
        return found._replace(bits=16) if deep else found
    if isinstance(picture, Image.Image):
        return _header(picture, picture.format or "PIL")
    channels = picture.shape[-1] if picture.ndim == 3 else 1
    mode = {1: "L", 3: "RGB", 4: "RGBA"}.get(channels, "")
    return Header("array", mode, 8 * picture.dtype.itemsize, 1, 1, channels == 4)


def _header(image: Image.Image, kind: str) -> Header:
    alpha = "A" in image.getbands() or "transparency" in image.info
    return Header(kind, image.mode, BITS.get(image.mode, 8), held(image), _frames(image), alpha)


def _frames(image: Image.Image) -> int:
    try:
        return int(getattr(image, "n_frames", 1))
    except Exception:  # the first frame is sound, a later one is not
        return 1


def pixel_hash(image: Image.Image, size: tuple[int, int]) -> bytes:
    """Start of the SHA-256 of a picture's pixels and of the size that it has in full."""
    return hashlib.sha256(repr((size, image.size)).encode() + image.tobytes()).digest()[:16]


def _fill(row: Facts, head: Header, decoded: Decoded) -> None:
    for name, value in head._asdict().items():
        row[name] = value
    row["readable"] = True
    grey = decoded.image.convert("L")
    levels = ImageStat.Stat(grey)
    row["mean"], row["deviation"] = levels.mean[0], levels.stddev[0]
    small = np.asarray(decoded.image.resize((16, 16), Image.Resampling.BOX, decoded.box), np.int16)
    row["colour"] = (small.max(axis=2) - small.min(axis=2)).max() > GREY
    row["thumb"] = thumbnail(grey, decoded.box)
    for name, value in hashes(grey, decoded.box)._asdict().items():
        row[name] = value


def _size(decoded: Decoded) -> tuple[int, int]:
    """Width and height in full, upright."""
    height, width = decoded.full
    return (height, width) if TURNS[decoded.orientation].turned else (width, height)


def _complaints(picture: Picture, head: Header, scaled: bool) -> list[tuple[str, str]]:
    """`scaled`: libjpeg-turbo decoded it without a complaint, since only that decodes at a reduced scale."""
    if not isinstance(picture, bytes) or scaled:
        return []
    if head.format in ("JPEG", "MPO"):
        return [] if head.mode == "CMYK" else _jpeg_complaints(picture)
    end = ENDS.get(head.format)
    if end and end not in picture[-TAIL:]:
        return [("cut", f"the end mark of a {head.format} file is missing; the pixels are all there")]
    return []


def _jpeg_complaints(data: bytes) -> list[tuple[str, str]]:
    """What libjpeg says of a file that Pillow decodes without a word, some of its pixels being made up."""
    try:
        simplejpeg.decode_jpeg(data, "GRAY", min_height=1, min_width=1)
    except ValueError as complaint:
        return [("damaged", f"decoded, but libjpeg says: {complaint}")]
    return []
