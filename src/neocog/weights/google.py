"""Google's arrays, written by Flax or TensorFlow, as torch lays them out."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray


def bare(name: str) -> str:
    """The name without what the optimiser or Flax put before it."""
    return re.sub("^(opt/target/|params/)", "", name)


def as_torch(name: str, array: NDArray[np.generic]) -> NDArray[np.generic]:
    """A kernel (rows, cols, in, out) becomes (out, in, rows, cols), a linear one (in, out) becomes (out, in).

    The heads of an attention stand one after another: query, key and value are (dim, heads, head_dim) there, the map
    that joins them (heads, head_dim, dim). Scales and biases become vectors.
    """
    if not name.endswith("/kernel"):
        vector = name.endswith(("/bias", "/scale", "/gamma", "/beta"))
        return array.reshape(-1) if vector else array
    if array.ndim == 4:
        return np.ascontiguousarray(array.transpose(3, 2, 0, 1))
    if array.ndim == 3:
        flat = (-1, array.shape[-1]) if name.endswith("/out/kernel") else (len(array), -1)
        array = array.reshape(flat)
    return np.ascontiguousarray(array.T)
