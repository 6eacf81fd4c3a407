"""What a linear layer loses on given features: mean cross-entropy of one class per picture, or of any number of them.

A layer is an array (classes, d + 1) whose last column is the bias. Products are in single precision, sums in double.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from neocog.inference.network import Floats, sigmoid
from neocog.probing.lbfgs import Doubles, minimise

FLAT = 1e-8  # curvature below which a direction counts as no flatter
SLICE = 512  # pictures that are multiplied both ways while a core's cache holds them
SMALL = 10**6  # multiplications below which OpenBLAS multiplies in place, without copying both sides first
ROWS = 64  # pictures in such a product
Each = Callable[..., Iterable[Any]]


class Loss(Protocol):
    """A convex function of a layer."""

    @property
    def shape(self) -> tuple[int, int]:
        """Of the layer."""
        ...

    def __call__(self, layer: Doubles) -> tuple[float, Doubles]:
        """The loss and its gradient."""
        ...

    def curvature(self, layer: Doubles) -> Doubles:
        """(classes), the second derivative in each class's logits, the mean over pictures."""
        ...


class Whitenable(Loss, Protocol):
    """A loss that says in which directions of the features it is how curved."""

    def hessian(self, layer: Doubles) -> Floats:
        """(d, d), about the second derivatives in the weights of a class, the mean over classes."""
        ...


def minimiser(
    loss: Loss, penalty: float, start: Doubles, near: float, white: Floats | None = None
) -> Doubles:
    """The layer with the least `loss` + `penalty` |weight|^2 / 2, which is reached but for `near` of it.

    It is sought as a move from `start` in units of which one changes the slope by about one: of each class, for centred
    features of variance 1, or those that `whitening` tells.
    """
    pull = np.full(loss.shape[1], penalty)
    pull[-1] = 0  # the bias is free
    unit = 1 / np.sqrt(np.maximum(loss.curvature(start), FLAT)[:, None] + pull)
    if white is not None:
        unit[:, :-1] = 1

    def moved(scaled: Doubles) -> Doubles:
        layer: Doubles = scaled * unit
        if white is not None:
            layer[:, :-1] = layer[:, :-1].astype(np.float32) @ white
        layer += start
        return layer

    def objective(scaled: Doubles) -> tuple[float, Doubles]:
        layer = moved(scaled)
        value, gradient = loss(layer)
        pulled = pull * layer
        gradient += pulled
        if white is not None:
            gradient[:, :-1] = gradient[:, :-1].astype(np.float32) @ white.T
        return value + float(np.vdot(pulled, layer)) / 2, gradient * unit

    return moved(minimise(objective, np.zeros(loss.shape), near))


def whitening(hessian: Floats, penalty: float) -> Floats:
    """The inverse of the Cholesky factor of `hessian` + `penalty` 1."""
    from scipy.linalg import cholesky
    from scipy.linalg.lapack import strtri

    least = 1e-6 * float(np.trace(hessian)) / len(hessian)  # single precision does not tell less from nothing
    shifted = hessian + np.diag(np.full(len(hessian), max(penalty, least), np.float32))
    inverse: Floats = strtri(cholesky(shifted, lower=True, check_finite=False), lower=1)[0]
    return inverse


@dataclass(frozen=True)
class OneClass:
    """-log of the probability that softmax gives to each picture's class."""

    x: Floats
    """(slices, parts, rows, d)"""
    labels: NDArray[np.int64]
    """(slices, pictures)"""
    shares: Floats
    """(slices, pictures), what each picture counts in the mean; of sum 1"""
    classes: int
    each: Each = map
    """does the slices, maybe several at once"""

    @staticmethod
    def of(x: Floats, labels: NDArray[np.int64], classes: int, shares: Floats, each: Each = map) -> OneClass:
        """Of pictures in the rows of `x` (n, d): sliced, the last one filled up with pictures that do not count."""
        n, d = x.shape
        rows = ROWS if classes * d * ROWS <= SMALL else min(SLICE, n)
        size = min(SLICE, -(-n // rows) * rows)
        missing = -n % size
        x = np.concatenate([x, np.zeros((missing, d), np.float32)]) if missing else x
        return OneClass(
            x.reshape(-1, size // rows, rows, d),
            np.pad(labels, (0, missing)).reshape(-1, size),
            np.pad(shares, (0, missing)).reshape(-1, size),
            classes,
            each,
        )

    @property
    def shape(self) -> tuple[int, int]:
        return self.classes, self.x.shape[-1] + 1

    def __call__(self, layer: Doubles) -> tuple[float, Doubles]:
        single, total, gradient = layer.astype(np.float32), 0.0, np.zeros(self.shape)

        def part(x: Floats, labels: NDArray[np.int64], shares: Floats) -> tuple[float, Floats, Floats]:
            logits, pictures = _logits(single, x), np.arange(len(labels))
            logits -= logits.max(axis=0)
            true = logits[labels, pictures]
            odds = np.exp(logits, out=logits)
            sums = odds.sum(axis=0)
            loss = float(np.dot(shares, np.log(sums) - true))
            odds *= shares / sums
            odds[labels, pictures] -= shares
            return loss, _pulls(odds, x), odds.sum(axis=1)

        for loss, weight, bias in self.each(part, self.x, self.labels, self.shares):
            total += loss
            gradient[:, :-1] += weight
            gradient[:, -1] += bias
        return total, gradient

    def curvature(self, layer: Doubles) -> Doubles:
        spread = zip(map(self._spread(layer), self.x), self.shares, strict=True)
        return np.asarray(sum(part @ shares for part, shares in spread), np.float64)

    def hessian(self, layer: Doubles) -> Floats:
        """(d, d), about the second derivatives in the weights of a class, the mean over classes."""
        spread = self._spread(layer)

        def part(x: Floats, shares: Floats) -> Floats:
            root = np.sqrt(spread(x).mean(axis=0) * shares)
            scaled = x.reshape(len(root), -1) * root[:, None]
            return np.asarray(scaled.T @ scaled, np.float32)

        return np.asarray(sum(self.each(part, self.x, self.shares)), np.float32)

    def _spread(self, layer: Doubles) -> Callable[[Floats], Floats]:
        """p (1 - p) of each class (classes, pictures)."""
        single = layer.astype(np.float32)

        def spread(x: Floats) -> Floats:
            logits = _logits(single, x)
            odds = np.exp(logits - logits.max(axis=0))
            likely = odds / odds.sum(axis=0)
            return np.asarray(likely * (1 - likely), np.float32)

        return spread


def _logits(layer: Floats, x: Floats) -> Floats:
    """(classes, pictures) of x (parts, rows, d): sums over classes then run along memory."""
    parts = np.matmul(x, layer[:, :-1].T).reshape(-1, len(layer))
    return np.ascontiguousarray(parts.T) + layer[:, -1:]


def _pulls(residual: Floats, x: Floats) -> Floats:
    """`residual` (classes, pictures) times x (parts, rows, d)."""
    parts, rows, _ = x.shape
    return np.asarray(
        np.matmul(residual.reshape(-1, parts, rows).transpose(1, 0, 2), x).sum(axis=0), np.float32
    )


@dataclass(frozen=True)
class AnyClasses:
    """The mean over pictures of what all classes lose together: -log of the probability of each, or of its absence."""

    x: Floats
    """(n, d)"""
    targets: Floats
    """(classes, n), 1 where the picture shows the class"""

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.targets), self.x.shape[1] + 1

    def __call__(self, layer: Doubles) -> tuple[float, Doubles]:
        logits, n = _logits(layer.astype(np.float32), self.x[None]), len(self.x)
        loss = float((np.logaddexp(0, logits) - self.targets * logits).sum(dtype=np.float64)) / n
        residual = (sigmoid(logits) - self.targets) / n
        return loss, np.column_stack([residual @ self.x, residual.sum(axis=1, dtype=np.float64)])

    def curvature(self, layer: Doubles) -> Doubles:
        likely = sigmoid(_logits(layer.astype(np.float32), self.x[None]))
        return np.asarray((likely * (1 - likely)).mean(axis=1, dtype=np.float64), np.float64)
