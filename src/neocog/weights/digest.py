"""A name for a set of tensors that depends on nothing but their names and values."""

import hashlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray


def digest(tensors: Mapping[str, NDArray[np.generic]]) -> str:
    """SHA-256 over names, types, shapes and bytes, in the order of the names."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        array = np.asarray(tensors[name], order="C")
        total.update(f"{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        total.update(array.data)
    return total.hexdigest()
