"""The one way from a picture to a network's input, used by training, evaluation, prediction and export alike."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from math import floor
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from PIL import Image

from neocog.data.decode import TURNS, WHITE, Decoded, Turn, decode, upright
from neocog.data.resize import Box, Pixels, resize, tall
from neocog.data.samples import Picture
from neocog.errors import UserError, unknown

ResizeMode = Literal["crop", "pad", "squash"]
Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos"]
Decoding = Literal["fast", "exact"]
Colour = tuple[int, int, int]
EARLIER = {"background": WHITE, "padding": (128, 128, 128), "exif": True, "whole_pixels": False}
"""what the fields that bundles once lacked were fixed to"""


@dataclass(frozen=True, kw_only=True)
class Preprocess:
    """Resizing and normalisation. Called with a picture it returns uint8 pixels (height, width, channels)."""

    size: tuple[int, int]
    """height and width of the network's input"""
    channels: int = 3
    """1 for grey, 3 for RGB"""
    resize_mode: ResizeMode = "crop"
    """`crop` keeps the proportions and the middle, `pad` keeps all on a plain ground, `squash` distorts"""
    crop_pct: float = 1.0
    """share of the shorter edge that the middle crop keeps"""
    whole_pixels: bool = True
    """resize to a whole number of pixels and crop whole ones, as torchvision and timm do; else the exact middle"""
    interpolation: Interpolation = "bicubic"
    """how pixels are mixed; always with antialiasing"""
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    """subtracted from each channel, in units of 0..1"""
    std: tuple[float, ...] = (0.5, 0.5, 0.5)
    """divides each channel after that, in units of 0..1"""
    decoding: Decoding = "exact"
    """`exact` decodes every pixel, `fast` lets libjpeg scale a large JPEG down while decoding"""
    exif: bool = True
    """turn a picture upright as its EXIF tag says"""
    background: Colour = WHITE
    """RGB colour behind what is transparent"""
    padding: Colour = (128, 128, 128)
    """RGB colour around a picture that `pad` makes fit"""

    def __post_init__(self) -> None:
        for name in ("size", "mean", "std"):
            if not isinstance(getattr(self, name), tuple):
                raise UserError(f"{name} must be a tuple of numbers, got {getattr(self, name)!r}")
        if len(self.size) != 2 or min(self.size) < 1:
            raise UserError(f"size must be a height and a width of at least 1, got {self.size}")
        if self.channels not in (1, 3):
            raise UserError(f"channels must be 1 (grey) or 3 (RGB), got {self.channels}")
        if not 0 < self.crop_pct <= 1:
            raise UserError(f"crop_pct must be above 0 and at most 1, got {self.crop_pct}")
        if len(self.mean) != self.channels or len(self.std) != self.channels or min(self.std) <= 0:
            raise UserError(
                f"mean and std need a number for each channel ({self.channels}), std above 0, "
                f"got {self.mean} and {self.std}"
            )
        self._check_choices()

    def _check_choices(self) -> None:
        for name in ("background", "padding"):
            colour = getattr(self, name)
            if len(colour) != 3 or not all(isinstance(v, int) and 0 <= v <= 255 for v in colour):
                raise UserError(f"{name} must be three whole numbers from 0 to 255, got {colour}")
        for name, kind in (
            ("resize_mode", ResizeMode),
            ("interpolation", Interpolation),
            ("decoding", Decoding),
        ):
            if getattr(self, name) not in get_args(kind):
                raise UserError(
                    f"{name} must be one of {', '.join(get_args(kind))}, got {getattr(self, name)!r}"
                )

    def __call__(self, picture: Picture) -> Pixels:
        """uint8 pixels (height, width, channels); raises `Unreadable` with the reason."""
        return self.of(self.decoded(picture, self.edges()))

    def decoded(self, picture: Picture, wanted: tuple[int, int]) -> Decoded:
        """The picture as it is decoded; where that is fast, to a size not below `wanted` (height, width)."""
        least = (0, 0) if self.decoding == "exact" else wanted
        return decode(picture, self.channels, least, self.background, self.exif)

    def of(self, decoded: Decoded) -> Pixels:
        """What a call makes of a picture, once that is decoded."""
        return self._on_ground(self._resized(decoded))

    def edges(self) -> tuple[int, int]:
        """Height and width between resizing and the crop, of a picture with the proportions of the result."""
        share = self.crop_pct if self.resize_mode == "crop" else 1.0
        # 224 / (224 / 232) is 231.99999999999997
        height, width = (floor(side / share + 1e-6) for side in self.size)
        return height, width

    def _place(self, full: tuple[int, int]) -> Place:
        """Where on an upright picture of `full` (height, width) the result lies."""
        height, width = full
        whole = (0.0, 0.0, float(width), float(height))
        if self.resize_mode == "squash":
            return Place(whole, self.size, self.size)
        if self.resize_mode == "pad":
            scale = min(self.size[1] / width, self.size[0] / height)
            size = max(1, round(height * scale)), max(1, round(width * scale))
            return Place(whole, size, size)
        if self.whole_pixels:
            return _centre_crop(full, shorter_to(full, self.edges()), self.size)
        return Place(_middle(full, self.size, self.crop_pct), self.size, self.size)

    def _resized(self, decoded: Decoded) -> Pixels:
        """The part that counts, resized as the file stores it and turned afterwards, when it is small."""
        turn = TURNS[decoded.orientation]
        full = decoded.shown
        box, size, resized = self._place(full)
        before = round(full[0] * decoded.scale), round(full[1] * decoded.scale)
        pixels = resize(
            decoded.pixels,
            _stored(box, full, turn, decoded.scale),
            size[::-1] if turn.turned else size,
            self.interpolation,
            tall(before, resized) != turn.turned,
        )
        return upright(pixels, decoded.orientation)

    def _on_ground(self, pixels: Pixels) -> Pixels:
        """`pixels` in the middle of the result; they fill it unless the mode is `pad`."""
        if pixels.shape[:2] == self.size:
            return np.ascontiguousarray(pixels)
        colour = Image.new("RGB", (1, 1), self.padding).convert("RGB" if self.channels == 3 else "L")
        ground = np.empty((*self.size, self.channels), np.uint8)
        ground[:] = np.asarray(colour).reshape(self.channels)
        top, left = ((side - have) // 2 for side, have in zip(self.size, pixels.shape[:2], strict=True))
        ground[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
        return ground

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Preprocess:
        """What `to_json` gave; also by a neocog whose bundles lacked the fields in `EARLIER`."""
        known = {field.name for field in fields(cls)}
        for name in stored:
            if name not in known:
                raise unknown("field of the preprocessing", name, sorted(known))
        lacking = sorted(known - set(EARLIER) - set(stored))
        if lacking:
            raise UserError(f"preprocessing must be said in full, it lacks {', '.join(lacking)}")
        values: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in stored.items()}
        return cls(**{**EARLIER, **values})


class Place(NamedTuple):
    """A part of a picture and the size it comes in."""

    box: Box
    size: tuple[int, int]
    """height and width of the part once it is resized"""
    resized: tuple[int, int]
    """height and width of the whole picture at that scale"""


def shorter_to(full: tuple[int, int], edges: tuple[int, int]) -> tuple[int, int]:
    """Height and width of a picture whose shorter edge is resized, as torchvision's Resize counts (square inputs)
    or timm's ResizeKeepRatio (oblong ones)."""
    height, width = full
    if edges[0] != edges[1]:
        ratio = min(height / edges[0], width / edges[1])
        return round(height / ratio), round(width / ratio)
    if width <= height:
        return int(edges[0] * height / width), edges[0]
    return edges[0], int(edges[0] * width / height)


def _centre_crop(full: tuple[int, int], resized: tuple[int, int], size: tuple[int, int]) -> Place:
    """torchvision's CenterCrop of `size` out of `resized`, as a box of the picture before."""
    top, left = (round((have - want) / 2) for have, want in zip(resized, size, strict=True))
    y, x = full[0] / resized[0], full[1] / resized[1]
    right, bottom = min((left + size[1]) * x, full[1]), min((top + size[0]) * y, full[0])
    return Place((left * x, top * y, right, bottom), size, resized)


def _middle(full: tuple[int, int], size: tuple[int, int], share: float) -> Box:
    """The largest box of the proportions of `size` in the middle of `full` (height, width), times `share`."""
    height, width = full
    scale = min(width / size[1], height / size[0]) * share
    half_w = min(scale * size[1], width) / 2  # rounding may lead out of the picture
    half_h = min(scale * size[0], height) / 2
    return (width / 2 - half_w, height / 2 - half_h, width / 2 + half_w, height / 2 + half_h)


def _stored(box: Box, full: tuple[int, int], turn: Turn, scale: float) -> Box:
    """A box of the upright picture of `full` (height, width) as a box of its pixels, stored as `turn` undoes."""
    left, top, right, bottom = box
    height, width = full
    if turn.turned:
        left, top, right, bottom, height, width = top, left, bottom, right, width, height
    if turn.mirrored:
        left, right = width - right, width - left
    if turn.upturned:
        top, bottom = height - bottom, height - top
    return (left * scale, top * scale, right * scale, bottom * scale)
