"""How features are scaled before a classifier reads them; learned from the rows that train, and from no others."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from neocog.errors import UserError, unknown
from neocog.inference.network import Floats
from neocog.probing.fitted import Fitted, Labels, Linear
from neocog.probing.logistic import folded, standardised

SCALES = {
    "standard": "each feature has mean 0 and deviation 1 over the training rows; a constant one becomes 0",
    "l2": "each row has the length sqrt(d), so that only its direction counts",
    "none": "as they are, but for one factor for all that brings the mean square of the training rows to 1",
}
"""after any of them the mean square is 1, so that a strength means the same"""


@dataclass(frozen=True)
class Scale:
    """features -> (features - mean) / spread, each row brought to the length sqrt(d) before where `directions`.

    UserError for features that have not as many numbers as those that it was learned from.
    """

    mean: Floats = field(repr=False)
    """(d,)"""
    spread: Floats = field(repr=False)
    """(d,); infinite where a feature tells nothing"""
    directions: bool = False

    def __call__(self, features: Floats) -> Floats:
        if features.ndim != 2 or features.shape[1] != len(self.mean):
            raise UserError(
                f"features must be (n, {len(self.mean)}), like those that were learned from, got {features.shape}; "
                "take them from the same network and layer"
            )
        if self.directions:
            lengths = np.linalg.norm(features, axis=1, keepdims=True)
            factor = np.float32(np.sqrt(features.shape[1])) / np.where(lengths > 0, lengths, np.inf)
            return np.ascontiguousarray(features * factor)
        return np.ascontiguousarray((features - self.mean) / self.spread)


def learned_scale(name: str, features: Floats) -> Scale:
    """The scale `name` of `SCALES`, learned from the training rows (n, d)."""
    d = features.shape[1]
    if name == "standard":
        _, mean, spread = standardised(features)
        return Scale(mean, spread)
    if name not in SCALES:
        raise unknown("scale", name, SCALES)
    root = float(np.sqrt(np.square(features, dtype=np.float64).mean())) or 1.0
    return Scale(np.zeros(d, np.float32), np.full(d, root, np.float32), name == "l2")


@dataclass(frozen=True)
class Scaled:
    """A classifier with the scale in front of it: it takes raw features."""

    scale: Scale
    behind: Fitted

    def scores(self, features: Floats) -> Floats:
        return self.behind.scores(self.scale(features))

    def predict(self, features: Floats) -> Labels:
        return self.behind.predict(self.scale(features))

    def linear(self) -> Linear | None:
        """The same scores as one linear layer on raw features; None where no such layer has them."""
        if self.scale.directions or not isinstance(self.behind, Linear):
            return None
        head = folded(self.behind.weight, self.behind.bias, self.scale.mean, self.scale.spread)
        return Linear(head.weight, head.bias)
