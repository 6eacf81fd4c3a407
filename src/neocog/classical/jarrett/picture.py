"""A picture before the first stage (Jarrett et al. 2009, section 4)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neocog.classical.jarrett.layers import WINDOW, Maps, normalise
from neocog.errors import UserError

LUMA = np.array((0.299, 0.587, 0.114), np.float32)  # ITU-R BT.601


def prepared(picture: NDArray[np.uint8], side: int) -> Maps:
    """Grey, the longer side `side` pixels, standardised, contrast normalised; (1, side - 8, side - 8).

    The window of the normalisation has to lie within the picture, so 4 pixels go on each side (151 -> 143 in the
    paper); the shorter side is then filled up with zeros around it.
    """
    image = resized(grey(picture), side)
    image = (image - image.mean()) / max(float(image.std()), 1e-6)
    border = WINDOW // 2
    inner = normalise(image[None], floor=1.0)[0, border:-border, border:-border]
    full = np.zeros((side - 2 * border,) * 2, np.float32)
    top, left = (full.shape[0] - inner.shape[0]) // 2, (full.shape[1] - inner.shape[1]) // 2
    full[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    return full[None]


def grey(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(height, width) of 0..255."""
    picture = np.asarray(picture)
    if picture.ndim == 2:
        return picture.astype(np.float32)
    if picture.ndim != 3 or picture.shape[2] != 3:
        raise UserError(
            f"a picture must be (height, width) or (height, width, 3) uint8, got shape {picture.shape}"
        )
    return np.asarray(picture.astype(np.float32) @ LUMA, np.float32)


def resized(image: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """The longer side becomes `side`, the shorter in proportion but at least the normalisation's window."""
    longer = max(image.shape)
    high, wide = (max(WINDOW, round(n * side / longer)) for n in image.shape)
    return np.asarray(
        _triangles(image.shape[0], high) @ image @ _triangles(image.shape[1], wide).T, np.float32
    )


def _triangles(before: int, after: int) -> NDArray[np.float64]:
    """(after, before): each new pixel as a mean of old ones, by distance; what is finer is averaged, not skipped."""
    scale = max(before / after, 1.0)
    centres = (np.arange(after) + 0.5) * before / after - 0.5
    weights = np.maximum(0.0, 1 - np.abs(np.arange(before) - centres[:, None]) / scale)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
