"""Pictures cut to their boxes, as DeCAF reads birds."""

from __future__ import annotations

from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from neocog.data.decode import decode
from neocog.data.samples import Picture, Samples


class Cut:
    """The pictures of `samples`, in colour, each cut to its box: a PIL picture in place of the file."""

    def __init__(self, samples: Samples, boxes: NDArray[np.float64], times: float):
        """`boxes` (n, 4) are left, top, width, height, made `times` as wide and high around their middle; a picture
        whose box is not known stays whole."""
        self._samples, self._boxes, self._times = samples, boxes, times

    def __len__(self) -> int:
        return len(self._samples)

    def name(self, index: int) -> str:
        return self._samples.name(index)

    def read(self, index: int) -> Picture:
        image = decode(self._samples.read(index), 3).image
        if np.isnan(self._boxes[index]).any():
            return image
        return image.crop(enlarged(self._boxes[index], self._times, image.size))


def enlarged(box: NDArray[np.float64], times: float, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of `box` made larger around its middle, as far as a picture (width, height) goes.

    Whole pixels that hold it, one at least.
    """
    left, top, width, height = box.tolist()
    across = _side(left + width / 2, times * width / 2, size[0])
    down = _side(top + height / 2, times * height / 2, size[1])
    return across[0], down[0], across[1], down[1]


def _side(middle: float, half: float, length: int) -> tuple[int, int]:
    low = min(max(floor(middle - half), 0), length - 1)
    return low, max(min(ceil(middle + half), length), low + 1)
