"""Where the way of the integrated gradients begins: a picture without anything on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from neocog.api.see.opened import Opened, View, as_input
from neocog.errors import unknown

if TYPE_CHECKING:
    from torch import Tensor

Baseline = Literal["black", "mean", "blurred"]


def baseline_of(network: Opened, view: View, name: str) -> Tensor:
    """Black; the colour that preprocessing makes 0; or the picture itself, blurred until no shape is left.

    (1, channels, height, width) in the units of the network's input.
    """
    if name not in get_args(Baseline):
        raise unknown("baseline", name, get_args(Baseline))
    if name == "mean":
        return view.x * 0
    if name == "black":
        return as_input(network, np.zeros_like(view.pixels)[None])
    from scipy.ndimage import gaussian_filter

    side = max(view.pixels.shape[:2])
    return as_input(network, gaussian_filter(view.pixels, (side / 10, side / 10, 0))[None])
