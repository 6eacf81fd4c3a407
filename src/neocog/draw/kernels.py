"""Filters as tiles: colours where they read three channels, grey where one, else a tile for each channel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from neocog.draw.tiles import Pixels, around_grey, mosaic, rgb, signed
from neocog.errors import unknown

Scale = Literal["each", "joint"]
SCALES: tuple[Scale, ...] = get_args(Scale)


def kernel_tiles(kernels: NDArray[np.float32], scale: str = "each", pictorial: bool = True) -> list[Pixels]:
    """A tile for each filter of (filters, channels, height, width), with 0 as middle grey.

    `scale` `each`: the number furthest from 0 in a filter is black or white; `joint`: that in all of them. Three
    channels are red, green and blue, one is grey; any other number, and all that are not `pictorial`, lie side by side,
    blue below and red above 0.
    """
    if scale not in SCALES:
        raise unknown("scale", scale, SCALES)
    most = float(np.abs(kernels).max(initial=0.0)) if scale == "joint" else None
    pictorial = pictorial and kernels.shape[1] in (1, 3)
    return [_tile(kernel, most, pictorial) for kernel in kernels]


def _tile(kernel: NDArray[np.float32], most: float | None, pictorial: bool) -> Pixels:
    if pictorial:
        return rgb(around_grey(kernel.transpose(1, 2, 0), most))
    largest = float(np.abs(kernel).max(initial=0.0)) if most is None else most
    return mosaic([signed(plane, largest) for plane in kernel], len(kernel), 1)


def strip(kernels: Sequence[NDArray[np.float32]], filter_: int, pictorial: bool = True) -> list[Pixels]:
    """One filter at several times, with one scale: the number furthest from 0 at any of them."""
    shown = np.stack([bank[filter_] for bank in kernels])
    return kernel_tiles(shown, "joint", pictorial)
