"""The one way from a picture to a network's input, used by training, evaluation, prediction and export alike."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from math import ceil
from typing import Any, Literal, get_args

import numpy as np
from PIL import Image

from neocog.data.decode import Box, Pixels, decode
from neocog.data.samples import Picture
from neocog.errors import UserError

ResizeMode = Literal["crop", "pad", "squash"]
Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos"]
Decoding = Literal["fast", "exact"]
FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


@dataclass(frozen=True, kw_only=True)
class Preprocess:
    """Resizing and normalisation. Called with a picture it returns uint8 pixels (height, width, channels)."""

    size: tuple[int, int]
    """height and width of the network's input"""
    channels: int = 3
    """1 for grey, 3 for RGB"""
    resize_mode: ResizeMode = "crop"
    """`crop` keeps the proportions and the middle, `pad` keeps all on a grey ground, `squash` distorts"""
    crop_pct: float = 1.0
    """share of the shorter edge that the middle crop keeps"""
    interpolation: Interpolation = "bicubic"
    """how pixels are mixed; always with antialiasing"""
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    """subtracted from each channel, in units of 0..1"""
    std: tuple[float, ...] = (0.5, 0.5, 0.5)
    """divides each channel after that, in units of 0..1"""
    decoding: Decoding = "fast"
    """`fast` lets libjpeg scale down while decoding, `exact` decodes every pixel"""

    def __post_init__(self) -> None:
        if len(self.size) != 2 or min(self.size) < 1:
            raise UserError(f"size must be a height and a width of at least 1, got {self.size}")
        if self.channels not in (1, 3):
            raise UserError(f"channels must be 1 (grey) or 3 (RGB), got {self.channels}")
        if not 0 < self.crop_pct <= 1:
            raise UserError(f"crop_pct must be above 0 and at most 1, got {self.crop_pct}")
        if len(self.mean) != self.channels or len(self.std) != self.channels or min(self.std) <= 0:
            raise UserError(
                f"mean and std need {self.channels} numbers each, std above 0, got {self.mean}, {self.std}"
            )
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
        wanted = (0, 0) if self.decoding == "exact" else (self._least(0), self._least(1))
        image, box = decode(picture, self.channels, wanted)
        if self.resize_mode == "pad":
            pixels = self._padded(image, box)
        else:
            box = self._middle(box) if self.resize_mode == "crop" else box
            pixels = image.resize(self.size[::-1], FILTERS[self.interpolation], box=box)
        array = np.asarray(pixels)
        return array[..., None] if self.channels == 1 else array

    def _least(self, axis: int) -> int:
        """The smallest extent that still has a source pixel for every pixel of the result."""
        return ceil(self.size[axis] / (self.crop_pct if self.resize_mode == "crop" else 1))

    def _middle(self, box: Box) -> Box:
        """The largest box of the result's proportions in the middle of `box`, times `crop_pct`."""
        left, top, right, bottom = box
        scale = min((right - left) / self.size[1], (bottom - top) / self.size[0]) * self.crop_pct
        half_w = min(scale * self.size[1], right - left) / 2  # rounding may lead out of the picture
        half_h = min(scale * self.size[0], bottom - top) / 2
        x, y = (left + right) / 2, (top + bottom) / 2
        return (x - half_w, y - half_h, x + half_w, y + half_h)

    def _padded(self, image: Image.Image, box: Box) -> Image.Image:
        wide, high = box[2] - box[0], box[3] - box[1]
        scale = min(self.size[1] / wide, self.size[0] / high)
        width, height = max(1, round(wide * scale)), max(1, round(high * scale))
        ground = Image.new(image.mode, self.size[::-1], 128 if self.channels == 1 else (128, 128, 128))
        small = image.resize((width, height), FILTERS[self.interpolation], box=box)
        ground.paste(small, ((self.size[1] - width) // 2, (self.size[0] - height) // 2))
        return ground

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Preprocess:
        known = {field.name for field in fields(cls)}
        if set(stored) != known:
            raise UserError(f"preprocessing must have the fields {sorted(known)}, got {sorted(stored)}")
        values: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in stored.items()}
        return cls(**values)
