"""Logistic regression on features, its strength of regularisation chosen by stratified cross-validation.

The objective is scikit-learn's. scikit-learn itself would do, but its import alone takes a second, a third of what a
run on cached features may take, and a loop over many strengths takes it several times as long.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from neocog import runtime
from neocog.errors import UserError
from neocog.inference.network import Floats, Head
from neocog.probing.lbfgs import Doubles
from neocog.probing.losses import Loss, OneClass, Whitenable, minimiser, whitening

if TYPE_CHECKING:
    import torch

GRID = (3e-5, 3e-4, 3e-3, 3e-2, 3e-1, 3.0)  # inverse strengths C for standardised features
FOLDS = 3
NEAR = 1e-4  # of the objective, from its least; nearer changes no decision and doubles the time
LARGE = 10**8  # multiplications of a product that is worth the way to an accelerator
WORTH = 800  # features per class up to which whitening pays
VERY_NEAR = (
    2e-6  # the same where 1e-4 is promised: the distance is an estimate, at times fifty times too small
)


@dataclass(frozen=True)
class Fit:
    """The classifier as one linear layer on the raw features, and how its C was found."""

    head: Head
    C: float
    losses: dict[float, float]
    """mean held-out log loss of each C; empty where there were too few pictures to hold any out"""


def fit_logistic(features: Floats, labels: NDArray[np.int64], classes: int, seed: int) -> Fit:
    """Multinomial logistic regression on standardised features; the standardisation is folded into the layer."""
    with runtime.single_thread(with_scipy=False):
        return _fit(features, labels, classes, seed)


def _fit(features: Floats, labels: NDArray[np.int64], classes: int, seed: int) -> Fit:
    standard, mean, spread = standardised(features)
    losses = cross_validate(standard, labels, classes, seed)
    strength = min(losses, key=lambda c: losses[c]) if losses else GRID[2]
    weight, bias = solve(standard, labels, classes, strength)
    return Fit(folded(weight, bias, mean, spread), strength, losses)


def solve_path(
    x: Floats,
    labels: NDArray[np.int64],
    classes: int,
    strengths: Sequence[float],
    sample_weight: NDArray[np.floating] | None = None,
    device: str = "auto",
) -> list[tuple[Floats, Floats]]:
    """Weight (classes, d) and bias (classes) for each of the `strengths` C, in their order.

    They minimise scikit-learn's objective, C times the sum of cross-entropies, each times its picture's
    `sample_weight`, + |weight|^2 / 2, and are within 1e-4 of its least, relative to it. With two classes the penalty
    counts twice, which makes it scikit-learn's on the difference of the two rows.

    From strong to weak regularisation each solution is the start of the next, and the curvature there whitens the
    features. The large products are computed on `device`; `auto` takes an accelerator for what is worth the way.
    """
    shares, total = _shares(len(x), sample_weight)
    center = np.asarray(shares @ x, np.float32)
    features, axes = _spanned(np.asarray(x - center, np.float32))
    there = _device(device, features.size * classes)
    with runtime.single_thread(), ThreadPoolExecutor(runtime.threads()) as pool:
        if there is None:
            loss: Whitenable = OneClass.of(features, labels, classes, shares, pool.map)
        else:
            from neocog.probing.losses_torch import OneClassOn

            loss = OneClassOn.of(features, labels, classes, shares, there)
        layer, found = np.zeros(loss.shape), {}
        for c in sorted(strengths):
            penalty = _penalty(classes, c * total)
            white = whitening(loss.hessian(layer), penalty) if _worth_it(loss, len(x)) else None
            layer = found[c] = _balanced(minimiser(loss, penalty, layer, VERY_NEAR, white))
    return [_on_given(found[c], axes, center) for c in strengths]


def rough_path(
    x: Floats, labels: NDArray[np.int64], classes: int, strengths: Sequence[float]
) -> list[tuple[Floats, Floats]]:
    """As `solve_path`, but by `solve`: near enough to tell which strength is best.

    Of EfficientNet's 1,280 features, on one processor core, seven strengths take 0.1 s in place of 0.3 s for 300
    pictures, 0.7 s in place of 5 s for 1,600, and 4 s in place of 10 s for 4,000. Where an accelerator is worth the way
    it is `solve_path` itself, which knows how to use it.
    """
    if _device("auto", x.size * classes) is not None:
        return solve_path(x, labels, classes, strengths)
    start, found = None, {}
    for c in sorted(strengths):
        start = found[c] = solve(x, labels, classes, c, start)
    return [found[c] for c in strengths]


def _device(wanted: str, multiplications: int) -> torch.device | None:
    """Where torch computes the products; None where numpy does, on the CPU."""
    if wanted == "auto" and (multiplications < LARGE or not runtime.accelerator_possible()):
        return None
    found = runtime.device(wanted)
    return None if wanted == "auto" and found.type == "cpu" else found


def _worth_it(loss: Loss, n: int) -> bool:
    """Whether whitening costs less than the hundreds of products that it saves."""
    classes, columns = loss.shape
    return columns + columns**2 / (3 * n) <= WORTH * classes


def _spanned(x: Floats) -> tuple[Floats, Floats | None]:
    """Few pictures in the space that they span, with its axes (d, n): weights outside of it cost and change nothing."""
    if len(x) >= x.shape[1]:
        return x, None
    axes = np.linalg.qr(x.T)[0]
    return x @ axes, axes


def _balanced(layer: Doubles) -> Doubles:
    """Biases of sum 0: what they have in common changes no probability."""
    layer[:, -1] -= layer[:, -1].mean()
    return layer


def _on_given(layer: Doubles, axes: Floats | None, center: Floats) -> tuple[Floats, Floats]:
    """Weight and bias on features as they were given."""
    weight, bias = parts(layer)
    if axes is not None:
        weight = weight @ axes.T
    bias = bias - weight @ center
    return weight, bias - bias.mean()


def standardised(features: Floats) -> tuple[Floats, Floats, Floats]:
    """Features of mean 0 and deviation 1 over the pictures; and what was subtracted, and divided by."""
    mean = features.mean(axis=0, dtype=np.float64).astype(np.float32)
    spread = features.std(axis=0, dtype=np.float64).astype(np.float32)
    spread[spread < 1e-6 * max(float(spread.max()), 1e-30)] = np.inf  # a constant feature tells nothing
    return np.ascontiguousarray((features - mean) / spread), mean, spread


def folded(weight: Floats, bias: Floats, mean: Floats, spread: Floats) -> Head:
    """The layer on raw features that says what `weight` and `bias` say of standardised ones."""
    weight = weight / spread
    return Head(weight, (bias - weight @ mean).astype(np.float32))


def cross_validate(
    standard: Floats, labels: NDArray[np.int64], classes: int, seed: int
) -> dict[float, float]:
    """Mean held-out log loss per C. Classes with fewer pictures than folds always train and are never held out."""
    fold = deal(labels, seed)
    judged = fold >= 0
    if len(np.unique(labels[judged])) < 2:
        return {}
    totals = dict.fromkeys(GRID, 0.0)
    for k in range(FOLDS):
        held = fold == k
        train, judge, truth = standard[~held], standard[held], labels[held]
        start = None
        for c in GRID:  # each solution is the start of the next, weaker one
            start = solve(train, labels[~held], classes, c, start)
            likelihood = Head(*start).probabilities(judge)[np.arange(len(truth)), truth]
            totals[c] -= float(np.log(np.maximum(likelihood, 1e-12), dtype=np.float64).sum())
    return {c: total / int(judged.sum()) for c, total in totals.items()}


def deal(labels: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """The fold of each picture, dealt out class by class in a drawn order; -1 for classes with fewer than `FOLDS`."""
    rng = np.random.default_rng(seed)
    fold = np.full(len(labels), -1)
    dealt = 0
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        if len(members) >= FOLDS:
            fold[members] = (dealt + np.arange(len(members))) % FOLDS
            dealt += len(members)
    return fold


def solve(
    x: Floats, labels: NDArray[np.int64], classes: int, c: float, start: tuple[Floats, Floats] | None = None
) -> tuple[Floats, Floats]:
    """Weight (classes, d) and bias (classes) that minimise mean cross-entropy + |weight|^2 / (2 c n), nearly.

    `start` is a solution for a neighbouring `c`; two classes as in `solve_path`.
    """
    loss = OneClass.of(x, labels, classes, _shares(len(x), None)[0])
    first = np.zeros(loss.shape) if start is None else np.column_stack(start).astype(np.float64)
    return parts(_balanced(minimiser(loss, _penalty(classes, c * len(x)), first, NEAR)))


def _penalty(classes: int, strength: float) -> float:
    return (2 if classes == 2 else 1) / strength


def _shares(n: int, sample_weight: NDArray[np.floating] | None) -> tuple[Floats, float]:
    """What each picture counts in the mean, and the sum that they are shares of."""
    if sample_weight is None:
        return np.full(n, 1 / n, np.float32), float(n)
    weights = np.asarray(sample_weight, np.float64)
    total = float(weights.sum())
    if weights.shape != (n,) or not (weights >= 0).all() or not 0 < total < np.inf:
        raise UserError(
            f"sample_weight must be {n} finite numbers of 0 or more and not all 0, "
            f"got shape {weights.shape} with sum {total:g}; leave it out to weigh all alike"
        )
    return (weights / total).astype(np.float32), total


def parts(layer: Doubles) -> tuple[Floats, Floats]:
    single = layer.astype(np.float32)
    return np.ascontiguousarray(single[:, :-1]), np.ascontiguousarray(single[:, -1])
