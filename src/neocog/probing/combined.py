"""Support vector machines on a weighted sum of kernels, one for each of several kinds of features side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from neocog.errors import UserError
from neocog.inference.network import Floats
from neocog.probing.fitted import Fitted, Labels, highest
from neocog.probing.kinds import KERNEL_GRID, Kind

if TYPE_CHECKING:
    from neocog.classical.kernels.machine import Machine
    from neocog.classical.kernels.several import Kernels
    from neocog.probing.lbfgs import Doubles

WEIGHTINGS = {
    "uniform": "all kernels count the same",
    "accuracy": "each kernel counts by the fourth power of its accuracy in cross-validation",
    "alignment": "kernels count as makes their sum most like that of the labels",
    "margin": "kernels count as makes the machines' objective least",
}
"""of `classical.kernels.weights`, which needs scikit-learn"""
KERNELS = ("rbf", "linear", "chi2", "intersection")
"""of `classical.kernels.matrices`, the usual one first"""
OF_COUNTS = ("chi2", "intersection")  # which no number may be below 0 for
FOLDS = 5  # of the cross-validation that weighs by accuracy, where each class has as many pictures
ROWS = 1_000  # whose kernels are in memory at once
MOST = 2 << 30  # bytes of the training pictures' kernels


@dataclass(frozen=True)
class Block:
    """Columns of one kind of features, and the kernel on them."""

    name: str
    width: int
    kernel: str = KERNELS[0]


@dataclass(frozen=True)
class OnKernels:
    """Machines, one class against the rest, on the weighted sum of the kernels with the training rows."""

    kernels: Kernels = field(repr=False)
    weights: Doubles
    """(blocks,), of sum 1"""
    machine: Machine = field(repr=False)
    seen: Labels = field(repr=False)
    """the classes that it was shown, in the order of the machines"""
    classes: int

    def scores(self, features: Floats) -> Floats:
        scores = np.full((len(features), self.classes), -np.inf, np.float32)
        for first in range(0, len(features), ROWS):
            kernels = self.kernels(np.asarray(features[first : first + ROWS], np.float64))
            scores[first : first + ROWS, self.seen] = self.machine.scores(
                np.tensordot(self.weights, kernels, 1)
            )
        return scores

    def predict(self, features: Floats) -> Labels:
        return highest(self.scores(features))

    def counts(self) -> dict[str, float]:
        """What the kernel of each kind of features counts in the sum."""
        names = [part.name for part in self.kernels.parts]
        return dict(zip(names, map(float, self.weights), strict=True))


def combination(blocks: tuple[Block, ...], weighting: str) -> Kind:
    """The kind of classifier on features that are those of `blocks` side by side, weighed by one of `WEIGHTINGS`.

    `classical.kernels.combination.KernelCombination` with each kernel divided by the mean of its diagonal, for several
    strengths at once. UserError where the kernels would take more than 2 GiB, or a weighting needs more pictures.
    """

    def path(x: Floats, labels: Labels, classes: int, strengths: Sequence[float], seed: int) -> list[Fitted]:
        from neocog.classical.kernels.machine import fit_machine
        from neocog.classical.kernels.weights import WEIGHTINGS as RULES
        from neocog.classical.kernels.weights import Setting

        demand_room(len(x), len(blocks))
        seen, places = np.unique(labels, return_inverse=True)
        folds = _folds(places) if weighting == "accuracy" else FOLDS
        kernels = _kernels(blocks, x)
        among = kernels(kernels.rows)
        found: list[Fitted] = []
        for strength in strengths:
            weights = RULES[weighting](among, places, Setting(strength, folds, seed))
            machine = fit_machine(np.tensordot(weights, among, 1), places, strength)
            found.append(OnKernels(kernels, weights, machine, seen, classes))
        return found

    words = f"SVM on the sum of {len(blocks)} kernels, {WEIGHTINGS[weighting]}"
    return Kind(f"sum-{weighting}", words, "C", KERNEL_GRID, 10.0, path)


def _kernels(blocks: tuple[Block, ...], x: Floats) -> Kernels:
    from neocog.classical.kernels.matrices import Part
    from neocog.classical.kernels.several import Kernels

    parts = tuple(Part(block.name, block.width, block.kernel) for block in blocks)
    return Kernels.of(parts, "mean", np.asarray(x, np.float64))


def _folds(labels: Labels) -> int:
    fewest = int(np.bincount(labels).min())
    if fewest < 2:
        raise UserError(
            "weights by accuracy need two pictures of each class in every fold, got a class with one; give more "
            "pictures of each class, or ask for --combine uniform or alignment"
        )
    return min(FOLDS, fewest)


def demand_room(rows: int, kernels: int) -> None:
    """UserError where kernels between so many training rows would take more than 2 GiB."""
    size = 8 * kernels * rows**2
    if size > MOST:
        raise UserError(
            f"kernels of the pictures that train must fit into {MOST >> 30} GiB, {kernels} of {rows:,} pictures take "
            f"{size / 2**30:.1f}; take fewer pictures with --per-class"
        )
