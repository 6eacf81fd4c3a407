"""The building blocks number by number, as their papers' formulas read: slow, in double precision, without torch."""

from math import cos, erf, exp, floor, pi, sin, sqrt

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def local_response_norm(
    x: Floats, first: list[int], last: list[int], alpha: float, beta: float, k: float
) -> Floats:
    """x (batch, channels, rows, columns); the sum for channel i runs from first[i] to last[i], both included."""
    out = np.zeros_like(x)
    for n, i, r, c in np.ndindex(*x.shape):
        total = 0.0
        for j in range(first[i], last[i] + 1):
            total += x[n, j, r, c] ** 2
        out[n, i, r, c] = x[n, i, r, c] / (k + alpha * total) ** beta
    return out


def batch_statistics(x: Floats) -> tuple[Floats, Floats, int]:
    """Mean and variance (divided by m) of each channel of (batch, channels, ...), and m."""
    channels = x.shape[1]
    mean, var, m = np.zeros(channels), np.zeros(channels), x.size // channels
    for place in np.ndindex(*x.shape):
        mean[place[1]] += x[place] / m
    for place in np.ndindex(*x.shape):
        var[place[1]] += (x[place] - mean[place[1]]) ** 2 / m
    return mean, var, m


def normalise(x: Floats, mean: Floats, var: Floats, gamma: Floats, beta: Floats, eps: float) -> Floats:
    """The last two lines of Algorithm 1."""
    out = np.zeros_like(x)
    for place in np.ndindex(*x.shape):
        c = place[1]
        out[place] = gamma[c] * (x[place] - mean[c]) / sqrt(var[c] + eps) + beta[c]
    return out


def softmax(row: Floats) -> Floats:
    powers = [exp(number - max(row)) for number in row]
    return np.array([power / sum(powers) for power in powers])


def attention_map(query: Floats, key: Floats, scale: float) -> Floats:
    """(query, key): how much each query attends to each key."""
    tokens = len(query)
    weights = np.zeros((tokens, len(key)))
    for i in range(tokens):
        likeness = [
            sum(query[i, d] * key[j, d] for d in range(key.shape[1])) * scale for j in range(len(key))
        ]
        weights[i] = softmax(np.array(likeness))
    return weights


def attend(weights: Floats, value: Floats) -> Floats:
    out = np.zeros((len(weights), value.shape[1]))
    for i, j in np.ndindex(*weights.shape):
        out[i] += weights[i, j] * value[j]
    return out


def linear(x: Floats, weight: Floats, bias: Floats | None) -> Floats:
    out = np.zeros((len(x), len(weight)))
    for t, o, i in np.ndindex(len(x), *weight.shape):
        out[t, o] += x[t, i] * weight[o, i]
    return out if bias is None else out + bias


def heads_of(x: Floats, qkv: Floats, bias: Floats | None, heads: int) -> list[tuple[Floats, Floats, Floats]]:
    """Query, key and value (tokens, width) of each head; the rows of `qkv` are all queries, all keys, all values."""
    dim = x.shape[1]
    width, all_three = dim // heads, linear(x, qkv, bias)
    query, key, value = all_three[:, :dim], all_three[:, dim : 2 * dim], all_three[:, 2 * dim :]
    return [
        (query[:, first : first + width], key[:, first : first + width], value[:, first : first + width])
        for first in range(0, dim, width)
    ]


def sincos_1d(tokens: int, dim: int) -> Floats:
    table = np.zeros((tokens, dim))
    for p in range(tokens):
        for i in range(dim // 2):
            table[p, 2 * i] = sin(p / 10_000 ** (2 * i / dim))
            table[p, 2 * i + 1] = cos(p / 10_000 ** (2 * i / dim))
    return table


def sincos_2d(rows: int, cols: int, dim: int) -> Floats:
    """Four blocks: sin(row), sin(column), cos(row), cos(column)."""
    waves = dim // 4
    table = np.zeros((rows * cols, dim))
    for r, c, w in np.ndindex(rows, cols, waves):
        frequency = 1 / 10_000 ** (w / waves)
        angles = [sin(r * frequency), sin(c * frequency), cos(r * frequency), cos(c * frequency)]
        for block, number in enumerate(angles):
            table[r * cols + c, block * waves + w] = number
    return table


def triangle(distance: float) -> float:
    return max(0.0, 1 - abs(distance))


def cubic(distance: float, a: float) -> float:
    """Keys' convolution kernel: smooth, 1 at 0, 0 at the other whole numbers, nothing beyond 2."""
    d = abs(distance)
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else 0.0


def between_corners(size: int, wanted: int, a: float | None) -> Floats:
    """(wanted, size) weights of one axis whose ends stay in place; the edge repeats. `a` None is linear."""
    weights = np.zeros((wanted, size))
    for o in range(wanted):
        centre = o * (size - 1) / (wanted - 1) if wanted > 1 else 0.0
        for j in range(floor(centre) - 1, floor(centre) + 3):
            weight = triangle(centre - j) if a is None else cubic(centre - j, a)
            weights[o, min(max(j, 0), size - 1)] += weight
    return weights


def by_areas(size: int, wanted: int, a: float) -> Floats:
    """(wanted, size) weights of one axis of areas: the kernel is as wide as the coarser of the two; the edge is cut."""
    weights = np.zeros((wanted, size))
    ratio = size / wanted
    for o in range(wanted):
        centre = (o + 0.5) * ratio - 0.5
        for j in range(size):
            weights[o, j] = cubic((j - centre) / max(ratio, 1), a)
        weights[o] /= weights[o].sum()
    return weights


def resize(maps: Floats, rows: Floats, cols: Floats) -> Floats:
    """maps (rows, columns, dim) resampled by the weights of either axis."""
    out = np.zeros((len(rows), len(cols), maps.shape[2]))
    for r, c, i, j in np.ndindex(len(rows), len(cols), *maps.shape[:2]):
        out[r, c] += rows[r, i] * cols[c, j] * maps[i, j]
    return out


def standardise(weight: Floats, eps: float) -> Floats:
    """Each filter (input channels, rows, columns) with mean 0 and variance 1; the variance divided by their number."""
    out = np.zeros_like(weight)
    for o in range(len(weight)):
        numbers = [weight[o][place] for place in np.ndindex(*weight.shape[1:])]
        mean = sum(numbers) / len(numbers)
        var = sum((number - mean) ** 2 for number in numbers) / len(numbers)
        for place in np.ndindex(*weight.shape[1:]):
            out[o][place] = (weight[o][place] - mean) / sqrt(var + eps)
    return out


def drop(x: Floats, kept: Floats, factor: float) -> Floats:
    """x times its mask times a factor; a mask of one number a sample is that of the whole sample."""
    out = np.zeros_like(x)
    for place in np.ndindex(*x.shape):
        out[place] = x[place] * (kept[place] if kept.ndim == x.ndim else kept[place[0]]) * factor
    return out


def hyperbolic(x: float) -> float:
    return (exp(x) - exp(-x)) / (exp(x) + exp(-x))


def gelu_tanh(x: float) -> float:
    return 0.5 * x * (1 + hyperbolic(sqrt(2 / pi) * (x + 0.044715 * x**3)))


SQUASHES = {
    "sigmoid": lambda x: 1 / (1 + exp(-x)),
    "tanh": hyperbolic,
    "scaled_tanh": lambda x: 1.7159 * hyperbolic(2 / 3 * x),
    "relu": lambda x: x if x > 0 else 0.0,
    "leaky_relu": lambda x: x if x > 0 else 0.01 * x,
    "elu": lambda x: x if x > 0 else exp(x) - 1,
    "gelu": lambda x: x * 0.5 * (1 + erf(x / sqrt(2))),
    "gelu_tanh": gelu_tanh,
}


def maxout(x: Floats, pieces: int) -> Floats:
    """x (batch, channels, ...)"""
    out = np.full((len(x), x.shape[1] // pieces, *x.shape[2:]), -np.inf)
    for place in np.ndindex(*x.shape):
        group = (place[0], place[1] // pieces, *place[2:])
        out[group] = max(out[group], x[place])
    return out
