"""The kernels of several kinds of features that lie side by side, brought to one size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from neocog.classical.kernels.matrices import (
    KERNELS,
    OF_COUNTS,
    Floats,
    Part,
    diagonal,
    matrix,
    mean_distance,
)
from neocog.errors import UserError, unknown

SCALES = ("none", "mean", "cosine")


@dataclass(frozen=True)
class Kernels:
    """A kernel of each of `parts` with the rows that they were fitted to.

    `scale`: `mean` divides each kernel by the mean of its training diagonal, so that all have the same size; `cosine`
    by the lengths of both rows; `none` leaves them.
    """

    parts: tuple[Part, ...]
    scale: str
    rows: Floats = field(repr=False)
    """(n, d), those of the parts one after another"""
    gammas: tuple[float, ...]
    sizes: tuple[float, ...]

    @staticmethod
    def of(parts: tuple[Part, ...], scale: str, rows: Floats) -> Kernels:
        """Fitted to `rows` (n, d). UserError for an unknown kernel or scale, and numbers below 0 in a histogram."""
        if scale not in SCALES:
            raise unknown("scale", scale, SCALES)
        demand_fit(parts, rows)
        gammas = tuple(_gamma(*both) for both in blocks(parts, rows))
        sizes = tuple(float(diagonal(*both).mean()) or 1.0 for both in blocks(parts, rows))
        return Kernels(parts, scale, rows, gammas, sizes)

    def __call__(self, rows: Floats) -> Floats:
        """(parts, len(rows), training rows)"""
        demand_fit(self.parts, rows)
        found = np.empty((len(self.parts), len(rows), len(self.rows)))
        pairs = zip(blocks(self.parts, rows), blocks(self.parts, self.rows), strict=True)
        for i, ((part, new), (_, old)) in enumerate(pairs):
            found[i] = matrix(part, self.gammas[i], new, old)
            if self.scale == "mean":
                found[i] /= self.sizes[i]
            elif self.scale == "cosine":
                lengths = np.sqrt(np.outer(diagonal(part, new), diagonal(part, old)))
                found[i] /= np.where(lengths > 0, lengths, 1)
        return found


def blocks(parts: tuple[Part, ...], rows: Floats) -> Iterator[tuple[Part, Floats]]:
    """Each part with its columns of `rows` (n, d)."""
    end = 0
    for part in parts:
        end += part.width
        yield part, rows[:, end - part.width : end]


def demand_fit(parts: tuple[Part, ...], rows: Floats) -> None:
    """UserError where `rows` are not what the parts say."""
    if sum(part.width for part in parts) != rows.shape[1]:
        widths = ", ".join(f"{part.name} {part.width}" for part in parts)
        raise UserError(f"the parts must have the matrix's {rows.shape[1]} columns, got {widths}")
    for part, block in blocks(parts, rows):
        if part.kernel not in KERNELS:
            raise unknown("kernel", part.kernel, KERNELS)
        if part.kernel in OF_COUNTS and (block < 0).any():
            raise UserError(
                f"{part.kernel} compares histograms; {part.name} has numbers below 0: take linear or rbf, or features "
                "that count, as they are"
            )


def _gamma(part: Part, block: Floats) -> float:
    return part.gamma if part.gamma is not None else 1 / mean_distance(part, block)
