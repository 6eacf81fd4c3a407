"""Pictures that lie far from the others: from all of them, and from those of their own class.

Two measures that complement each other. The distance to the k-th nearest neighbour (Ramaswamy, Rastogi and Shim 2000,
"Efficient Algorithms for Mining Outliers from Large Data Sets", section 2) needs no labels and assumes nothing about
the spread of features. The relative Mahalanobis distance (Ren et al. 2021, "A Simple Fix to Mahalanobis Distance for
Improving Near-OOD Detection", section 3) to the own class finds pictures that have neighbours enough, but of another
class: from the squared distance to the class's mean under one covariance for all classes (Lee, Lee, Lee and Shin 2018,
"A Simple Unified Framework for Detecting Out-of-Distribution Samples and Adversarial Attacks", section 2.1) that to the
mean of all pictures under the covariance of all is taken off, and with it what makes a picture unusual for any class.
Both are taken in the principal directions that the number of pictures can tell from chance.
"""

from __future__ import annotations

import numpy as np

from neocog.inference.network import Floats
from neocog.retrieval.nearest import Neighbours
from neocog.retrieval.space import Doubles, Indices

DIRECTIONS = 128  # measured, see docs/retrieve.md
PICTURES_EACH = 10


def kth_distances(neighbours: Neighbours) -> Doubles:
    """(n,), how far the last of each picture's neighbours is; NaN where it has none."""
    last = neighbours.there - 1
    found = neighbours.distances[np.arange(len(last)), np.maximum(last, 0)]
    return np.where(last >= 0, found, np.nan)


def class_distances(features: Floats, labels: Indices) -> Doubles:
    """(n,), the relative Mahalanobis distance of each picture (n, d) to its class: positive where it is farther from
    the others of its class than from all others.

    Features are first projected onto at most `DIRECTIONS` principal directions, one for `PICTURES_EACH` pictures: a
    covariance of as many features as pictures is mostly chance. NaN for a picture without a label, or alone in its
    class; for all where there are not two classes.
    """
    found = np.full(len(labels), np.nan)
    counts = np.bincount(labels[labels >= 0], minlength=1)
    known = np.flatnonzero((labels >= 0) & (counts[np.maximum(labels, 0)] > 1))
    if len(np.unique(labels[known])) > 1:
        rows = principal(features[known])
        found[known] = _squared(rows, labels[known]) - _squared(rows, np.zeros(len(known), np.int64))
    return found


def principal(features: Floats) -> Doubles:
    """The features (n, d) less their mean along their principal directions (n, at most `DIRECTIONS`)."""
    apart = _from_means(features, np.zeros(len(features), np.int64))
    n, d = apart.shape
    kept = min(d, DIRECTIONS, max(1, n // PICTURES_EACH))
    if d <= n:
        return np.asarray(apart @ np.linalg.eigh(apart.T @ apart)[1][:, -kept:])
    values, vectors = np.linalg.eigh(
        apart @ apart.T
    )  # the smaller matrix; its other eigenvalues are the same
    return np.asarray(vectors[:, -kept:] * np.sqrt(np.maximum(values[-kept:], 0)))


def _squared(rows: Doubles, labels: Indices) -> Doubles:
    """(n,), the squared Mahalanobis distance of each picture (n, d) to the mean of the others with its label.

    The covariance within labels is one for all, shrunk towards a multiple of the unit matrix as Ledoit and Wolf (2004)
    choose it. Neither mean nor covariance holds the picture itself: the mean of the other m - 1 of a label lies
    m / (m - 1), the share, times as far away, the scatter about it lacks share x x', and the inverse without that is
    Sherman and Morrison's (1950).
    """
    apart = _from_means(rows, labels)
    lengths = np.einsum("ij,ij->i", apart, apart)
    if not lengths.any():
        return np.zeros(len(rows))
    n, d = apart.shape
    values, vectors = np.linalg.eigh(apart.T @ apart)
    shrinkage = _shrinkage(values, lengths)
    variances = (1 - shrinkage) * np.maximum(values, 0) / n + shrinkage * lengths.mean() / d
    there = variances > np.finfo(float).eps * variances.max()  # nothing lies along the others
    squares = (np.square(apart @ vectors[:, there]) / variances[there]).sum(axis=1)
    size = np.bincount(labels)[labels]
    share = size / (size - 1)
    left = 1 - (1 - shrinkage) * share * squares / n
    return np.asarray(share**2 * squares / np.maximum(left, np.finfo(float).eps))


def _from_means(features: Floats | Doubles, labels: Indices) -> Doubles:
    """The features less the means of their labels."""
    apart = features.astype(np.float64)
    for label in np.unique(labels):
        members = labels == label
        apart[members] -= apart[members].mean(axis=0)
    return apart


def _shrinkage(values: Doubles, lengths: Doubles) -> float:
    """Ledoit and Wolf's (2004, section 3.2) of rows with a mean of 0 and these squared `lengths`.

    `values` are the eigenvalues of X'X. The sums over pairs of features are sums over eigenvalues and over lengths, so
    that no further matrix is needed.
    """
    n, d = len(lengths), len(values)
    mean = lengths.mean() / d
    size = np.square(values).sum() / n**2
    apart = size / d - mean**2  # of the covariance from a multiple of the unit matrix, squared
    error = (np.square(lengths).mean() - size) / (d * n)
    return float(min(error, apart) / apart) if apart > 0 else 0.0
