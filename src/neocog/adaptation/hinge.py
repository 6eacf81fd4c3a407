"""Linear support vector machines without an offset of their own: what both halves of MMDT solve."""

from __future__ import annotations

from dataclasses import dataclass
from warnings import catch_warnings, simplefilter

import numpy as np

from neocog.adaptation.domains import Doubles, Labels

ITERATIONS = 5000
LOOK = 20  # iterations between two looks at the gap
VISITS = 200_000  # of rows: what is left to gain then is little beside what the next turn changes


def machines(rows: Doubles, labels: Labels, bounds: Doubles, classes: int, tolerance: float) -> Doubles:
    """One class against the others: theta (classes, d), each row the w of least
    |w|^2 / 2 + sum over rows i of bounds_i max(0, 1 - y_i <w, x_i>).

    By dual coordinate descent (liblinear; Hsieh and others, "A dual coordinate descent method for large-scale linear
    SVM", 2008), until the largest slope of the dual and the smallest differ by `tolerance` or less, or after `VISITS`.
    Of two classes the one's machine is the other's with the sign turned.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    # liblinear wants a row of each class; rows of zeros fail at the same cost whatever w is
    absent = np.setdiff1d(np.arange(classes), labels)
    rows = np.vstack([rows, np.zeros((len(absent), rows.shape[1]))])
    solver = LinearSVC(loss="hinge", fit_intercept=False, tol=tolerance, random_state=0)
    solver.max_iter = max(1, VISITS // len(rows))
    with catch_warnings():
        simplefilter("ignore", ConvergenceWarning)
        solver.fit(rows, np.concatenate([labels, absent]), np.concatenate([bounds, np.ones(len(absent))]))
    theta = np.asarray(solver.coef_, np.float64)
    return np.vstack([-theta, theta]) if len(theta) == 1 else theta


@dataclass(frozen=True)
class Hinges:
    """min over the matrix M: |M|^2 / 2 + sum over rows i and machines k of bounds_i max(0, 1 - y_ik <p_k, M x_i>).

    `x_i` are rows with the products `gram`, `p_k` are given vectors with the products `between`: one machine a class,
    each with its own weights, has the identity there. The minimum is M = sum of a_ik y_ik p_k x_i' with 0 <= a_ik <=
    bounds_i, so nothing but products of rows is needed.
    """

    gram: Doubles
    """(n, n)"""
    between: Doubles
    """(machines, machines)"""
    signs: Doubles
    """(n, machines): y, 1 where the row belongs to the machine's class, else -1"""
    bounds: Doubles
    """(n,): what a row's faults cost"""

    def weights(self, start: Doubles | None, tolerance: float) -> Doubles:
        """a y (n, machines) by accelerated projected gradients, restarted as in O'Donoghue and Candès (2015).

        `start` are such weights of a similar problem; `tolerance` is of the duality gap, as a share of the objective.
        """
        step = 1 / (_largest(self.gram) * _largest(self.between) + 1e-300)
        most = self.bounds[:, None]
        found = np.zeros_like(self.signs) if start is None else np.clip(start * self.signs, 0, most)
        ahead, momentum = found, 1.0
        for iteration in range(ITERATIONS):
            slope = 1 - self.signs * (self.gram @ (ahead * self.signs) @ self.between)
            moved = np.clip(ahead + step * slope, 0, most)
            if np.vdot(ahead - moved, moved - found) > 0:
                momentum = 1.0
            following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
            ahead = moved + (momentum - 1) / following * (moved - found)
            found, momentum = moved, following
            if iteration % LOOK == LOOK - 1 and self._gap(found * self.signs) <= tolerance:
                break
        return found * self.signs

    def outputs(self, weights: Doubles) -> Doubles:
        """<p_k, M x_i>: (n, machines)"""
        return np.asarray(self.gram @ weights @ self.between)

    def objective(self, weights: Doubles) -> float:
        outputs = self.outputs(weights)
        faults = np.maximum(1 - self.signs * outputs, 0).sum(axis=1)
        return float(np.vdot(weights, outputs) / 2 + self.bounds @ faults)

    def _gap(self, weights: Doubles) -> float:
        """How far the objective may lie above its minimum, as a share of itself."""
        primal = self.objective(weights)
        dual = float(np.abs(weights).sum() - np.vdot(weights, self.outputs(weights)) / 2)
        return (primal - dual) / max(primal, 1e-300)


def _largest(gram: Doubles) -> float:
    """The largest eigenvalue."""
    from scipy.linalg import eigvalsh

    return float(eigvalsh(gram, subset_by_index=(len(gram) - 1, len(gram) - 1))[0])
