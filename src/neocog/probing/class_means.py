"""The nearest class mean, which is a linear classifier."""

from __future__ import annotations

import numpy as np

from neocog.inference.network import Floats
from neocog.probing.fitted import Labels, Linear


def nearest_mean(x: Floats, labels: Labels, classes: int) -> Linear:
    """By distance: |x - m|^2 is |x|^2, the same for all classes, less 2 (m.x - |m|^2 / 2)."""
    means, seen = class_means(x, labels, classes)
    bias = -np.square(means).sum(axis=1) / 2
    return Linear(means.astype(np.float32), np.where(seen, bias, -np.inf).astype(np.float32))


def nearest_direction(x: Floats, labels: Labels, classes: int) -> Linear:
    """By the cosine between a picture and the class's mean, times the picture's length, the same for all classes."""
    means, seen = class_means(x, labels, classes)
    lengths = np.linalg.norm(means, axis=1, keepdims=True)
    weight = means / np.where(lengths > 0, lengths, 1)
    return Linear(weight.astype(np.float32), np.where(seen, 0, -np.inf).astype(np.float32))


def class_means(
    x: Floats, labels: Labels, classes: int
) -> tuple[np.ndarray[tuple[int, int], np.dtype[np.float64]], np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """The mean of each class's rows (classes, d), 0 where it has none; and which have some (classes,)."""
    counts = np.bincount(labels, minlength=classes)
    sums = np.zeros((classes, x.shape[1]))
    np.add.at(sums, labels, x)
    return sums / np.maximum(counts, 1)[:, None], counts > 0
