"""Max-margin domain transforms: support vector machines, and the map of the target to where they are right."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from neocog.adaptation.domains import Domains, Doubles, Labels
from neocog.adaptation.hinge import Hinges, machines
from neocog.inference.network import Floats
from neocog.probing.choose import dealt
from neocog.probing.kinds import Kind
from neocog.probing.scale import Scale, learned_scale

ROUNDS = 20
TOLERANCE = 1e-3
"""of W's duality gap, as a share of the objective"""
SLOPE = 0.1
"""of that tolerance, for the slopes of theta's dual"""
ROUGHLY = (2, 1e-2)
"""rounds (the authors') and tolerance while costs are compared"""
SETTLED = 1e-3  # fall of the objective, as a share, below which rounds end
GRID = ((0.05, 1.0), (0.5, 1.0), (0.5, 10.0), (5.0, 10.0), (5.0, 100.0))
"""costs of faults in the source and in the target, tried by cross-validation; the first is the authors'"""
FOLDS = 3


@dataclass(frozen=True)
class Transform:
    """W, (d, d): the identity, or `left`' `right` with a row of each a class."""

    left: Doubles
    right: Doubles

    def __call__(self, x: Doubles) -> Doubles:
        """W x for each row of x: (n, d) -> (n, d)."""
        return np.asarray((x @ self.right.T) @ self.left)

    def square(self) -> float:
        """|W|^2, the sum of its squared entries."""
        return float(np.vdot(self.left @ self.left.T, self.right @ self.right.T))


@dataclass(frozen=True)
class Machine:
    """theta, a row of weights a class, and W; None is the identity, from which it starts."""

    theta: Doubles
    """(classes, d)"""
    transform: Transform | None
    objectives: tuple[float, ...]
    """after each round: they only fall"""

    def scores(self, x: Doubles) -> Doubles:
        """theta' W x for rows of the target: (n, classes)."""
        return np.asarray((x if self.transform is None else self.transform(x)) @ self.theta.T)


@dataclass(frozen=True)
class Transformed:
    """A machine on raw features: standardised, with a 1 behind, so that theta and W have an offset."""

    standard: Scale
    machine: Machine

    def of_source(self, features: Floats) -> Floats:
        return homogeneous(self.standard, features).astype(np.float32)

    def of_target(self, features: Floats) -> Floats:
        x = homogeneous(self.standard, features)
        transform = self.machine.transform
        return (x if transform is None else transform(x)).astype(np.float32)

    def scores(self, features: Floats) -> Floats:
        return self.machine.scores(homogeneous(self.standard, features)).astype(np.float32)

    def predict(self, features: Floats) -> NDArray[np.int64]:
        return np.asarray(self.scores(features).argmax(axis=1), np.int64)


def fit_mmdt(domains: Domains, kind: Kind, seed: int) -> Transformed:
    """Hoffman, Rodner, Donahue, Darrell, Saenko, "Efficient learning of domain-invariant image representations"
    (ICLR 2013), section 3: equation 1 by alternation.

    Its classifier is its own (a linear SVM per class), so `kind` is not asked. Features are standardised over the
    labelled rows of both domains and divided by the root of their number, so that a row's length is about 1 as the
    authors' are. The costs are those of `GRID` that serve labelled rows of the target best which were held out, where
    two rows a class or more are labelled; else the authors'. UserError where the target has no labels.
    """
    domains.need_labels("MMDT")
    standard = learned_scale("standard", np.concatenate([domains.source, domains.known]))
    task = Task(
        homogeneous(standard, domains.source),
        domains.source_labels,
        homogeneous(standard, domains.known),
        domains.target_labels,
        domains.classes,
    )
    return Transformed(standard, task.solved(best_costs(task, seed)))


def homogeneous(standard: Scale, features: Floats) -> Doubles:
    """Standardised rows, brought to a length of about 1, and a 1 behind: (n, d) -> (n, d + 1)."""
    rows = standard(features).astype(np.float64) / np.sqrt(features.shape[1])
    return np.hstack([rows, np.ones((len(rows), 1))])


@dataclass(frozen=True)
class Task:
    """Labelled rows of both domains."""

    source: Doubles
    source_labels: Labels
    target: Doubles
    target_labels: Labels
    classes: int

    def solved(
        self, costs: tuple[float, float], rounds: int = ROUNDS, tolerance: float = TOLERANCE
    ) -> Machine:
        """min |W|^2 / 2 + |theta|^2 / 2 + C_s sum hinge(source) + C_t sum hinge(theta' W x) of the target's rows.

        In turns: theta for a given W, beginning with the identity, then W for this theta. Each turn is a convex
        problem, so the objective falls; `objectives` has it from the first theta on.
        """
        theta = self._theta_step(None, costs, tolerance)
        transform: Transform | None = None
        maps: Doubles | None = None
        objectives = [self.objective(theta, transform, costs)]
        for _ in range(rounds):
            transform, maps = self._transform_step(theta, costs[1], maps, tolerance)
            theta = self._theta_step(transform, costs, tolerance)
            objectives.append(self.objective(theta, transform, costs))
            if objectives[-2] - objectives[-1] <= SETTLED * objectives[-2]:
                break
        return Machine(theta, transform, tuple(objectives))

    def objective(self, theta: Doubles, transform: Transform | None, costs: tuple[float, float]) -> float:
        moved = self.target if transform is None else transform(self.target)
        square = self.target.shape[1] if transform is None else transform.square()
        faults = [
            np.maximum(1 - _signs(labels, self.classes) * (rows @ theta.T), 0).sum()
            for rows, labels in ((self.source, self.source_labels), (moved, self.target_labels))
        ]
        return float((square + np.vdot(theta, theta)) / 2 + np.dot(costs, faults))

    def _theta_step(
        self, transform: Transform | None, costs: tuple[float, float], tolerance: float
    ) -> Doubles:
        """An SVM per class on the source and the transformed target."""
        moved = self.target if transform is None else transform(self.target)
        return machines(
            np.vstack([self.source, moved]),
            np.concatenate([self.source_labels, self.target_labels]),
            np.repeat(costs, [len(self.source), len(moved)]),
            self.classes,
            SLOPE * tolerance,
        )

    def _transform_step(
        self, theta: Doubles, cost: float, start: Doubles | None, tolerance: float
    ) -> tuple[Transform, Doubles]:
        """W = sum of a_ik y_ik theta_k x_i': an SVM in d * d features, which only ever meet in products."""
        signs = _signs(self.target_labels, self.classes)
        bounds = np.full(len(self.target), cost)
        machine = Hinges(self.target @ self.target.T, theta @ theta.T, signs, bounds)
        weights = machine.weights(start, tolerance)
        return Transform(theta, weights.T @ self.target), weights


def best_costs(task: Task, seed: int) -> tuple[float, float]:
    """The pair of `GRID` with most held-out rows of the target right; of equals the first."""
    fold = dealt(task.target_labels, FOLDS, seed)
    if (fold < 0).all():
        return GRID[0]
    right = [sum(_right(task, fold == k, costs) for k in range(FOLDS)) for costs in GRID]
    return GRID[int(np.argmax(right))]


def _right(task: Task, held: NDArray[np.bool_], costs: tuple[float, float]) -> int:
    if not held.any():
        return 0
    seen = replace(task, target=task.target[~held], target_labels=task.target_labels[~held])
    said = seen.solved(costs, *ROUGHLY).scores(task.target[held]).argmax(axis=1)
    return int((said == task.target_labels[held]).sum())


def _signs(labels: Labels, classes: int) -> Doubles:
    return np.where(labels[:, None] == np.arange(classes), 1.0, -1.0)
