"""What each kernel counts in the sum: the same, by its accuracy, by alignment with the labels, by the margin.

All take training kernels (kernels, n, n) and labels (n,) of 0.. and give weights that are not negative and sum to 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls
from sklearn.model_selection import StratifiedKFold

from neocog.classical.kernels.machine import Machine, fit_machine
from neocog.errors import UserError

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
POWER = 4  # the rule that Xiao et al. 2010 are quoted for
GAP = 1e-4  # of the objective, at which learning by the margin stops
ROUNDS = 500


@dataclass(frozen=True)
class Setting:
    """What the ways of weighing may need beside kernels and labels."""

    strength: float
    """C of the machine"""
    folds: int
    seed: int


def uniform(kernels: Floats, labels: Labels, setting: Setting) -> Floats:
    return np.full(len(kernels), 1 / len(kernels))


def by_accuracy(kernels: Floats, labels: Labels, setting: Setting) -> Floats:
    """In proportion to the fourth power of each kernel's own cross-validated accuracy."""
    fewest = int(np.bincount(labels).min())
    if fewest < setting.folds:
        raise UserError(
            f"{setting.folds} folds need as many pictures of each class, got {fewest}: fewer folds, or other weights"
        )
    powers = np.array([_accuracy(kernel, labels, setting) for kernel in kernels]) ** POWER
    return powers / powers.sum() if powers.sum() > 0 else uniform(kernels, labels, setting)


def _accuracy(kernel: Floats, labels: Labels, setting: Setting) -> float:
    right = 0
    folds = StratifiedKFold(setting.folds, shuffle=True, random_state=setting.seed)
    for train, held in folds.split(labels, labels):
        machine = fit_machine(kernel[np.ix_(train, train)], labels[train], setting.strength)
        right += int((machine.scores(kernel[np.ix_(held, train)]).argmax(axis=1) == labels[held]).sum())
    return right / len(labels)


def centred(kernel: Floats) -> Floats:
    """The kernel of features less their mean."""
    rows = kernel - kernel.mean(axis=0)
    return np.asarray(rows - rows.mean(axis=1, keepdims=True))


def by_alignment(kernels: Floats, labels: Labels, setting: Setting) -> Floats:
    """The sum most like the kernel of the labels, 1 for the same class and 0 for another (Cortes et al. 2012, alignf).

    Weights v >= 0 least in vᵀMv - 2vᵀa, M the products of the centred kernels with each other and a those with the
    labels' kernel; here as nonnegative least squares.
    """
    target = (labels[:, None] == labels).astype(np.float64)  # of two factors one centred is enough
    flat = np.stack([centred(kernel).ravel() for kernel in kernels])
    lengths = np.maximum(np.linalg.norm(flat, axis=1), 1e-300)
    flat = flat / lengths[:, None]  # else a large kernel would swamp the rounding of a small one
    products, answers = flat @ flat.T, flat @ target.ravel()
    values, axes = np.linalg.eigh(products)
    kept = values > 1e-12 * values.max()
    root = np.sqrt(values[kept])[:, None] * axes[:, kept].T
    found, _ = nnls(root, (axes[:, kept].T @ answers) / np.sqrt(values[kept]))
    found = found / lengths
    return found / found.sum() if found.sum() > 0 else uniform(kernels, labels, setting)


def by_margin(kernels: Floats, labels: Labels, setting: Setting) -> Floats:
    """Multiple kernel learning: weights of sum 1 with which the machines' objective, summed over classes, is least.

    The problem is SimpleMKL's (Rakotomamonjy et al. 2008); it is solved by turns, machines for the
    weights, then the weights that are best for these machines (Xu et al. 2010), until the duality gap is small.
    """
    weights = uniform(kernels, labels, setting)
    for _ in range(ROUNDS):
        machine = fit_machine(np.tensordot(weights, kernels, 1), labels, setting.strength)
        halves = 0.5 * np.einsum("ci,kij,cj->k", machine.pulls, kernels, machine.pulls, optimize=True)
        if halves.max() - weights @ halves <= GAP * objective(machine, weights, halves):
            break
        lengths = weights * np.sqrt(np.maximum(halves, 0))
        weights = lengths / lengths.sum() if lengths.sum() > 0 else weights
    return weights


def objective(machine: Machine, weights: Floats, halves: Floats) -> float:
    """The machines' dual objective, summed over classes: Σα - ½ Σ weights αᵀyKyα."""
    return float(np.abs(machine.pulls).sum() - weights @ halves)


WEIGHTINGS: dict[str, Callable[[Floats, Labels, Setting], Floats]] = {
    "uniform": uniform,
    "accuracy": by_accuracy,
    "alignment": by_alignment,
    "margin": by_margin,
}
