"""Whether the network behind the features was trained on the very pictures that are judged."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neocog.api.embedding.features import Embedded
from neocog.api.evaluating.answered import training_hashes
from neocog.api.networks import run_and_epoch
from neocog.api.probing.taught import is_frozen
from neocog.api.retrieval.queries import run_of
from neocog.bundle import is_bundle
from neocog.inference.feature_files import is_features_file
from neocog.retrieval.nearest import Neighbours
from neocog.retrieval.space import Indices


@dataclass(frozen=True, eq=False)
class TrainedOn:
    """Pictures of the index that trained its network: their features know their labels."""

    run: str
    known: NDArray[np.bool_]
    """(n,)"""
    recall_without: float | None = None
    """share of the others whose nearest picture is of their class; None without figures, or where there is no other"""

    def __str__(self) -> str:
        same, of = int(self.known.sum()), len(self.known)
        said = (
            f"{same:,} of {of:,} pictures trained {self.run}: its features know their labels, so that figures are too "
            "good and wrong labels are missed"
        )
        if self.recall_without is None:
            return f"{said}."
        rest = f"{100 * self.recall_without:.1f} % of the {of - same:,} others"
        return f"{said}. The nearest is of the same class for {rest}."

    def to_json(self) -> dict[str, Any]:
        return {
            "run": self.run,
            "same": int(self.known.sum()),
            "of": len(self.known),
            "recall_at_1_without": self.recall_without,
        }


def trained_on(
    source: str | Path, by: str | Path | None, found: Embedded, judged: tuple[Neighbours, Indices] | None
) -> TrainedOn | None:
    """None where no picture of `found` is known to have trained the network of `source`.

    `judged` are the neighbours of every picture and the labels, where figures are told of them.
    """
    folder = _trained_run(source, by, found)
    hashes = training_hashes(folder)
    known = np.array([row.tobytes().hex() in hashes for row in found.hashes], bool)
    if folder is None or not known.any():
        return None
    return TrainedOn(str(folder), known, None if judged is None else _recall_without(known, *judged))


def _recall_without(known: NDArray[np.bool_], near: Neighbours, labels: Indices) -> float | None:
    first = near.indices[:, 0]
    counted = ~known & (labels >= 0) & (first >= 0)
    counted &= np.isin(labels, np.flatnonzero(np.bincount(labels[labels >= 0], minlength=1) > 1))
    return float((labels[first] == labels)[counted].mean()) if counted.any() else None


def _trained_run(source: str | Path, by: str | Path | None, found: Embedded) -> Path | None:
    """The run whose training changed the network; None where it is a published one, as `probe` leaves it."""
    named = (by or run_of(found.origin)) if is_features_file(Path(source).expanduser()) else source
    path = None if named is None else Path(str(named).rpartition("@")[0] or str(named)).expanduser()
    if named is None or path is None or not (is_bundle(path) or is_bundle(Path(named).expanduser())):
        return None
    folder, epoch = run_and_epoch(named)
    return None if folder is None or (epoch is None and is_frozen(folder)) else folder
