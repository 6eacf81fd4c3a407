"""Where a loader's pixels come from: an array that holds them all, or files that are decoded when their turn comes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from neocog.data.decode import Pixels
from neocog.data.loading.order import Indices
from neocog.data.preprocess import Preprocess
from neocog.data.samples import Samples
from neocog.errors import Unreadable, UserError

Reason = tuple[int, str]
"""a row that was left out, and why"""


class Source(Protocol):
    """Pictures of one shape, by index. It is sent to worker processes, so it holds no open file and no lock."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """height, width, channels"""

    def name(self, index: int) -> str:
        """What the picture is called."""

    def fill(self, indices: Indices, out: Pixels) -> list[Reason]:
        """Write the pictures to the rows of `out`; those that cannot be read are returned with the reason."""


@dataclass(frozen=True, eq=False)
class Held:
    """Pixels that are there already, (n, height, width, channels) in memory or in a file mapped into it."""

    pixels: Pixels
    named: Samples | None = None
    """whose names they have; numbers where None"""

    @property
    def shape(self) -> tuple[int, int, int]:
        _, height, width, channels = self.pixels.shape
        return height, width, channels

    def name(self, index: int) -> str:
        return self.named.name(index) if self.named is not None else f"[{index}]"

    def fill(self, indices: Indices, out: Pixels) -> list[Reason]:
        np.take(self.pixels, indices, axis=0, out=out, mode="clip")  # other modes make a copy on the way
        return []


@dataclass(frozen=True, eq=False)
class Decoded:
    """Pictures that are read and decoded whenever they are asked for."""

    samples: Samples
    preprocess: Preprocess

    @property
    def shape(self) -> tuple[int, int, int]:
        return (*self.preprocess.size, self.preprocess.channels)

    def name(self, index: int) -> str:
        return self.samples.name(index)

    def fill(self, indices: Indices, out: Pixels) -> list[Reason]:
        left_out = []
        for row, index in enumerate(indices):
            try:
                out[row] = self.preprocess(self.samples.read(int(index)))
            except Unreadable as reason:
                left_out.append((row, str(reason)))
        return left_out


@dataclass(frozen=True, eq=False)
class Labelled:
    """Pictures with their labels; `rows` picks some of them without a copy."""

    pixels: Pixels | Source
    labels: NDArray[Any]
    """of the rows, in their order: int64 (n,), or float32 (n, classes) for shares of the classes"""
    rows: Indices | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def source(self) -> Source:
        return Held(self.pixels) if isinstance(self.pixels, np.ndarray) else self.pixels

    def places(self, indices: Indices) -> Indices:
        """Of these pictures in the source."""
        return indices if self.rows is None else self.rows[indices]


def with_margin(preprocess: Preprocess, factor: float = 1.15) -> Preprocess:
    """Preprocessing to pictures larger than the network's input by `factor`, which random crops are then cut from.

    Large files are decoded at a reduced scale, and random crops still differ; a crop of less than 1/`factor` of an
    edge is enlarged from there, so recipes with smaller crops take a larger factor.
    """
    if not factor >= 1:
        raise UserError(f"the factor of the margin must be at least 1, got {factor}")
    height, width = (ceil(factor * side) for side in preprocess.size)
    return replace(preprocess, size=(height, width), crop_pct=1.0)
