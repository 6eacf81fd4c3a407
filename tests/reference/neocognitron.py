"""The Neocognitron cell by cell, as the equations of Biol. Cybern. 36 (1980) read: slow, double precision, no torch.

A layer's output is u[k, row, column]. An area of cells starts `margin` cells before the position that it belongs to;
cells outside a plane are silent. The numbers in brackets are the paper's equations.
"""

from dataclasses import dataclass
from math import atan2, cos, hypot, pi, sqrt

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def phi(x: float) -> float:
    """(2)"""
    return x if x >= 0 else 0.0


def psi_as_printed(x: float, alpha: float) -> float:
    """(5), with its pole at -alpha."""
    return phi(x / (alpha + x))


def psi(x: float, alpha: float) -> float:
    """(5) where it is meant: a saturating output. A cell that is inhibited, however much, is silent."""
    return psi_as_printed(x, alpha) if x >= 0 else 0.0


def falling(area: int, decay: float) -> Floats:
    """c (before its sum is made 1) and d, not printed in the paper: `decay` to the power of the distance |v|."""
    out, middle = np.zeros((area, area)), (area - 1) / 2
    for i, j in np.ndindex(area, area):
        out[i, j] = decay ** hypot(i - middle, j - middle)
    return out


def c_synapses(planes: int, area: int, decay: float) -> Floats:
    """Section 5: the sum over the planes and the area is 1."""
    return falling(area, decay) / (planes * falling(area, decay).sum())


def first_synapses(
    planes: int, before: int, area: int, decay: float, first: float, oriented: float, apart: float
) -> Floats:
    """a[k, kappa, i, j] at first: a function of v, k / K and |kappa / K' - k / K|, with k and kappa from 1."""
    out, middle = np.zeros((planes, before, area, area)), (area - 1) / 2
    for k, kappa, i, j in np.ndindex(*out.shape):
        down, right = i - middle, j - middle
        line = 1 + oriented * cos(2 * (atan2(down, right) - pi * (k + 1) / planes)) if down or right else 1
        near = 1 - apart * abs((kappa + 1) / before - (k + 1) / planes)
        out[k, kappa, i, j] = first * c_synapses(before, area, decay)[i, j] * line * near
    return out


def cell(u: Floats, k: int, row: int, column: int) -> float:
    """u(k, n), silent outside the plane."""
    inside = 0 <= row < u.shape[1] and 0 <= column < u.shape[2]
    return float(u[k, row, column]) if inside else 0.0


def v_c_cell(u: Floats, c: Floats, row: int, column: int) -> float:
    """(3); c[i, j] for v = (i, j) from the corner of the area."""
    total = 0.0
    for k in range(len(u)):
        for i, j in np.ndindex(*c.shape):
            total += c[i, j] * cell(u, k, row + i, column + j) ** 2
    return sqrt(total)


def s_cell(u: Floats, a: Floats, b: float, c: Floats, r: float, row: int, column: int) -> float:
    """(1) for one plane: a[k, i, j], with (row, column) the corner of the area."""
    excitation = 0.0
    for k in range(len(u)):
        for i, j in np.ndindex(*c.shape):
            excitation += a[k, i, j] * cell(u, k, row + i, column + j)
    inhibition = 2 * r / (1 + r) * b * v_c_cell(u, c, row, column)
    return r * phi((1 + excitation) / (1 + inhibition) - 1)


def v_s_cell(u: Floats, d: Floats, row: int, column: int) -> float:
    """(6)"""
    total = 0.0
    for k in range(len(u)):
        for i, j in np.ndindex(*d.shape):
            total += d[i, j] * cell(u, k, row + i, column + j)
    return total / len(u)


def c_cell(u: Floats, k: int, d: Floats, alpha: float, row: int, column: int) -> float:
    """(4)"""
    excitation = 0.0
    for i, j in np.ndindex(*d.shape):
        excitation += d[i, j] * cell(u, k, row + i, column + j)
    return psi((1 + excitation) / (1 + v_s_cell(u, d, row, column)) - 1, alpha)


def joined_c_cell(u: Floats, planes: list[int], d: Floats, row: int, column: int) -> float:
    """1988: several S-planes, no inhibition, x / (1 + x)."""
    excitation = 0.0
    for k in planes:
        for i, j in np.ndindex(*d.shape):
            excitation += d[i, j] * cell(u, k, row + i, column + j)
    return excitation / (1 + excitation)


def outputs(size: int, area: int, margin: int, stride: int = 1) -> int:
    """How many cells fit on a side."""
    return (size + 2 * margin - area) // stride + 1


def s_layer(u: Floats, a: Floats, b: Floats, c: Floats, r: float, margin: int) -> Floats:
    """All S-cells of a layer: a[k', k, i, j], b[k']."""
    side = outputs(u.shape[1], len(c), margin)
    out = np.zeros((len(a), side, side))
    for k, i, j in np.ndindex(*out.shape):
        out[k, i, j] = s_cell(u, a[k], b[k], c, r, i - margin, j - margin)
    return out


def c_layer(u: Floats, d: Floats, alpha: float, margin: int) -> Floats:
    """All C-cells of a layer of 1980."""
    side = outputs(u.shape[1], len(d), margin)
    out = np.zeros((len(u), side, side))
    for k, i, j in np.ndindex(*out.shape):
        out[k, i, j] = c_cell(u, k, d, alpha, i - margin, j - margin)
    return out


def joined_c_layer(u: Floats, joined: list[int], d: Floats, margin: int, stride: int) -> Floats:
    """All C-cells of a layer of 1988; S-plane kappa leads to C-plane joined[kappa]."""
    side = outputs(u.shape[1], len(d), margin, stride)
    out = np.zeros((max(joined) + 1, side, side))
    for k, i, j in np.ndindex(*out.shape):
        planes = [kappa for kappa in range(len(joined)) if joined[kappa] == k]
        out[k, i, j] = joined_c_cell(u, planes, d, i * stride - margin, j * stride - margin)
    return out


def candidate(s: Floats, top: int, left: int, column: int) -> tuple[float, int, int, int]:
    """Output, plane, row and column of the largest cell of an S-column; of equal ones the first, planes last."""
    best = (0.0, -1, -1, -1)
    for i in range(top, top + column):
        for j in range(left, left + column):
            for k in range(len(s)):
                if s[k, i, j] > best[0]:
                    best = (float(s[k, i, j]), k, i, j)
    return best


def representatives(s: Floats, column: int) -> dict[int, tuple[int, int]]:
    """Section 3: each S-column has a candidate, the largest candidate of a plane represents it.

    Columns overlap: there is one for each place in the layer where it fits. Cells without output are no candidates.
    """
    chosen: dict[int, tuple[float, int, int]] = {}
    for top in range(s.shape[1] - column + 1):
        for left in range(s.shape[2] - column + 1):
            value, k, i, j = candidate(s, top, left, column)
            if value > 0 and (k not in chosen or value > chosen[k][0]):
                chosen[k] = (value, i, j)
    return {k: (i, j) for k, (_, i, j) in chosen.items()}


@dataclass
class Stage:
    """A pair of layers of 1980, and what learning there needs."""

    a: Floats
    b: Floats
    c: Floats
    d: Floats
    r: float
    q: float
    s_margin: int
    c_margin: int
    column: int


def respond(stages: list[Stage], u: Floats, alpha: float) -> list[Floats]:
    """What each layer puts out: S1, C1, S2, C2, ..."""
    out = []
    for stage in stages:
        s = s_layer(u, stage.a, stage.b, stage.c, stage.r, stage.s_margin)
        u = c_layer(s, stage.d, alpha, stage.c_margin)
        out += [s, u]
    return out


def present(stages: list[Stage], picture: Floats, alpha: float) -> None:
    """One presentation: every S-layer picks representatives of its response, then each plane is reinforced (7), (8)."""
    responses = respond(stages, picture, alpha)
    befores = [picture, *responses[1::2]]
    for stage, before, s in zip(stages, befores, responses[::2], strict=False):
        for k, (row, column) in representatives(s, stage.column).items():
            top, left = row - stage.s_margin, column - stage.s_margin
            for kappa in range(len(before)):
                for i, j in np.ndindex(*stage.c.shape):
                    stage.a[k, kappa, i, j] += (
                        stage.q * stage.c[i, j] * cell(before, kappa, top + i, left + j)
                    )
            stage.b[k] += stage.q / 2 * v_c_cell(before, stage.c, top, left)
