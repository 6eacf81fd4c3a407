"""Pictures cut to their boxes, as DeCAF reads birds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from neocog.classical.parts.boxes import window
from neocog.data.decode import decode
from neocog.data.samples import Picture, Samples


class Cut:
    """The pictures of `samples`, in colour, each cut to its box: a PIL picture in place of the file."""

    def __init__(self, samples: Samples, boxes: NDArray[np.float64], times: float):
        """`boxes` (n, 4) are left, top, width, height, made `times` as wide and high around their middle; a picture
        stays whole whose box is not known, has no extent or lies outside of it."""
        self._samples, self._boxes, self._times = samples, boxes, times

    def __len__(self) -> int:
        return len(self._samples)

    def name(self, index: int) -> str:
        return self._samples.name(index)

    def read(self, index: int) -> Picture:
        image = decode(self._samples.read(index), 3).image
        return cropped(image, self._boxes[index], self._times) or image


def cropped(image: Image.Image, box: NDArray[np.float64], times: float = 1.0) -> Image.Image | None:
    """The pixels of `window`; None where nothing of the box is in the picture."""
    found = window(box, (image.height, image.width), times)
    if found is None:
        return None
    top, bottom, left, right = found
    return image.crop((left, top, right, bottom))
