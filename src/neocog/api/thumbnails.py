"""Small pictures for pages."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neocog.data.decode import decode
from neocog.data.samples import Samples
from neocog.errors import Unreadable


def thumbnail(samples: Samples, index: int, side: int) -> NDArray[np.uint8] | None:
    """A picture (height, width, 3) whose longer side has at most `side` pixels; None where it cannot be read (any
    more)."""
    try:
        decoded = decode(samples.read(index), 3, (side, side))
    except Unreadable:  # it is also told as such, or was moved away meanwhile
        return None
    image, box = decoded.image, decoded.box
    wide, high = box[2] - box[0], box[3] - box[1]
    scale = min(1.0, side / max(wide, high))
    size = (max(1, round(wide * scale)), max(1, round(high * scale)))
    return np.asarray(image.resize(size, box=box))
