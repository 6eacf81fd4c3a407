"""The gist of a scene (Oliva and Torralba 2001): how much of each orientation and scale where, by 32 Gabor filters.

The steps and constants are those of the authors' published program, LMgist.
"""

from __future__ import annotations

from functools import lru_cache
from math import log, pi

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from neocog.classical.pictures import Floats, Picture, coloured, grey, resized
from neocog.classical.transformer import PictureTransformer

CYCLES = 4  # per picture: slower changes of brightness are taken away first
PREFILTER_RIM, GABOR_RIM = 5, 32  # pixels by which the picture is continued by its mirror image
CONTRAST = 0.2  # of log brightness, below which local contrast is not made equal


class Gist(PictureTransformer):
    """Pictures -> (n, 512) or (n, 3 x 512): mean strengths of 4 scales x 8 orientations in 4 x 4 blocks.

    The order is scale (fine to coarse), orientation, row, column. The middle square of the picture is looked at, at
    size x size pixels. `colour` describes red, green and blue one after the other, each with its own contrast.
    """

    def __init__(self, size: int = 256, blocks: int = 4, colour: bool = False):
        self.size = size
        self.blocks = blocks
        self.colour = colour

    def describe(self, picture: Picture) -> Floats:
        square = middle_square(picture, self.size)
        if not self.colour:
            return gist(grey(square), self.blocks)
        channels = coloured(square).astype(np.float32) / np.float32(255)
        return np.concatenate([gist(channels[..., c], self.blocks) for c in range(3)])


def middle_square(picture: Picture, size: int) -> Picture:
    """The largest square in the middle, at size x size pixels."""
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return resized(picture[top : top + side, left : left + side], size, size)


def gist(image: Floats, blocks: int) -> Floats:
    """(32 blocks^2,) of a square grey image."""
    spread = float(np.ptp(image))
    stretched = (image - image.min()) * np.float32(255 / spread) if spread else np.zeros_like(image)
    padded = np.pad(prefiltered(stretched), GABOR_RIM, mode="symmetric")
    inner = slice(GABOR_RIM, -GABOR_RIM)
    spectrum = fft.fft2(padded)
    strengths = [np.abs(fft.ifft2(spectrum * transfer))[inner, inner] for transfer in gabor_bank(len(padded))]
    return block_means(np.stack(strengths), blocks).astype(np.float32).ravel()


def prefiltered(image: Floats) -> Floats:
    """Logarithms of 0..255 without their slow changes, divided by the local contrast of what is left."""
    extent = len(image) + 2 * PREFILTER_RIM
    odd = extent % 2
    padded = np.pad(np.log(image + 1), PREFILTER_RIM, mode="symmetric")
    padded = np.pad(padded, (0, odd), mode="symmetric")  # an even size, as the program has it
    frequency = fft.fftfreq(extent + odd, 1 / (extent + odd)).astype(np.float32)
    slow = np.exp(-(frequency[:, None] ** 2 + frequency**2) * np.float32(log(2) / CYCLES**2))
    white = padded - fft.ifft2(fft.fft2(padded) * slow).real
    contrast = np.sqrt(np.abs(fft.ifft2(fft.fft2(white**2) * slow)))
    inner = slice(PREFILTER_RIM, PREFILTER_RIM + len(image))
    return np.asarray((white / (np.float32(CONTRAST) + contrast))[inner, inner], np.float32)


@lru_cache(maxsize=2)  # 13 MB each at 256 pixels
def gabor_bank(extent: int, scales: int = 4, orientations: int = 8) -> Floats:
    """(scales x orientations, extent, extent) transfer functions of one-sided Gabor filters, zero frequency first."""
    cycles = fft.fftfreq(extent, 1 / extent)
    radius = np.hypot(cycles[:, None], cycles) / extent  # cycles a pixel
    angle = np.arctan2(cycles[:, None], cycles)
    bank = [
        transfer(radius, angle, 0.3 / 1.85**scale, pi * turn / orientations, orientations)
        for scale in range(scales)
        for turn in range(orientations)
    ]
    return np.stack(bank).astype(np.float32)


def transfer(
    radius: NDArray[np.float64], angle: NDArray[np.float64], centre: float, turn: float, orientations: int
) -> NDArray[np.float64]:
    """Gaussian in the frequency (relative to its centre) and in the angle."""
    off = (angle + turn + pi) % (2 * pi) - pi
    narrow = 2 * pi * (orientations / 8) ** 2
    return np.exp(-3.5 * (radius / centre - 1) ** 2 - narrow * off**2)


def block_means(maps: Floats, blocks: int) -> Floats:
    """(maps, rows, columns) -> (maps, blocks, blocks)."""
    edges = np.linspace(0, maps.shape[1], blocks + 1).astype(int)[:-1]
    sizes = np.diff(np.append(edges, maps.shape[1]))
    sums = np.add.reduceat(np.add.reduceat(maps, edges, axis=1), edges, axis=2)
    return np.asarray(sums / (sizes[:, None] * sizes))
