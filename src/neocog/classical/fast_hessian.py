"""SURF's detector: blobs where the determinant of the Hessian, made of box filters, is largest (Bay et al. 2008)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neocog.classical.integral import Doubles, integral, sums_around
from neocog.classical.pictures import Floats

LAYERS = 4  # filter sizes an octave; blobs are found in the inner two
MIXED = 0.9  # weight of Dxy, which boxes approximate less well (section 3.2)
FIRST_SCALE, FIRST_SIZE = 1.2, 9  # the smallest filter approximates a Gaussian of 1.2 pixels


@dataclass(frozen=True)
class Blobs:
    """n places, strongest first."""

    places: Doubles
    """(n, 2) row and column; the first pixel's centre is (.5, .5)"""
    scales: Doubles
    """(n,) standard deviation of the Gaussian that the filter approximates, in pixels"""
    strengths: Doubles
    """(n,) determinants, for brightness in 0..1"""


def sizes_of(octave: int) -> list[int]:
    """Widths of an octave's filters: 9, 15, 21, 27; then 15, 27, 39, 51; and so on (section 3.3). The first is 1."""
    return [3 * (2**octave * layer + 1) for layer in range(1, LAYERS + 1)]


def fast_hessian(image: Floats, threshold: float, octaves: int, most: int) -> Blobs:
    """Maxima over place and scale above `threshold`, at most `most`; an octave looks at every 2^(octave-1)-th pixel."""
    table = integral(image)
    found = []
    for octave in range(1, octaves + 1):
        step, sizes = 2 ** (octave - 1), sizes_of(octave)
        layers = np.stack([determinants(table, size, step) for size in sizes])
        at, strengths = refined(*peaks(layers, threshold))
        size = sizes[0] + at[:, 0] * (sizes[1] - sizes[0])
        found.append(np.column_stack([at[:, 1:] * step + 0.5, size * FIRST_SCALE / FIRST_SIZE, strengths]))
    rows = np.concatenate(found)
    rows = rows[np.argsort(-rows[:, 3], kind="stable")[:most]]
    return Blobs(rows[:, :2], rows[:, 2], rows[:, 3])


def determinants(table: Doubles, size: int, step: int) -> Doubles:
    """At every `step`-th pixel; infinite where the filter does not fit, so that nothing beside it is a maximum."""
    height, width = table.shape[0] - 1, table.shape[1] - 1
    out = np.full((-(-height // step), -(-width // step)), np.inf)
    first = -(-(size // 2) // step) * step
    rows, cols = (range(first, extent - size // 2, step) for extent in (height, width))
    if rows and cols:
        at = first // step
        out[at : at + len(rows), at : at + len(cols)] = hessian(table, rows, cols, size)
    return out


def hessian(table: Doubles, rows: range, cols: range, size: int) -> Doubles:
    """Dxx Dyy - (.9 Dxy)^2 of filters `size` wide, each divided by its area."""
    lobe, half = size // 3, size // 2
    side, middle = lobe - 1, lobe // 2  # the reach of a lobe along and across the direction of the derivative

    def total(top: int, left: int, bottom: int, right: int) -> Doubles:
        return sums_around(table, rows, cols, (top, left, bottom + 1, right + 1))

    dyy = total(-half, -side, half, side) - 3 * total(-middle, -side, middle, side)
    dxx = total(-side, -half, side, half) - 3 * total(-side, -middle, side, middle)
    dxy = total(-lobe, -lobe, -1, -1) + total(1, 1, lobe, lobe)
    dxy -= total(-lobe, 1, -1, lobe) + total(1, -lobe, lobe, -1)
    return (dxx * dyy - (MIXED * dxy) ** 2) / size**4


def peaks(layers: Doubles, threshold: float) -> tuple[NDArray[np.int64], Doubles]:
    """(n, 3) layer, row, column of what exceeds its 26 neighbours, and both together (n, 3, 3, 3).

    Of equal ones side by side the first counts.
    """
    inner = layers[1:-1, 1:-1, 1:-1]
    found = np.argwhere((inner > threshold) & np.isfinite(inner)) + 1
    per_layer, per_row = layers.shape[1] * layers.shape[2], layers.shape[2]
    strides = np.array([per_layer, per_row, 1])
    shifts = np.indices((3, 3, 3)).reshape(3, 27).T - 1
    cube = layers.ravel()[(found @ strides)[:, None] + shifts @ strides]
    earlier, middle, later = cube[:, :13], cube[:, 13:14], cube[:, 14:]
    top = (middle > earlier).all(axis=1) & (middle >= later).all(axis=1)
    return found[top], cube[top].reshape(-1, 3, 3, 3)


def refined(found: NDArray[np.int64], cube: Doubles) -> tuple[Doubles, Doubles]:
    """Maxima of the parabolas through each peak and its neighbours: (n, 3) places and the values there.

    Brown and Lowe's interpolation (2002). Peaks whose maximum would lie beyond a neighbour are dropped.
    """
    slope, curve = derivatives(cube)
    off = -np.einsum("nij,nj->ni", np.linalg.pinv(curve, hermitian=True), slope)
    near = (np.abs(off) <= 1).all(axis=1)
    value = cube[:, 1, 1, 1] + 0.5 * np.einsum("ni,ni->n", slope, off)
    return (found + off)[near], value[near]


def derivatives(cube: Doubles) -> tuple[Doubles, Doubles]:
    """First (n, 3) and second (n, 3, 3) derivatives at the middle of (n, 3, 3, 3), by differences."""
    slope, curve = np.zeros((len(cube), 3)), np.zeros((len(cube), 3, 3))
    axes = np.eye(3, dtype=int)

    def at(shift: NDArray[np.int64]) -> Doubles:
        return cube[:, *(1 + shift)]

    for i, a in enumerate(axes):
        slope[:, i] = (at(a) - at(-a)) / 2
        curve[:, i, i] = at(a) - 2 * at(0 * a) + at(-a)
        for j, b in enumerate(axes[:i]):
            curve[:, i, j] = curve[:, j, i] = (at(a + b) - at(a - b) - at(b - a) + at(-a - b)) / 4
    return slope, curve
