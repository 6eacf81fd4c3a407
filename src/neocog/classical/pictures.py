"""What every system here does first: look at a picture's form, make it grey, bring it to a size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from neocog.errors import UserError

Picture = NDArray[np.uint8]
"""(height, width) or (height, width, 3)"""
Pictures = Sequence[Picture]
Floats = NDArray[np.float32]


class TooSmall(UserError):
    """A picture with too few pixels for what is to be found in it."""


LUMA = np.array((0.299, 0.587, 0.114), np.float32)  # ITU-R BT.601


def checked(picture: object) -> Picture:
    """The picture, or UserError where it is none."""
    if isinstance(picture, np.ndarray) and picture.dtype == np.uint8 and is_picture(picture.shape):
        return picture
    given = f"{picture.dtype} {picture.shape}" if isinstance(picture, np.ndarray) else type(picture).__name__
    raise UserError(f"a picture must be a uint8 array (height, width) or (height, width, 3), got {given}")


def is_picture(shape: tuple[int, ...]) -> bool:
    return 0 not in shape and (len(shape) == 2 or (len(shape) == 3 and shape[2] == 3))


def described(pictures: Pictures, describe: Callable[[Picture], Floats]) -> Floats:
    """What `describe` says of each picture, a row a picture; an error names the picture that caused it."""
    rows = []
    for index, picture in enumerate(pictures):
        try:
            rows.append(describe(checked(picture)))
        except UserError as error:
            raise type(error)(f"picture {index}: {error}") from None
    if not rows:
        raise UserError("there must be at least one picture, got none")
    return np.stack(rows).astype(np.float32, copy=False)


def grey(picture: Picture) -> Floats:
    """Luma in 0..1, (height, width)."""
    pixels = picture.astype(np.float32)
    return (pixels if picture.ndim == 2 else pixels @ LUMA) / np.float32(255)


def coloured(picture: Picture) -> Picture:
    """(height, width, 3)"""
    return np.repeat(picture[..., None], 3, axis=2) if picture.ndim == 2 else picture


def resized(picture: Picture, height: int, width: int) -> Picture:
    """Bicubic with antialiasing, by Pillow; a picture of that size already is returned as it is."""
    if picture.shape[:2] == (height, width):
        return picture
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC))


def within(picture: Picture, sides: tuple[int, int] | None) -> Picture:
    """The picture with its longer side brought into the range `sides`: enlarged, shrunk or left as it is."""
    height, width = picture.shape[:2]
    longer = max(height, width)
    if sides is None or sides[0] <= longer <= sides[1]:
        return picture
    factor = (sides[0] if longer < sides[0] else sides[1]) / longer
    return resized(picture, max(round(height * factor), 1), max(round(width * factor), 1))


def skimage_feature() -> Any:
    """scikit-image's `feature` module; UserError where it is not installed."""
    try:
        from skimage import feature
    except ModuleNotFoundError as error:
        if error.name != "skimage":  # it is there, but something that it needs is not
            raise
        raise UserError(
            'this descriptor needs scikit-image, which is not installed; pip install "neocog[classical]"'
        ) from None
    return feature
