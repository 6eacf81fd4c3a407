"""Two parts brought to fixed places, and what is described there, cell by cell."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from sklearn.cluster import MiniBatchKMeans

Floats = NDArray[np.float64]
Pixels = NDArray[np.uint8]
HEIGHT, WIDTH = 64, 128  # of the aligned patch; the parts lie 64 pixels apart in its middle row
FIRST, SECOND = (31.5, 31.5), (31.5, 95.5)  # row and column of the two parts
DIRECTIONS = 8
COLOURS = 32


@dataclass(frozen=True, eq=False)
class Landmarked:
    """A picture and the places of its parts (parts, 3): x, y and whether seen."""

    picture: Pixels
    points: Floats


def both_seen(points: Floats, first: int, second: int) -> bool:
    """Whether both parts are seen, at different places."""
    two = np.asarray(points, np.float64)[[first, second]]
    return bool((two[:, 2] > 0).all() and np.isfinite(two).all() and (two[0, :2] != two[1, :2]).any())


def aligned(picture: Pixels, points: Floats, first: int, second: int) -> Floats:
    """(64, 128, 3): turned and scaled so that both parts lie at `FIRST` and `SECOND`; the border is drawn out."""
    x, y = points[first, :2] - 0.5  # pixel 0 reaches from 0 to 1, its middle is .5
    ahead = (points[second, :2] - points[first, :2]) / (
        SECOND[1] - FIRST[1]
    )  # what a column is worth, in x and y
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    down, right = rows - FIRST[0], columns - FIRST[1]
    place = y + right * ahead[1] + down * ahead[0], x + right * ahead[0] - down * ahead[1]
    colour = picture[:, :, None].repeat(3, axis=2) if picture.ndim == 2 else picture
    layers = [
        map_coordinates(colour[:, :, c].astype(np.float64), place, order=1, mode="nearest") for c in range(3)
    ]
    return np.stack(layers, axis=2)


def cells(values: Floats, size: int) -> Floats:
    """(rows, columns, bins): the sum of (64, 128, bins) over cells of `size` pixels, each cell of length 1."""
    bins = values.shape[2]
    sums = values.reshape(HEIGHT // size, size, WIDTH // size, size, bins).sum(axis=(1, 3))
    return np.asarray(sums / np.maximum(np.linalg.norm(sums, axis=2, keepdims=True), 1e-6))


def gradients(patch: Floats) -> Floats:
    """(64, 128, 8): how steep each pixel of the grey patch is, shared between the two nearest of 8 directions."""
    down, right = np.gradient(patch.mean(axis=2))
    steep = np.hypot(down, right)
    turn = np.arctan2(down, right) / (2 * np.pi) * DIRECTIONS
    low = np.floor(turn)
    share = turn - low
    out = np.zeros((*patch.shape[:2], DIRECTIONS))
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    bins = low.astype(np.int64) % DIRECTIONS
    out[rows, columns, bins] += steep * (1 - share)
    out[rows, columns, (bins + 1) % DIRECTIONS] += steep * share
    return out


def palette(patches: Iterable[Floats], seed: int) -> Floats:
    """32 colours (colours, 3), the centres of those of the training patches; fewer where there are fewer."""
    pixels = np.concatenate([patch[4::8, 4::8].reshape(-1, 3) for patch in patches])
    count = min(COLOURS, len(np.unique(np.round(pixels), axis=0)))
    found = MiniBatchKMeans(count, random_state=seed, n_init=3, batch_size=1024).fit(pixels)
    return np.asarray(found.cluster_centers_, np.float64)


def nearest_colour(patch: Floats, colours: Floats) -> Floats:
    """(64, 128, colours): 1 at each pixel's nearest colour."""
    pixels = patch.reshape(-1, 3)
    away = (colours**2).sum(axis=1) - 2 * pixels @ colours.T
    return np.asarray(np.eye(len(colours))[away.argmin(axis=1)].reshape(HEIGHT, WIDTH, len(colours)))
