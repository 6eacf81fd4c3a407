"""Histograms of words, the pyramid match and a mixture's likelihood, descriptor by descriptor."""

from math import exp, log, pi

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def nearest(descriptor: Floats, words: Floats) -> int:
    return min(range(len(words)), key=lambda w: sum((descriptor - words[w]) ** 2))


def histogram(descriptors: Floats, words: Floats) -> Floats:
    counts = np.zeros(len(words))
    for descriptor in descriptors:
        counts[nearest(descriptor, words)] += 1
    return counts


def in_cell(picture: tuple[Floats, Floats], side: int, row: int, col: int) -> Floats:
    """The descriptors of (descriptors, places in 0..1) that lie in one cell."""
    pairs = zip(*picture, strict=True)
    return np.array([d for d, (y, x) in pairs if (int(y * side), int(x * side)) == (row, col)])


def pyramid_match(
    one: tuple[Floats, Floats], other: tuple[Floats, Floats], words: Floats, last: int
) -> float:
    """Equation 2 of Lazebnik et al. on two pictures' (descriptors, places in 0..1), counts divided by n."""
    matches = []
    for level in range(last + 1):
        total = 0.0
        for row, col in np.ndindex(2**level, 2**level):
            first, second = (
                histogram(in_cell(picture, 2**level, row, col), words) / len(picture[0])
                for picture in (one, other)
            )
            total += sum(min(a, b) for a, b in zip(first, second, strict=True))
        matches.append(total)
    new = [(matches[level] - matches[level + 1]) / 2 ** (last - level) for level in range(last)]
    return matches[last] + sum(new)


def uncertainty(descriptor: Floats, words: Floats, width: float) -> Floats:
    """The codeword uncertainty of van Gemert et al. for one descriptor."""
    likeness = [exp(-sum((descriptor - word) ** 2) / (2 * width**2)) for word in words]
    return np.array([number / sum(likeness) for number in likeness])


def mean_log_likelihood(x: Floats, weights: Floats, means: Floats, deviations: Floats) -> float:
    total = 0.0
    for row in x:
        density = 0.0
        for weight, mean, deviation in zip(weights, means, deviations, strict=True):
            logs = [
                -((number - m) ** 2) / (2 * s**2) - log(s) - 0.5 * log(2 * pi)
                for number, m, s in zip(row, mean, deviation, strict=True)
            ]
            density += weight * exp(sum(logs))
        total += log(density)
    return total / len(x)
