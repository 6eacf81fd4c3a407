"""Pictures with their features, in memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neocog.api.embedding.origin import Origin
from neocog.data.dataset import Dataset
from neocog.inference.network import Floats


@dataclass(frozen=True)
class Embedded:
    """Pictures with their features."""

    dataset: Dataset
    """the readable pictures alone, in order; rows of `features` are theirs"""
    features: dict[str, Floats]
    """layer -> (n, d) float32"""
    hashes: NDArray[np.uint8]
    """(n, 32), SHA-256 of the pictures"""
    skipped: tuple[tuple[str, str], ...]
    """(name, reason) of each picture that cannot be read"""
    origin: Origin
    cached: int
    """how many rows were found, not computed"""
    engine: str = ""
    """what ran the network; nothing where they come from a file"""
