"""How much of a score is owed to pictures that were trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neocog.evaluation.per_picture import best


@dataclass(frozen=True)
class Leaked:
    """Judged pictures that are in the training part, too, byte for byte."""

    same: int
    of: int
    """all judged pictures"""
    top1_without: float | None
    """accuracy on the others; None where there is no other"""

    def __str__(self) -> str:
        if self.top1_without is None:
            return "every judged picture was trained on: nothing says how new ones fare"
        rest = self.of - self.same
        return f"without the {self.same:,} that were trained on: {self.top1_without:.4f} on {rest:,}"


def leaked(probabilities: NDArray[np.float32], labels: NDArray[np.int64], known: NDArray[np.bool_]) -> Leaked:
    """`probabilities` (n, k) against `labels` (n,); `known` (n,) says which pictures were trained on."""
    right = best(probabilities)[~known] == labels[~known]
    return Leaked(int(known.sum()), len(known), float(right.mean()) if len(right) else None)
