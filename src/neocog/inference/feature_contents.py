"""What a file of features holds, whatever kind of file it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Contents:
    """What a file of features holds; a row for each picture."""

    features: dict[str, NDArray[Any]]
    """layer -> (n, d), float32 or float16, in memory or mapped"""
    hashes: NDArray[np.uint8]
    """(n, 32), SHA-256 of each picture"""
    labels: NDArray[np.int64]
    """(n,), places in `classes`, or `UNLABELLED`"""
    classes: tuple[str, ...]
    parts: NDArray[np.str_]
    """(n,), train, val, test or nothing"""
    path: Callable[[int], str]
    """of each picture, by its row"""
    targets: NDArray[np.bool_] | None
    """(n, classes) where pictures may show several"""
    about: dict[str, Any]
    """whatever else is to be known, as JSON can hold it"""

    def __len__(self) -> int:
        return len(self.hashes)

    def paths(self, step: int = 4096) -> Iterator[list[str]]:
        for at in range(0, len(self), step):
            yield [self.path(i) for i in range(at, min(at + step, len(self)))]
