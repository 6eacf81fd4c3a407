"""Exact or fast: whether the pictures of a data set are so large that decoding them at a scale is worth it."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt
from statistics import median

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from neocog.data.decode import decode
from neocog.data.preprocess import Preprocess
from neocog.data.samples import Samples
from neocog.errors import Unreadable

LARGE = 4  # shorter side over what is wanted; below it a scale saves less time than a small network takes
SAMPLED = 32


def chosen_decoding(preprocess: Preprocess, samples: Samples) -> tuple[Preprocess, str]:
    """`preprocess` with `fast` where the median JPEG of a sample is `LARGE` times too large, and a sentence why.

    Only headers are looked at, of pictures evenly spread over all. The sentence is empty where decoding is exact.
    """
    spread = _spread(samples)
    sizes = [size for index in spread if (size := _jpeg_size(samples, int(index)))]
    # the rest of the sample cannot be decoded at a scale, so that nothing is to be gained on it
    if 2 * len(sizes) <= len(spread):
        return preprocess, ""
    wanted = min(preprocess.edges())
    shorter = median(min(size) for size in sizes)
    if shorter < LARGE * wanted:
        return preprocess, ""
    why = (
        f"decoding: fast, since the pictures are {shorter:,.0f} pixels on the shorter side (median of {len(sizes)}), "
        f"{shorter / wanted:.1f} times the {wanted} that count; --decoding exact reads every pixel"
    )
    return replace(preprocess, decoding="fast"), why


def typical_side(samples: Samples) -> int:
    """The median over a sample of pictures, evenly spread over all, of the side of a square of equal area.

    Raises Unreadable where none of them can be read.
    """
    sides, reason = [], "there is no picture"
    for index in _spread(samples):
        try:
            height, width = decode(samples.read(int(index)), 3, wanted=(1, 1)).full
            sides.append(sqrt(height * width))
        except Unreadable as error:
            reason = str(error)
    if not sides:
        raise Unreadable(reason)
    return round(median(sides))


def _spread(samples: Samples) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, len(samples) - 1, min(len(samples), SAMPLED)).astype(np.int64))


def _jpeg_size(samples: Samples, index: int) -> tuple[int, int] | None:
    """Height and width of a JPEG; None of any other picture."""
    try:
        picture = samples.read(index)
        if isinstance(picture, bytes) and picture[:3] == b"\xff\xd8\xff":
            height, width, _, _ = simplejpeg.decode_jpeg_header(picture)
            return int(height), int(width)
    except (Unreadable, ValueError):  # whoever reads it in earnest says so
        pass
    return None
