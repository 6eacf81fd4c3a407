"""What a classifier on features gives back, whatever its kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from neocog.inference.network import Floats

Labels = NDArray[np.int64]


class Fitted(Protocol):
    """A classifier that was fitted to features (n, d) of known classes."""

    def scores(self, features: Floats) -> Floats:
        """(n, classes); larger is more likely. Minus infinity for a class that it saw no picture of, if it must be."""

    def predict(self, features: Floats) -> Labels:
        """(n,), the class of the highest score; of equals the first."""


def highest(scores: Floats) -> Labels:
    """(n, classes) -> (n,), the place of the highest score; of equals the first."""
    return np.asarray(scores.argmax(axis=1), np.int64)


@dataclass(frozen=True, repr=False)
class Linear:
    """scores = features @ weight.T + bias."""

    weight: Floats
    """(classes, d)"""
    bias: Floats
    """(classes,)"""

    def __repr__(self) -> str:
        return f"Linear({self.weight.shape[0]:,} classes, {self.weight.shape[1]:,} features)"

    def scores(self, features: Floats) -> Floats:
        return np.asarray(features @ self.weight.T + self.bias, np.float32)

    def predict(self, features: Floats) -> Labels:
        return highest(self.scores(features))
