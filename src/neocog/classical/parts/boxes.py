"""Boxes: where a part is, and what is cut out. x goes right, y down, pixel 0 reaches from 0 to 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from neocog.errors import UserError

Floats = NDArray[np.float64]
Picture = NDArray[np.uint8]
DECAF_CROP = 1.5  # times the bird's box (Donahue et al. 2014, section 4.3)

# places of CUB-200-2011's parts.txt, from 0: what Zhang et al. 2013 pool over are head and body
CUB_HEAD = (1, 4, 5, 6, 9, 10, 14)  # beak, crown, forehead, left eye, nape, right eye, throat
CUB_BODY = (0, 2, 3, 7, 8, 11, 12, 13)  # back, belly, breast, legs, wings, tail


@dataclass(frozen=True, eq=False)
class Parted:
    """A picture and its parts' boxes (parts, 4): x, y, width, height; NaN where a part is not seen."""

    picture: Picture
    boxes: Floats


def window(box: Floats, shape: tuple[int, ...], times: float = 1.0) -> tuple[int, int, int, int] | None:
    """(top, bottom, left, right) of the pixels that a box touches when it is `times` as large about its middle.

    Bottom and right are excluded, as in slices; what lies outside the picture of `shape` is left out. None where the
    box has a NaN, no extent, or nothing of the picture.
    """
    x, y, width, height = (float(n) for n in box)
    if not np.isfinite(box).all() or width <= 0 or height <= 0:
        return None
    right, down = x + width / 2, y + height / 2
    top, bottom = floor(down - times * height / 2), ceil(down + times * height / 2)
    first, last = floor(right - times * width / 2), ceil(right + times * width / 2)
    top, first = max(top, 0), max(first, 0)
    bottom, last = min(bottom, shape[0]), min(last, shape[1])
    return (top, bottom, first, last) if top < bottom and first < last else None


def crop(picture: Picture, box: Floats, times: float = 1.0) -> Picture | None:
    """The pixels of `window`; None where there are none. DeCAF's birds are crops of 1.5 times their box."""
    found = window(np.asarray(box, np.float64), picture.shape, times)
    if found is None:
        return None
    top, bottom, left, right = found
    return picture[top:bottom, left:right]


def group_boxes(points: Floats, groups: Sequence[Sequence[int]], margin: float = 0.0) -> Floats:
    """(groups, 4): the box around the seen points of each group, of points (parts, 3) with x, y and whether seen.

    `margin` is added on every side, in shares of the box's longer side; a box of one point has no extent without it
    and then takes the margin of the box around all seen points. NaN where no point of a group is seen.
    """
    points = np.asarray(points, np.float64)
    if points.ndim != 2 or points.shape[1] != 3:
        raise UserError(f"points must be (parts, 3), x, y and whether seen, got shape {points.shape}")
    whole = _around(points, margin, 0.0)
    spare = margin * float(np.nanmax(whole[2:])) if np.isfinite(whole).all() else 0.0
    return np.stack([_around(points[list(group)], margin, spare) for group in groups])


def _around(points: Floats, margin: float, spare: float) -> Floats:
    seen = points[(points[:, 2] > 0) & np.isfinite(points[:, :2]).all(axis=1), :2]
    if not len(seen):
        return np.full(4, np.nan)
    low, high = seen.min(axis=0), seen.max(axis=0)
    grown = margin * float((high - low).max()) or spare
    return np.concatenate([low - grown, high - low + 2 * grown])
