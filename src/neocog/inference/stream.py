"""Pictures through a network: each thread reads, decodes and infers its own batches, so that neither waits."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from neocog import runtime
from neocog.data.samples import Picture, Samples, content_hash
from neocog.errors import Unreadable
from neocog.inference.network import Floats

BATCH = 8
Prepare = Callable[[Picture], NDArray[Any]]
Infer = Callable[[NDArray[Any]], NDArray[Any]]
Known = Callable[[bytes], Floats | None]


@dataclass(frozen=True)
class Part:
    """Some pictures in their order: those that could be read with their outputs, those that could not with why."""

    indices: NDArray[np.int64]
    outputs: NDArray[Any]
    """a row per picture in `indices`: features, or whatever `infer` returns"""
    hashes: NDArray[np.uint8]
    """(n, 32), content hashes of the pictures in `indices`"""
    fresh: NDArray[np.bool_]
    """which outputs were computed now, not found"""
    skipped: tuple[tuple[int, str], ...]


def stream(
    samples: Samples,
    prepare: Prepare,
    infer: Infer,
    known: Known = lambda content: None,
    batch: int = BATCH,
) -> Iterator[Part]:
    """`samples` through `infer` in order, a batch at a time; memory does not grow with their number.

    `prepare` makes of each picture an array of one shape, and may raise `Unreadable`.
    `known` may return the features of a picture by its content hash, which is then not decoded.
    """

    def work(start: int) -> Part:
        return _part(range(start, min(start + batch, len(samples))), samples, prepare, infer, known)

    workers = runtime.threads()
    pending: deque[Future[Part]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="neocog")
    # numpy's own threads would spin beside the streams, which take every core
    with threadpool_limits(1, "blas"):
        try:
            for start in range(0, len(samples), batch):
                pending.append(pool.submit(work, start))
                if len(pending) > 2 * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _part(indices: range, samples: Samples, prepare: Prepare, infer: Infer, known: Known) -> Part:
    read: list[int] = []
    hashes: list[bytes] = []
    found: dict[int, NDArray[Any]] = {}
    pixels: dict[int, NDArray[Any]] = {}
    skipped: list[tuple[int, str]] = []
    for i in indices:
        try:
            picture = samples.read(i)
            content = content_hash(picture)
            features = known(content)
            if features is None:
                pixels[i] = prepare(picture)
            else:
                found[i] = features
        except Unreadable as reason:
            skipped.append((i, str(reason)))
            continue
        read.append(i)
        hashes.append(content)
    if pixels:
        found |= zip(pixels, infer(np.stack(list(pixels.values()))), strict=True)
    return Part(
        np.array(read, dtype=np.int64),
        np.stack([found[i] for i in read]) if read else np.empty((0, 0), np.float32),
        np.frombuffer(b"".join(hashes), np.uint8).reshape(-1, 32),
        np.array([i in pixels for i in read], dtype=bool),
        tuple(skipped),
    )
