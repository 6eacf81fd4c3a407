"""Attention, rollout and attention distance, number by number as their papers write them."""

from math import exp, inf, log2, sqrt

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def weights(query: Floats, key: Floats, scale: float, bias: Floats) -> Floats:
    """(queries, keys): softmax of query · key * scale + bias, a row at a time; -inf in `bias` forbids a key."""
    out = np.zeros((len(query), len(key)))
    for i in range(len(query)):
        likeness = [sum(query[i, d] * key[j, d] for d in range(query.shape[1])) for j in range(len(key))]
        allowed = [j for j in range(len(key)) if bias[i, j] != -inf]
        powers = {j: exp(likeness[j] * scale + bias[i, j]) for j in allowed}
        for j in allowed:
            out[i, j] = powers[j] / sum(powers.values())
    return out


def rollout(layers: list[Floats]) -> Floats:
    """Abnar and Zuidema (2020), section 3: what of each input token is in each output token."""
    tokens = layers[0].shape[1]
    rolled = np.eye(tokens)
    for heads in layers:
        mixed = np.zeros((tokens, tokens))
        for i in range(tokens):
            for j in range(tokens):
                mean = sum(head[i, j] for head in heads) / len(heads)
                mixed[i, j] = (mean + (1 if i == j else 0)) / 2
            mixed[i] /= sum(mixed[i])
        new = np.zeros((tokens, tokens))
        for i in range(tokens):
            for j in range(tokens):
                new[i, j] = sum(mixed[i, k] * rolled[k, j] for k in range(tokens))
        rolled = new
    return rolled


def distance(head: Floats, places: dict[int, tuple[float, float]], renormalise: bool) -> float:
    """The mean over queries of the distance to each key, weighted by attention; `places` has the patches alone."""
    total = 0.0
    for query, (y, x) in places.items():
        share = sum(head[query, key] for key in places) if renormalise else 1.0
        for key, (v, u) in places.items():
            total += head[query, key] / share * sqrt((y - v) ** 2 + (x - u) ** 2)
    return total / len(places)


def entropy(row: Floats) -> float:
    return -sum(p * log2(p) for p in row if p > 0)
