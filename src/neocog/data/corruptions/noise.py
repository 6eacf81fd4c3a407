"""Noise. Each function: floats (h, w, c) in 0..1, the strength as the authors give it, a generator -> floats."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Strength = tuple[float, ...]


def as_bytes(x: Floats) -> Floats:
    """0..1 as whole numbers 0..255, cut off as the authors do; the small amount keeps whole numbers whole."""
    return np.floor(np.clip(x, 0, 1) * 255 + 1e-6)


def gaussian_noise(x: Floats, strength: Strength, rng: Generator) -> Floats:
    """Adds a normal number of standard deviation `strength` to each value: a sensor in poor light."""
    (scale,) = strength
    return x + rng.normal(scale=scale, size=x.shape)


def shot_noise(x: Floats, strength: Strength, rng: Generator) -> Floats:
    """Each value is a Poisson count of at most about `strength` photons."""
    (photons,) = strength
    return rng.poisson(x * photons) / photons


def impulse_noise(x: Floats, strength: Strength, rng: Generator) -> Floats:
    """Salt and pepper: a share `strength` of the values, each channel for itself, becomes 0 or 1."""
    (share,) = strength
    hit = rng.random(x.shape) < share
    return np.where(hit, rng.random(x.shape) < 0.5, x)


def speckle_noise(x: Floats, strength: Strength, rng: Generator) -> Floats:
    """Normal noise whose standard deviation is `strength` times the value."""
    (scale,) = strength
    return x + x * rng.normal(scale=scale, size=x.shape)
