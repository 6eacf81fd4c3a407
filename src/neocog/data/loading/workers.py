"""How many workers load pictures, and of what kind: given, or measured on the pictures themselves."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from time import perf_counter, thread_time
from typing import Literal

import numpy as np

from neocog import runtime
from neocog.data.loading.order import Indices
from neocog.data.loading.pictures import Held, Source
from neocog.errors import UserError

Kind = Literal["threads", "processes"]
ONE = {"threads": "thread", "processes": "process"}
PROBES = 8  # pictures per thread that a measurement decodes
BLOCK = bytes(1 << 20)
ROUNDS = 4
PATIENCE = 2.0  # seconds after which no further round is begun
FREE = 1.5  # cores that must be free for a measurement to speak against threads


@dataclass(frozen=True)
class Workers:
    """`count` threads or processes; none means in the caller's own thread."""

    count: int
    kind: Kind = "threads"
    why: str = "as given"

    def __post_init__(self) -> None:
        if self.count < 0:
            raise UserError(f"the number of workers must not be negative, got {self.count}")

    def __str__(self) -> str:
        kind = self.kind if self.count > 1 else ONE[self.kind]
        return f"{self.count} {kind}, {self.why}" if self.count else f"no workers, {self.why}"


def parse_workers(text: str | int) -> Workers | None:
    """`4` or `threads:4`, `processes:4`, `0` for none; `auto`, to be measured, is None."""
    kind, _, count = str(text).rpartition(":")
    if text == "auto":
        return None
    if kind not in ("", *ONE) or not count.isdecimal():
        raise UserError(f"workers must be auto, a number, threads:N or processes:N, got {text!r}")
    return Workers(int(count), "processes" if kind == "processes" else "threads")


def measured(source: Source, indices: Indices) -> Workers:
    """The workers for `source`, after a thread per core decoded some of the pictures at `indices`.

    Processes take a second to start and tens of MiB each, so they are only for what threads cannot do at once:
    decoding that holds Python's lock keeps one core busy, however many threads there are. How many cores other work
    leaves is measured beside it, on sums of SHA-256, which let go of the lock; where it leaves one, threads it is.
    """
    cores = runtime.threads()
    if isinstance(source, Held):
        mapped = isinstance(source.pixels, np.memmap)
        return Workers(int(mapped), why="the pixels lie in a file" if mapped else "the pixels are in memory")
    if cores == 1:
        return Workers(1, why="there is one core")
    chosen = indices[:: max(1, len(indices) // (PROBES * cores))][: PROBES * cores]
    decode = [partial(_decode, source, part) for part in np.array_split(chosen, cores)]
    busy = possible = 0.0
    with ThreadPoolExecutor(cores) as pool:
        _cores_busy(pool, decode)  # waits for the disk; after this the files are in memory
        end = perf_counter() + PATIENCE
        for _ in range(ROUNDS):  # other work can only lower a figure
            possible = max(possible, _cores_busy(pool, [_hash] * cores))
            busy = max(busy, _cores_busy(pool, decode))
            if busy > (1 + possible) / 2 or perf_counter() > end:
                break
    why = f"since {cores} decoding threads keep {busy:.1f} cores busy of {possible:.1f} that are free"
    held = busy <= (1 + possible) / 2 and possible >= FREE
    return Workers(cores, "processes" if held else "threads", why)


def _cores_busy(pool: ThreadPoolExecutor, tasks: Sequence[Callable[[], None]]) -> float:
    """Seconds of processor time per second while the tasks run at once."""
    start = perf_counter()
    used = sum(pool.map(_processor_time, tasks))
    return used / (perf_counter() - start)


def _processor_time(task: Callable[[], None]) -> float:
    start = thread_time()
    task()
    return thread_time() - start


def _decode(source: Source, indices: Indices) -> None:
    source.fill(indices, np.empty((len(indices), *source.shape), np.uint8))


def _hash() -> None:
    for _ in range(20):
        hashlib.sha256(BLOCK)
