"""The features that a network's last layer reads, of many pictures, computed once and kept by content."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neocog.data.samples import Samples
from neocog.inference.engines import Engine
from neocog.inference.layer_features import LAST, gather, last_layer
from neocog.inference.network import Floats, Network
from neocog.progress import Progress


@dataclass(frozen=True)
class Features:
    """The readable pictures' features, and what was left out."""

    indices: NDArray[np.int64]
    """place of each row in the samples"""
    matrix: Floats
    """(n, d)"""
    hashes: NDArray[np.uint8]
    """(n, 32), content hashes"""
    skipped: tuple[tuple[int, str], ...]
    """(index, reason) of each picture that cannot be read"""
    cached: int
    """how many rows were found, not computed"""


def extract(samples: Samples, network: Network, engine: Engine, progress: Progress) -> Features:
    """The features of all readable `samples`, in order; new ones are kept in the user's cache."""
    found = gather(samples, last_layer(network, engine), progress)
    return Features(found.indices, found.features[LAST], found.hashes, found.skipped, found.cached)
