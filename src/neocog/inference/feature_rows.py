"""Rows of features that come one block after another, in memory or in a file that vanishes."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from neocog.errors import UserError


class Rows(Protocol):
    """Rows that come one block after another."""

    def append(self, rows: NDArray[Any]) -> None: ...

    def array(self) -> NDArray[Any]:
        """All of them; valid beyond `close`."""

    def close(self) -> None: ...


class InMemory:
    """Rows in an array that is made for the most that may come."""

    def __init__(self, most: int):
        self._most, self._count = most, 0
        self._array: NDArray[Any] = np.empty((0, 0), np.float32)

    def append(self, rows: NDArray[Any]) -> None:
        if not self._count:
            self._array = np.empty((self._most, rows.shape[1]), rows.dtype)
        self._array[self._count : self._count + len(rows)] = rows
        self._count += len(rows)

    def array(self) -> NDArray[Any]:
        return self._array[: self._count]

    def close(self) -> None:
        """Nothing is open."""


class Spooled:
    """Rows in a file without a name in `folder`, which vanishes with the process, however that ends."""

    def __init__(self, folder: Path):
        self._folder, self._shape = folder, (0, 0)
        self._dtype: np.dtype[Any] = np.dtype(np.float32)
        try:
            self._file = TemporaryFile(dir=folder)  # noqa: SIM115  # it lives as long as its rows
        except OSError as error:
            raise self._refused(error) from error

    def append(self, rows: NDArray[Any]) -> None:
        try:
            self._file.write(np.ascontiguousarray(rows).data)
        except OSError as error:
            raise self._refused(error) from error
        self._dtype, self._shape = rows.dtype, (self._shape[0] + len(rows), rows.shape[1])

    def array(self) -> NDArray[Any]:
        """Mapped, not loaded."""
        if not self._shape[0]:
            return np.empty(self._shape, self._dtype)
        try:
            self._file.flush()
        except OSError as error:
            raise self._refused(error) from error
        return np.memmap(self._file, self._dtype, "r", shape=self._shape)

    def close(self) -> None:
        with suppress(OSError):  # a full disk, which `append` or `array` has told of
            self._file.close()

    def _refused(self, error: OSError) -> UserError:
        return UserError(
            f"cannot write into {self._folder}: {error.strerror}; choose another place or free some space"
        )
