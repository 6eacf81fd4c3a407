"""Attention through all layers at once (Abnar and Zuidema, "Quantifying attention flow in transformers" (2020))."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def rollout(layers: Sequence[NDArray[Any]]) -> Floats:
    """How much of each input token is in each output token: (tokens, tokens), each row adds up to one.

    `layers` are the weights (heads, tokens, tokens) of one picture, the first layer first. Section 3 of the paper: the
    shortcut around a layer counts as much as its attention, (A + 1) / 2, and layers are multiplied. A is the mean over
    heads, as in the figures of Dosovitskiy et al. (2021), appendix D.7. MLPs, norms and values are left out, which
    makes this a rough account of what the network does.
    """
    return reduce(lambda below, weights: with_shortcut(weights) @ below, layers, np.eye(layers[0].shape[-1]))


def with_shortcut(weights: NDArray[Any]) -> Floats:
    """(A + 1) / 2 of the mean over heads A, whose rows are brought to one again, since rounding moves them."""
    mean = weights.astype(np.float64).mean(axis=0)
    mixed = (mean + np.eye(len(mean))) / 2
    return np.asarray(mixed / mixed.sum(axis=-1, keepdims=True))


def read_by_the_head(rolled: Floats, class_token: int | None) -> Floats:
    """(tokens,): the row of the class token; without one the mean over all rows, as the classifier takes it."""
    return np.asarray(rolled.mean(axis=0) if class_token is None else rolled[class_token])
