"""Pictures without labels become training pictures: a teacher names them, a larger, noised student learns from both.

Xie, Luong, Hovy, Le, "Self-training with noisy student improves ImageNet classification" (2020), section 3.1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neocog.data.decode import Pixels
from neocog.data.loading.order import Indices
from neocog.data.loading.pictures import Labelled, Reason, Source
from neocog.errors import UserError

CONFIDENCE = 0.3  # the paper's, section 3.1

Floats = NDArray[np.float32]
Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Pseudo:
    """The unlabelled pictures that a student learns from, balanced over the classes."""

    indices: Indices
    """of the pictures, some of them more than once"""
    targets: Floats
    """(n, classes), what the teacher says about each"""
    confident: Counts
    """(classes,), how many pictures the teacher was sure of, before they were balanced"""


def pseudo_labels(
    probabilities: Floats, confidence: float = CONFIDENCE, per_class: int | None = None
) -> Pseudo:
    """What a teacher's `probabilities` (n, classes) of unlabelled pictures make of them.

    A picture counts where its most probable class has more than `confidence`. Of each class the `per_class` most
    confident are kept; where there are fewer, they are repeated, the most confident first, until there are as many (the
    paper repeats some at random). A class without any stays empty. Without `per_class`, the paper's 130,000, it is the
    mean number over the classes that have some, so that about as many pictures come out as were confident. Targets are
    the teacher's probabilities, soft. UserError if no picture is confident enough.
    """
    if not 0 <= confidence < 1:
        raise UserError(f"confidence must lie in 0..1, below 1, got {confidence}")
    if per_class is not None and per_class < 1:
        raise UserError(f"per_class must be at least 1, got {per_class}")
    best, largest = probabilities.argmax(axis=1), probabilities.max(axis=1)
    sure = np.flatnonzero(largest > confidence)
    if not len(sure):
        raise UserError(
            f"the teacher must be more than {confidence} sure of some picture, the surest of {len(largest):,} has "
            f"{largest.max(initial=0):.3f}; train a better teacher, or lower the confidence"
        )
    ranked = sure[np.argsort(-largest[sure], kind="stable")]
    members = [ranked[best[ranked] == c] for c in range(probabilities.shape[1])]
    confident = np.array([len(m) for m in members])
    count = per_class or max(1, round(float(confident[confident > 0].mean())))
    indices = np.concatenate([np.resize(m, count) for m in members if len(m)])
    return Pseudo(indices, probabilities[indices], confident)


@dataclass(frozen=True, eq=False)
class Joined:
    """The pictures of one source and behind them those of another, of the same shape."""

    first: Source
    length: int
    """of the first"""
    second: Source

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.first.shape

    def name(self, index: int) -> str:
        return self.first.name(index) if index < self.length else self.second.name(index - self.length)

    def fill(self, indices: Indices, out: Pixels) -> list[Reason]:
        left_out: list[Reason] = []
        for source, rows, start in (
            (self.first, np.flatnonzero(indices < self.length), 0),
            (self.second, np.flatnonzero(indices >= self.length), self.length),
        ):
            part = np.empty((len(rows), *self.shape), np.uint8)
            left_out += [(int(rows[row]), why) for row, why in source.fill(indices[rows] - start, part)]
            out[rows] = part
        return sorted(left_out)


def with_pseudo(labelled: Labelled, unlabelled: Source, pseudo: Pseudo) -> Labelled:
    """The labelled pictures, their labels as shares of the classes, and behind them the ones the teacher named.

    `pseudo` counts the pictures of `unlabelled`, which are of the shape of the labelled ones.
    """
    if labelled.source.shape != unlabelled.shape:
        raise UserError(
            f"unlabelled pictures must be of the labelled ones' shape {labelled.source.shape}, got {unlabelled.shape}"
        )
    own = labelled.places(np.arange(len(labelled)))
    length = int(own.max(initial=-1)) + 1
    certain = np.eye(pseudo.targets.shape[1], dtype=np.float32)[labelled.labels]
    return Labelled(
        Joined(labelled.source, length, unlabelled),
        np.concatenate([certain, pseudo.targets]),
        np.concatenate([own, length + pseudo.indices]),
    )
