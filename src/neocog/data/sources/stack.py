"""Pictures that lie in one large array."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Stack:
    """The pictures of an array (n, height, width[, channels]), which may be a memory-mapped file.

    A picture is called by the array's name and its number there, from 0.
    """

    def __init__(self, name: str, array: NDArray[np.uint8]):
        self._name, self._array = name, array

    def __len__(self) -> int:
        return len(self._array)

    def name(self, index: int) -> str:
        return f"{self._name}/{index:05d}"

    def read(self, index: int) -> NDArray[np.uint8]:
        return np.asarray(self._array[index])
