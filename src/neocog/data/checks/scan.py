"""One pass over a data set: every picture read and decoded once, by as many threads as there are cores."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from time import perf_counter

import numpy as np

from neocog import runtime
from neocog.data.checks.facts import FACT, Scan, Trouble
from neocog.data.checks.look import Look, look
from neocog.data.samples import Samples
from neocog.progress import Progress, Silent

BATCH = 16


def scan(samples: Samples, progress: Progress | None = None) -> Scan:
    """The facts of all pictures; of those that cannot be decoded, why."""
    start = perf_counter()
    facts = np.zeros(len(samples), FACT)
    troubles: list[Trouble] = []

    def work(first: int) -> list[Look]:
        return [look(samples, i) for i in range(first, min(first + BATCH, len(samples)))]

    def take(first: int, looks: list[Look]) -> int:
        for i, (row, said) in enumerate(looks, first):
            facts[i] = row
            troubles.extend(Trouble(i, kind, words) for kind, words in said)
        return len(looks)

    workers = runtime.threads()
    pending: deque[tuple[int, Future[list[Look]]]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="neocog")
    with (progress or Silent()).step("looking at pictures", len(samples)) as advance:
        try:
            for first in range(0, len(samples), BATCH):
                pending.append((first, pool.submit(work, first)))
                if len(pending) > 2 * workers:
                    at, future = pending.popleft()
                    advance(take(at, future.result()))
            for at, future in pending:
                advance(take(at, future.result()))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    return Scan(facts, tuple(troubles), perf_counter() - start)
