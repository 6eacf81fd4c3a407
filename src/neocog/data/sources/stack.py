"""Pictures that lie in one large array."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Stack:
    """The pictures of an array (n, height, width[, channels]), which may be a memory-mapped file.

    A picture is called by the array's name and its number there, from 0. A mapped file is mapped anew where the
    stack is sent to another process: its bytes are not sent.
    """

    def __init__(self, name: str, array: NDArray[np.uint8]):
        self._name, self._array = name, array

    def __len__(self) -> int:
        return len(self._array)

    def name(self, index: int) -> str:
        return f"{self._name}/{index:05d}"

    def read(self, index: int) -> NDArray[np.uint8]:
        return np.asarray(self._array[index])

    def __reduce__(self) -> tuple[Any, ...]:
        array = self._array
        if not isinstance(array, np.memmap):
            return Stack, (self._name, array)
        whole = array
        while isinstance(whole.base, np.memmap):  # of a view `offset` is that of the whole
            whole = whole.base
        offset = whole.offset + array.ctypes.data - whole.ctypes.data
        return _mapped, (self._name, array.filename, offset, array.shape, array.strides)


def _mapped(name: str, file: str, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> Stack:
    bytes_in = np.memmap(file, np.uint8, "r")
    return Stack(name, np.ndarray(shape, np.uint8, bytes_in, offset, strides))
