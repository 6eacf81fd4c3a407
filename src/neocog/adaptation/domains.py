"""Two domains with the same classes: what a method of adaptation may see of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neocog.errors import UserError
from neocog.inference.network import Floats
from neocog.probing.scale import Scale, learned_scale

Labels = NDArray[np.int64]
Rows = tuple[Floats, Labels]
Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Domains:
    """Labelled features of a source, features of a target, and the labels of a few of the target's or of none.

    UserError where the two have different features, where a number is NaN or infinite, and where labels and rows do
    not fit together.
    """

    source: Floats
    """(n, d)"""
    source_labels: Labels
    """(n,), 0 to classes - 1"""
    target: Floats
    """(m, d): all pictures of the target that are seen while adapting, labelled or not"""
    labelled: Labels
    """the rows of `target` whose label is known; empty where adaptation is unsupervised"""
    target_labels: Labels
    """their labels, as many as `labelled`"""
    classes: int

    def __post_init__(self) -> None:
        _check_features("source", self.source)
        _check_features("target", self.target)
        if self.source.shape[1] != self.target.shape[1]:
            raise UserError(
                f"both domains must have the same features, got {self.source.shape[1]} in the source and "
                f"{self.target.shape[1]} in the target; take both from one network and layer"
            )
        _check_labels("source", self.source_labels, len(self.source), self.classes)
        _check_labels("target", self.target_labels, len(self.labelled), self.classes)
        rows = np.unique(self.labelled)
        if len(rows) != len(self.labelled) or (len(rows) and not 0 <= rows[0] <= rows[-1] < len(self.target)):
            raise UserError(
                f"labelled must name different rows of the target's {len(self.target)}, got {self.labelled}"
            )

    def standards(self) -> tuple[Scale, Scale]:
        """What brings each domain by itself to features of mean 0 and deviation 1: of the source, of the target."""
        return learned_scale("standard", self.source), learned_scale("standard", self.target)

    def standardised(self) -> tuple[Doubles, Doubles]:
        """Source and target, each with mean 0 and deviation 1 by itself."""
        source, target = self.standards()
        return source(self.source).astype(np.float64), target(self.target).astype(np.float64)

    @property
    def known(self) -> Floats:
        """The target's labelled rows."""
        return self.target[self.labelled]

    def pooled(self, source: Floats, known: Floats) -> Rows:
        """Whatever a method made of the source's rows and of the target's labelled ones, one behind the other."""
        return (
            np.concatenate([source, known]).astype(np.float32),
            np.concatenate([self.source_labels, self.target_labels]),
        )

    def need_labels(self, method: str) -> None:
        """UserError where no label of the target is known."""
        if not len(self.labelled):
            raise UserError(
                f"{method} learns from labelled pictures of the target, got none; "
                "label at least one a class, or take an unsupervised method"
            )

    def need_every_class(self, method: str) -> None:
        """UserError where some class has no labelled row in the target."""
        self.need_labels(method)
        missing = np.setdiff1d(np.arange(self.classes), self.target_labels)
        if len(missing):
            raise UserError(
                f"{method} needs a labelled picture of every class in the target, got none of class {missing[0]}"
                f"{f' and {len(missing) - 1} more' if len(missing) > 1 else ''}; label one of each"
            )


def _check_features(domain: str, features: Floats) -> None:
    if features.ndim != 2 or len(features) < 2 or features.shape[1] < 1:
        raise UserError(
            f"the {domain} must be a matrix of two rows or more, one a picture, got the shape {features.shape}"
        )
    bad = ~np.isfinite(features).all(axis=1)
    if bad.any():
        raise UserError(
            f"features must be finite numbers, got NaN or infinity in row {int(bad.argmax())} of the {domain}; "
            "compute them anew or leave that picture out"
        )


def _check_labels(domain: str, labels: Labels, rows: int, classes: int) -> None:
    if labels.shape != (rows,):
        raise UserError(f"the {domain} must have a label for each row, got {len(labels)} for {rows}")
    if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        raise UserError(
            f"labels of the {domain} must lie between 0 and {classes - 1}, got {labels.min()} to {labels.max()}"
        )
