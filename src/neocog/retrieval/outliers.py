"""Pictures that lie far from the others: from all of them, and from those of their own class.

Two measures that complement each other. The distance to the k-th nearest neighbour (Ramaswamy, Rastogi and Shim 2000,
"Efficient Algorithms for Mining Outliers from Large Data Sets", section 2) needs no labels and assumes nothing about
the spread of features. The Mahalanobis distance to the mean of the own class, under one covariance for all classes
(Lee, Lee, Lee and Shin 2018, "A Simple Unified Framework for Detecting Out-of-Distribution Samples and Adversarial
Attacks", section 2.1), finds pictures that have neighbours enough, but of another class.
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
    """(n,), the Mahalanobis distance of each picture (n, d) to the mean of the others of its class.

    The covariance within classes is one for all, shrunk towards a multiple of the unit matrix as Ledoit and Wolf (2004)
    choose it, so that it can be inverted where there are more features than pictures. Neither the mean nor the
    covariance holds the picture itself. NaN for a picture without a label, or alone in its class.
    """
    from sklearn.covariance import ledoit_wolf_shrinkage

    found = np.full(len(labels), np.nan)
    counts = np.bincount(labels[labels >= 0], minlength=1)
    known = np.flatnonzero((labels >= 0) & (counts[np.maximum(labels, 0)] > 1))
    if not len(known):
        return found
    apart = _from_means(features[known], labels[known])
    spread = float(np.square(apart).mean())  # the mean variance of a feature
    if spread == 0:
        found[known] = 0.0
        return found
    shrinkage = float(ledoit_wolf_shrinkage(apart, assume_centered=True))
    size = counts[labels[known]]
    found[known] = _without_itself(_squares(apart, shrinkage, spread), size / (size - 1), shrinkage)
    return found


def _from_means(features: Floats, labels: Indices) -> Doubles:
    """The features less the means of their classes."""
    apart = features.astype(np.float64)
    for label in np.unique(labels):
        members = labels == label
        apart[members] -= apart[members].mean(axis=0)
    return apart


def _without_itself(squares: Doubles, share: Doubles, shrinkage: float) -> Doubles:
    """Distances where mean and covariance do not hold the picture, from the squared ones where they do.

    The mean of the other m - 1 of a class lies m / (m - 1), the `share`, times as far away, and the scatter about it
    lacks share x x'; the inverse without that is Sherman and Morrison's (1950).
    """
    left = 1 - (1 - shrinkage) * share * squares / len(squares)
    return np.asarray(share * np.sqrt(squares / np.maximum(left, np.finfo(float).eps)))


def _squares(apart: Doubles, shrinkage: float, spread: float) -> Doubles:
    """The squared lengths of rows x (n, d) under the inverse of (1 - shrinkage) X'X / n + shrinkage spread I.

    By the eigenvectors of X'X or XX', whichever is smaller: x lies in the space of the rows.
    """
    n, d = apart.shape
    if d <= n:
        values, vectors = np.linalg.eigh(apart.T @ apart)
        along = np.square(apart @ vectors)
    else:
        values, vectors = np.linalg.eigh(apart @ apart.T)
        along = np.square(vectors) * np.maximum(values, 0)
    variances = (1 - shrinkage) * np.maximum(values, 0) / n + shrinkage * spread
    there = variances > np.finfo(float).eps * variances.max()  # nothing lies along the others
    return np.asarray((along[:, there] / variances[there]).sum(axis=1))
