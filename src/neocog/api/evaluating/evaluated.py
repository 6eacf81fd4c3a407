"""What scores are computed from, whatever the pictures show: which ones, how they were answered, what was left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from neocog.api.evaluating.answered import Answered, skipped_names
from neocog.api.evaluating.how import How
from neocog.data.dataset import Dataset, LeftOut
from neocog.inference.network import Floats


@dataclass(frozen=True, kw_only=True, repr=False)
class Evaluated:
    """Answers about readable pictures, and everything about the others."""

    probabilities: Floats
    """(n, columns)"""
    indices: NDArray[np.int64]
    """of the pictures in the data set"""
    hashes: NDArray[np.uint8]
    """(n, 32), SHA-256 of the pictures"""
    trained: NDArray[np.bool_]
    """(n,), which of them are known to have trained the model"""
    paths: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]
    """(path, reason)"""
    quarantined: tuple[LeftOut, ...]
    """pictures that a quarantine list left out"""
    unknown_classes: tuple[str, ...]
    """classes of the data that the model does not know"""
    how: How
    """how the answers were got"""

    def circumstances(self) -> dict[str, Any]:
        """All but the answers, as JSON."""
        return {
            "how": self.how.to_json(),
            "skipped": [{"path": path, "reason": reason} for path, reason in self.skipped],
            "quarantined": [gone.to_json() for gone in self.quarantined],
            "unknown_classes": list(self.unknown_classes),
        }


class Facts(TypedDict):
    """The fields of `Evaluated` that do not depend on what the pictures show."""

    indices: NDArray[np.int64]
    hashes: NDArray[np.uint8]
    trained: NDArray[np.bool_]
    paths: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]
    quarantined: tuple[LeftOut, ...]
    how: How


def facts_of(found: Answered, dataset: Dataset, how: How, strict: bool) -> Facts:
    """Of the answers `found` about pictures of `dataset`; with `strict` an error where one could not be read."""
    return {
        "indices": found.indices,
        "hashes": found.hashes,
        "trained": np.zeros(len(found.indices), bool) if found.known is None else found.known,
        "paths": tuple(dataset.samples.name(i) for i in found.indices),
        "skipped": skipped_names(dataset, found, strict),
        "quarantined": dataset.quarantined,
        "how": how,
    }
