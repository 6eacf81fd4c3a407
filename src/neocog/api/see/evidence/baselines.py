"""A picture without anything on it: where integrated gradients begin, and what cells become that are taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from neocog.api.see.evidence.answered import mean_colour
from neocog.api.see.opened import Opened, View, as_input
from neocog.errors import unknown

if TYPE_CHECKING:
    from torch import Tensor

Baseline = Literal["black", "mean", "blurred"]
BECOME: dict[Baseline, str] = {
    "black": "black",
    "mean": "grey, of the colour that preprocessing makes 0,",
    "blurred": "blurred",
}


def blank(network: Opened, view: View, name: Baseline) -> NDArray[np.uint8]:
    """Black; the colour that preprocessing makes 0; or the picture itself, blurred until no shape is left.

    (height, width, channels).
    """
    if name not in get_args(Baseline):
        raise unknown("baseline", name, get_args(Baseline))
    if name == "blurred":
        from scipy.ndimage import gaussian_filter

        side = max(view.pixels.shape[:2])
        return np.asarray(gaussian_filter(view.pixels, (side / 10, side / 10, 0)))
    out = np.zeros_like(view.pixels)
    if name == "mean":
        out[:] = mean_colour(network)
    return out


def baseline_of(network: Opened, view: View, name: Baseline) -> Tensor:
    """The same as the network's input, (1, channels, height, width); the mean is exactly 0."""
    return view.x * 0 if name == "mean" else as_input(network, blank(network, view, name)[None])
