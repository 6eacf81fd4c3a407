"""Filters that no teacher sets: drawn, designed, or learned from patches of the training pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from math import cos, pi, sin

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import MiniBatchKMeans

from neocog.classical.descriptors import unit
from neocog.classical.jarrett.sparse import predictive_sparse_decomposition
from neocog.errors import UserError

Floats = NDArray[np.float64]
WHITENING = 0.1  # added to each variance: what is smaller is noise (Coates, Lee and Ng 2011)


@dataclass(frozen=True)
class Way:
    """How `count` filters (count, maps * k * k) and their gains (count,) come from patches (n, maps * k * k)."""

    words: str
    make: Callable[[Floats, int, np.random.RandomState], tuple[Floats, Floats]]
    learned: bool = True
    """whether `make` looks at the patches; else only at how long they are"""


def random(patches: Floats, count: int, draw: np.random.RandomState) -> tuple[Floats, Floats]:
    return unit(draw.standard_normal((count, patches.shape[1]))), np.ones(count)


def templates(patches: Floats, count: int, draw: np.random.RandomState) -> tuple[Floats, Floats]:
    """Patches themselves, less their mean."""
    chosen = draw.choice(len(patches), count, replace=len(patches) < count)
    return unit(patches[chosen] - patches[chosen].mean(axis=1, keepdims=True)), np.ones(count)


def k_means(patches: Floats, count: int, draw: np.random.RandomState) -> tuple[Floats, Floats]:
    """Centres of whitened patches of equal contrast, as filters on unwhitened ones (Coates, Lee and Ng 2011)."""
    if len(patches) < count:
        raise UserError(f"{count} filters need at least as many patches, got {len(patches)}: more pictures")
    level = patches - patches.mean(axis=1, keepdims=True)
    level = level / np.sqrt(level.var(axis=1, keepdims=True) + WHITENING)
    variances, axes = np.linalg.eigh(np.cov(level, rowvar=False))
    whiten = axes @ np.diag(1 / np.sqrt(np.maximum(variances, 0) + WHITENING)) @ axes.T
    seed = int(draw.randint(2**31 - 1))
    found = MiniBatchKMeans(count, random_state=seed, n_init=3, batch_size=1024).fit(level @ whiten)
    return unit(found.cluster_centers_ @ whiten), np.ones(count)


def psd(patches: Floats, count: int, draw: np.random.RandomState) -> tuple[Floats, Floats]:
    """The encoder of predictive sparse decomposition, the paper's unsupervised filters."""
    found = predictive_sparse_decomposition(patches, count, draw)
    return found.encoder, found.gains


def gabor(patches: Floats, count: int, draw: np.random.RandomState) -> tuple[Floats, Floats]:
    """Waves under a bell: 8 directions, 2 phases, and as many wavelengths from 3 pixels on as `count` needs."""
    size = round(patches.shape[1] ** 0.5)
    if count % 16 or size * size != patches.shape[1]:
        raise UserError(f"Gabor filters come in 16s on one map, got {count} on patches of {patches.shape[1]}")
    lengths = np.linspace(3, size, count // 16)
    waves = [
        gabor_wave(size, turn * pi / 8, float(length), phase)
        for length, turn, phase in product(lengths, range(8), (0.0, pi / 2))
    ]
    return unit(np.array(waves)), np.ones(count)


def gabor_wave(size: int, angle: float, length: float, phase: float) -> Floats:
    """One filter, flat and with mean 0; the bell's deviation is .4 wavelengths, half as much again across."""
    down, right = np.mgrid[:size, :size] - (size - 1) / 2
    along, across = right * cos(angle) + down * sin(angle), down * cos(angle) - right * sin(angle)
    bell = np.exp(-0.5 * (along**2 + (across / 1.5) ** 2) / (0.4 * length) ** 2)
    wave = bell * np.cos(2 * pi * along / length + phase)
    return np.asarray((wave - bell * wave.sum() / bell.sum()).ravel())


WAYS = {
    "random": Way("drawn from a normal distribution", random, learned=False),
    "templates": Way("patches of the training pictures", templates),
    "k-means": Way("centres of whitened patches", k_means),
    "psd": Way("predictive sparse decomposition", psd),
    "gabor": Way("Gabor functions in the first stage, templates in the second", gabor, learned=False),
}
