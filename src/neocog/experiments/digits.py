"""The lecture's first comparison: a convolutional network beside support vector machines on the same digits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neocog.classical.pixels import gallery_accuracy, pixel_svm
from neocog.evaluation.intervals import wilson

PRINTED_GALLERY = 0.9689  # scikit-learn's example "Recognizing hand-written digits", RBF with gamma .001


@dataclass(frozen=True)
class Row:
    """A classifier's accuracy on the held-out digits with its 95 % interval."""

    name: str
    top1: float
    low: float
    high: float
    note: str

    def __str__(self) -> str:
        return f"{self.name}: {self.top1:.4f} ({self.low:.4f} to {self.high:.4f}), {self.note}"


def pixel_machines(
    train: NDArray[np.uint8],
    train_labels: NDArray[np.int64],
    held_out: NDArray[np.uint8],
    held_out_labels: NDArray[np.int64],
) -> list[Row]:
    """The linear and the RBF machine on the same split as the network, and scikit-learn's own figure recomputed."""
    rows = []
    for kernel, name in (("linear", "linear SVM on pixels"), ("rbf", "RBF SVM on pixels")):
        machine = pixel_svm("linear" if kernel == "linear" else "rbf").fit(train, train_labels)
        right = int((machine.predict(held_out) == held_out_labels).sum())
        rows.append(
            Row(name, right / len(held_out), *wilson(right, len(held_out)), "same split as the network")
        )
    ours, n = gallery_accuracy(), 899
    verdict = "match" if round(ours, 4) == PRINTED_GALLERY else "MISMATCH"
    note = f"first half trains, second half judges; printed there: {PRINTED_GALLERY} ({verdict})"
    rows.append(Row("scikit-learn's gallery example", ours, *wilson(round(ours * n), n), note))
    return rows
