"""Who fills the batches: the caller's own thread, or threads ahead of it. Always in order, never far ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from math import ceil
from typing import Protocol

import numpy as np

from neocog.data.decode import Pixels
from neocog.data.loading.order import Indices
from neocog.data.loading.pictures import Reason, Source

PIECE = 8  # pictures that a worker takes at a time


@dataclass(frozen=True)
class Filled:
    """A batch as its source gave it."""

    pixels: Pixels
    """(n, height, width, channels); what lies in a row that was left out means nothing"""
    left_out: list[Reason]


Fills = Generator[Filled, None, None]


class Pool(Protocol):
    """Fills batches."""

    def fill(self, batches: Iterator[Indices]) -> Fills:
        """A batch of pixels for each batch of indices, in order. At most one of these iterators at a time."""

    def close(self) -> None:
        """End the workers."""


def pieces(n: int, workers: int) -> list[slice]:
    """A batch of n pictures in parts that keep the workers equally busy."""
    size = max(1, min(PIECE, ceil(n / workers)))
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def batches_ahead(batch_size: int, workers: int) -> int:
    """How many batches keep the workers busy while the caller uses one: two, and more where batches are small."""
    return 2 + ceil(workers * PIECE / batch_size)


class InPlace:
    """Fills a batch when it is asked for."""

    def __init__(self, source: Source):
        self._source = source

    def fill(self, batches: Iterator[Indices]) -> Fills:
        for indices in batches:
            pixels = np.empty((len(indices), *self._source.shape), np.uint8)
            yield Filled(pixels, self._source.fill(indices, pixels))

    def close(self) -> None:
        pass


Pending = tuple[Pixels, list[tuple[int, "Future[list[Reason]]"]]]


class Threads:
    """Threads that fill the next batches while the caller uses one; decoders let go of Python's lock."""

    def __init__(self, source: Source, count: int, batch_size: int):
        self._source, self._count = source, count
        self._ahead = batches_ahead(batch_size, count)
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="neocog-load")

    def fill(self, batches: Iterator[Indices]) -> Fills:
        pending: deque[Pending] = deque()
        try:
            for indices in batches:
                pending.append(self._submit(indices))
                if len(pending) > self._ahead:
                    yield _finished(pending.popleft())
            while pending:
                yield _finished(pending.popleft())
        finally:
            for _, parts in pending:
                for _, part in parts:
                    part.cancel()

    def _submit(self, indices: Indices) -> Pending:
        pixels = np.empty((len(indices), *self._source.shape), np.uint8)
        parts = pieces(len(indices), self._count)
        return pixels, [
            (part.start, self._pool.submit(self._source.fill, indices[part], pixels[part])) for part in parts
        ]

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)


def _finished(pending: Pending) -> Filled:
    pixels, parts = pending
    return Filled(pixels, [(start + row, why) for start, part in parts for row, why in part.result()])
