"""How SIFT's histograms become comparable numbers."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from neocog.classical.pictures import Floats

Number = TypeVar("Number", bound=np.floating[Any])
CLIP = 0.2  # of a histogram of norm 1: no gradient may count for more (Lowe 2004, section 6.1)


def unit(rows: NDArray[Number]) -> NDArray[Number]:
    """Each row of (n, d) with norm 1; rows of zeros stay."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0))


def lowe(histograms: Floats) -> Floats:
    """Norm 1, clipped at .2, norm 1 again."""
    return unit(np.minimum(unit(histograms), np.float32(CLIP)))


def rooted(descriptors: Floats) -> Floats:
    """RootSIFT: square roots of the shares of the sum (Arandjelović and Zisserman 2012)."""
    sums = descriptors.sum(axis=1, keepdims=True)
    return np.asarray(np.sqrt(np.divide(descriptors, sums, out=np.zeros_like(descriptors), where=sums > 0)))
