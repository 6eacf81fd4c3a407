"""Pictures that lie far from the others: from all of them, and from those of their own class.

Two measures that complement each other. The distance to the k-th nearest neighbour (Ramaswamy, Rastogi and Shim 2000,
"Efficient Algorithms for Mining Outliers from Large Data Sets", section 2) needs no labels and assumes nothing about
the spread of features. The relative Mahalanobis distance (Ren et al. 2021, "A Simple Fix to Mahalanobis Distance for
Improving Near-OOD Detection", section 3) to the own class finds pictures that have neighbours enough, but of another
class: from the squared distance to the class's mean under one covariance for all classes (Lee, Lee, Lee and Shin 2018,
"A Simple Unified Framework for Detecting Out-of-Distribution Samples and Adversarial Attacks", section 2.1) that to the
mean of all pictures under the covariance of all is taken off, and with it what makes a picture unusual for any class.
"""

from __future__ import annotations

import numpy as np

from neocog.inference.network import Floats
from neocog.retrieval.nearest import Neighbours
from neocog.retrieval.space import Doubles, Indices


def kth_distances(neighbours: Neighbours) -> Doubles:
    """(n,), how far the last of each picture's neighbours is; NaN where it has none."""
    last = neighbours.there - 1
    found = neighbours.distances[np.arange(len(last)), np.maximum(last, 0)]
    return np.where(last >= 0, found, np.nan)


def class_distances(features: Floats, labels: Indices) -> Doubles:
    """(n,), the relative Mahalanobis distance of each picture (n, d) to its class: positive where it is farther from
    the others of its class than from all others.

    NaN for a picture without a label, or alone in its class; for all where there are not two classes.
    """
    found = np.full(len(labels), np.nan)
    counts = np.bincount(labels[labels >= 0], minlength=1)
    known = np.flatnonzero((labels >= 0) & (counts[np.maximum(labels, 0)] > 1))
    if len(np.unique(labels[known])) > 1:
        rows = features[known]
        found[known] = _squared(rows, labels[known]) - _squared(rows, np.zeros(len(known), np.int64))
    return found


def _squared(features: Floats, labels: Indices) -> Doubles:
    """(n,), the squared Mahalanobis distance of each picture to the mean of the others with its label.

    The covariance within labels is one for all, shrunk towards a multiple of the unit matrix as Ledoit and Wolf (2004)
    choose it, so that it can be inverted where there are more features than pictures. Neither mean nor covariance
    holds the picture itself: the mean of the other m - 1 of a label lies m / (m - 1), the share, times as far away, the
    scatter about it lacks share x x', and the inverse without that is Sherman and Morrison's (1950).
    """
    apart = _from_means(features, labels)
    lengths = np.einsum("ij,ij->i", apart, apart)
    if not lengths.any():
        return lengths
    n, d = apart.shape
    values, along = _principal(apart)
    shrinkage = _shrinkage(values, lengths, d)
    variances = (1 - shrinkage) * values / n + shrinkage * lengths.mean() / d
    there = variances > np.finfo(float).eps * variances.max()  # nothing lies along the others
    squares = (along[:, there] / variances[there]).sum(axis=1)
    size = np.bincount(labels)[labels]
    share = size / (size - 1)
    left = 1 - (1 - shrinkage) * share * squares / n
    return np.asarray(share**2 * squares / np.maximum(left, np.finfo(float).eps))


def _from_means(features: Floats, labels: Indices) -> Doubles:
    """The features less the means of their labels."""
    apart = features.astype(np.float64)
    for label in np.unique(labels):
        members = labels == label
        apart[members] -= apart[members].mean(axis=0)
    return apart


def _principal(apart: Doubles) -> tuple[Doubles, Doubles]:
    """Eigenvalues of X'X, and the squared parts of each row of X (n, d) along their eigenvectors.

    Of XX' where that is smaller: the other eigenvalues are 0, and no row has a part along their eigenvectors.
    """
    n, d = apart.shape
    if d <= n:
        values, vectors = np.linalg.eigh(apart.T @ apart)
        return np.maximum(values, 0), np.square(apart @ vectors)
    values, vectors = np.linalg.eigh(apart @ apart.T)
    values = np.maximum(values, 0)
    return values, np.square(vectors) * values


def _shrinkage(values: Doubles, lengths: Doubles, d: int) -> float:
    """Ledoit and Wolf's (2004, section 3.2) of rows with a mean of 0 and these squared `lengths`.

    `values` are the eigenvalues of X'X. Their sums of products over pairs of features are sums over eigenvalues and
    over lengths, so that no further matrix is needed.
    """
    n = len(lengths)
    mean = lengths.mean() / d
    size = np.square(values).sum() / n**2
    apart = size / d - mean**2  # of the covariance from a multiple of the unit matrix, squared
    error = (np.square(lengths).mean() - size) / (d * n)
    return float(min(error, apart) / apart) if apart > 0 else 0.0
