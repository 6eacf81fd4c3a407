"""A picture before the first stage (Jarrett et al. 2009)."""

from __future__ import annotations

import numpy as np

from neocog.classical.jarrett.layers import WINDOW, Maps, normalise
from neocog.classical.pictures import Picture, checked, grey, resized


def prepared(picture: Picture, side: int) -> Maps:
    """Grey, the longer side `side` pixels, standardised, contrast normalised; (1, side - 8, side - 8).

    The window of the normalisation has to lie within the picture, so 4 pixels go on each side (151 -> 143); the
    shorter side is then filled up with zeros around it. It is at least as wide as the window.
    """
    height, width = checked(picture).shape[:2]
    scale = side / max(height, width)
    image = grey(resized(picture, max(WINDOW, round(height * scale)), max(WINDOW, round(width * scale))))
    image = (image - image.mean()) / max(float(image.std()), 1e-6)
    border = WINDOW // 2
    inner = normalise(image[None], floor=1.0)[0, border:-border, border:-border]
    full = np.zeros((side - 2 * border,) * 2, np.float32)
    top, left = (full.shape[0] - inner.shape[0]) // 2, (full.shape[1] - inner.shape[1]) // 2
    full[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    return full[None]
