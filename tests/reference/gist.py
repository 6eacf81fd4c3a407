"""The gist as its authors describe it, with filters as sums over all places in place of Fourier transforms."""

from math import atan2, exp, hypot, log, pi

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def mirrored(image: Floats, rim: int) -> Floats:
    """Continued by its mirror image, the edge pixels twice."""
    height, width = image.shape
    out = np.zeros((height + 2 * rim, width + 2 * rim))
    for r, c in np.ndindex(*out.shape):
        i, j = (r - rim) % (2 * height), (c - rim) % (2 * width)
        out[r, c] = image[min(i, 2 * height - 1 - i), min(j, 2 * width - 1 - j)]
    return out


def frequency(index: int, extent: int) -> int:
    """Cycles of the index-th term of a transform of even length; the middle one is negative."""
    return index if index < extent // 2 else index - extent


def transform(extent: int) -> NDArray[np.complex128]:
    """(extent, extent) the discrete Fourier transform as a matrix."""
    return np.array([[np.exp(-2j * pi * k * t / extent) for t in range(extent)] for k in range(extent)])


def filtered(image: Floats, transfer: Floats) -> NDArray[np.complex128]:
    """Circular filtering of a square picture."""
    there = transform(len(image))
    back = there.conj() / len(image)
    return back @ ((there @ image @ there.T) * transfer) @ back.T


def slow(extent: int) -> Floats:
    """A Gaussian that has fallen to a half at four cycles."""
    out = np.zeros((extent, extent))
    for r, c in np.ndindex(extent, extent):
        out[r, c] = exp(-log(2) * (frequency(r, extent) ** 2 + frequency(c, extent) ** 2) / 4**2)
    return out


def prefiltered(image: Floats) -> Floats:
    """0..255; an odd size is made even by doubling the last row and column."""
    size = len(image)
    padded = mirrored(np.log(image + 1), 5)
    if size % 2:
        padded = np.vstack([padded, padded[-1:]])
        padded = np.hstack([padded, padded[:, -1:]])
    low = slow(len(padded))
    white = padded - filtered(padded, low).real
    contrast = np.sqrt(np.abs(filtered(white**2, low)))
    return (white / (0.2 + contrast))[5 : 5 + size, 5 : 5 + size]


def gabor(extent: int, scale: int, turn: int) -> Floats:
    out = np.zeros((extent, extent))
    centre = 0.3 / 1.85**scale
    for r, c in np.ndindex(extent, extent):
        fy, fx = frequency(r, extent), frequency(c, extent)
        angle = atan2(fy, fx) + pi / 8 * turn
        if angle > pi:
            angle -= 2 * pi
        out[r, c] = exp(-10 * 0.35 * (hypot(fx, fy) / extent / centre - 1) ** 2 - 2 * pi * angle**2)
    return out


def gist(image: Floats, blocks: int) -> Floats:
    lowest, highest = image.min(), image.max()
    padded = mirrored(prefiltered(255 * (image - lowest) / (highest - lowest)), 32)
    edges = [int(len(image) * i / blocks) for i in range(blocks + 1)]
    out = []
    for scale in range(4):
        for turn in range(8):
            strength = np.abs(filtered(padded, gabor(len(padded), scale, turn)))[32:-32, 32:-32]
            for i, j in np.ndindex(blocks, blocks):
                out.append(strength[edges[i] : edges[i + 1], edges[j] : edges[j + 1]].mean())
    return np.array(out)
