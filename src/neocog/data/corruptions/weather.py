"""Weather. Each function: floats (h, w, c) in 0..1, the strength as the authors give it, a generator -> floats."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from scipy.ndimage import gaussian_filter

from neocog.data.corruptions.blur import moved, zoomed
from neocog.data.corruptions.noise import Floats, Strength, as_bytes

ICE = np.array([0.82, 0.92, 1.0])  # red, green, blue
LUMA = np.array([0.299, 0.587, 0.114])  # what grey takes of red, green, blue (ITU-R BT.601)


def fog(x: Floats, strength: Strength, rng: Generator) -> Floats:
    """A plasma fractal of `strength` = (height, how fast its details fade) added, then scaled to the old maximum."""
    height, decay = strength
    most = x.max()
    side = 2 ** int(np.ceil(np.log2(max(x.shape[:2]))))
    haze = plasma(side, decay, rng)[: x.shape[0], : x.shape[1], None]
    return np.asarray((x + height * haze) * most / (most + height))


def snow(x: Floats, strength: Strength, rng: Generator) -> Floats:
    """Flakes: normal noise, zoomed, cut off below a threshold, blurred by motion; the picture is whitened.

    `strength` = (mean, standard deviation, zoom, threshold, radius and sigma of the motion, share of the old colours).
    """
    mean, deviation, zoom, threshold, radius, sigma, kept = strength
    flakes = zoomed(rng.normal(mean, deviation, size=(*x.shape[:2], 1)), zoom)
    flakes = as_bytes(np.where(flakes < threshold, 0, flakes)) / 255
    flakes = as_bytes(moved(flakes, int(radius), sigma, rng.uniform(-135, -45))) / 255
    white = np.maximum(x, grey(x) * 1.5 + 0.5)
    return kept * x + (1 - kept) * white + flakes + np.rot90(flakes, k=2)


def frost(x: Floats, strength: Strength, rng: Generator) -> Floats:
    """`strength` = (share of the picture, share of ice) of the picture and ice, added.

    The authors lay a photograph of frosted glass over the picture: they list six and draw among the first five. The ice
    here is made from random numbers: figures for frost compare with each other, not with published ones.
    """
    kept, share = strength
    ice = crystals(x.shape[0], x.shape[1], rng)[..., None] * ICE
    return kept * x + share * (ice if x.shape[2] == 3 else grey(ice))


def grey(x: Floats) -> Floats:
    """(h, w, 1)"""
    return x if x.shape[2] == 1 else x @ LUMA[:, None]


def plasma(side: int, decay: float, rng: Generator) -> Floats:
    """(side, side) in 0..1 by the diamond-square algorithm on a torus (Fournier, Fussell and Carpenter 1982).

    `side` is a power of two; each finer level differs `decay` times less.
    """
    heights = np.zeros((side, side))
    step, wobble = side, 100.0
    while step >= 2:
        rough = wobble * wobble  # the authors multiply it by itself
        half = step // 2
        corners = heights[::step, ::step]
        total = corners + np.roll(corners, -1, 0)
        total = total + np.roll(total, -1, 1)
        middles = total / 4 + rng.uniform(-rough, rough, total.shape)
        heights[half::step, half::step] = middles
        for rows, columns, axis in ((0, half, 0), (half, 0, 1)):
            ends = corners + np.roll(corners, -1, 1 - axis)
            total = middles + np.roll(middles, 1, axis) + ends
            heights[rows::step, columns::step] = total / 4 + rng.uniform(-rough, rough, total.shape)
        step, wobble = half, wobble / decay
    heights -= heights.min()
    return np.asarray(heights / heights.max())


def crystals(height: int, width: int, rng: Generator) -> Floats:
    """(height, width) in 0..1: ridges where smooth random fields cross zero, fine ones upon coarse ones."""
    ice = np.zeros((height, width))
    for share in (16, 8, 4, 2):
        sigma = min(height, width) / 7 / share
        field = gaussian_filter(rng.normal(size=(height, width)), (sigma, 3 * sigma), mode="wrap")
        ice = ice + np.exp(-3 * np.abs(field) / field.std()) * share**-0.5
    return np.asarray((ice / ice.max()) ** 0.75)
