"""What the figures need to know of each picture: right or wrong, how sure, how surprised. Nothing here is averaged.

Probabilities are (n, k) for the model's k classes; labels are (n,). A label that has no column (k or more, or -1) is a
class that the model does not know: its probability is 0, its picture is wrong.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neocog.errors import UserError

TINIEST = 1e-12
"""a true class less probable than this counts as this probable: a picture adds at most 27.63 to the NLL's sum"""
SUM_TOLERANCE = 1e-2  # half precision leaves a softmax of 1,000 classes within this


def demand_answers(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> None:
    """Raise UserError unless there are finite answers, one row for each label."""
    if not len(labels):
        raise UserError("there must be a picture to score, got none")
    if probabilities.ndim != 2 or labels.ndim != 1 or len(probabilities) != len(labels):
        raise UserError(
            "probabilities must be (pictures, classes) with a label for each picture, "
            f"got {probabilities.shape} and {labels.shape}"
        )
    if not np.isfinite(probabilities).all():
        raise UserError("probabilities must be finite numbers, got NaN or infinity: the model is damaged")


def demand_probabilities(probabilities: NDArray[np.float32]) -> None:
    """Raise UserError unless every row of finite numbers is a distribution over the classes."""
    sums = probabilities.sum(axis=1, dtype=np.float64)
    wrong = (probabilities.min(axis=1) < 0) | (np.abs(sums - 1) > SUM_TOLERANCE)
    if wrong.any():
        row = int(wrong.argmax())
        raise UserError(
            "probabilities of a picture must not be negative and must sum to 1, "
            f"got {probabilities[row].min():.4g} as smallest and {sums[row]:.4g} as sum for picture {row + 1}: "
            "take the softmax of logits first"
        )


def best(probabilities: NDArray[np.float32]) -> NDArray[np.int64]:
    """The most probable class of each row; of equals the first."""
    return np.asarray(probabilities.argmax(axis=1), np.int64)


def of_truth(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float32]:
    """The true class's probability (n,), 0 where it has no column."""
    known = (labels >= 0) & (labels < probabilities.shape[1])
    return np.where(known, probabilities[np.arange(len(labels)), np.where(known, labels, 0)], np.float32(0))


def rank_of_truth(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many classes come before the true one: 0 is right. Of equal probabilities the lower class comes first.

    A label that has no column has the rank k, behind all of them.
    """
    k = probabilities.shape[1]
    truth = of_truth(probabilities, labels)[:, None]
    before = np.arange(k)[None, :] < labels[:, None]
    ahead = (probabilities > truth) | ((probabilities == truth) & before)
    return np.asarray(np.where((labels >= 0) & (labels < k), ahead.sum(axis=1), k), np.int64)


def surprises(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Minus the natural logarithm of the true class's probability (n,), which counts as at least `TINIEST`."""
    return -np.log(np.maximum(of_truth(probabilities, labels).astype(np.float64), TINIEST))


def square_errors(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Sum over the classes of (probability - [is the true one])^2 (n,), 0 to 2: Brier (1950).

    A true class without a column adds 1, as one of probability 0 would.
    """
    squares = np.einsum("ij,ij->i", probabilities, probabilities, dtype=np.float64)
    truth = of_truth(probabilities, labels).astype(np.float64)
    return np.asarray(squares - 2 * truth + 1)
