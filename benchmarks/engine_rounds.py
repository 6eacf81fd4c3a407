"""Pictures per second of each engine and of plain torch, in turn, in one process."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

BATCH = 32
PLAIN = "plain eager torch"


def engine_rates(model: str, cache: Path, rounds: int, seconds: float) -> dict[str, list[float]]:
    """Pictures per second per round and side at batch 32, each round at least `seconds` long, without decoding.

    The engines run as the stream of pictures uses them, with a batch in flight on each core; plain torch runs one
    batch at a time over all cores, with its own threads and pixels that are normalised beforehand.
    """
    os.environ["NEOCOG_CACHE"] = str(cache)
    import torch

    import neocog
    from neocog import runtime
    from neocog.api.networks import load_classifier
    from neocog.inference.engines import choose

    own_threads = torch.get_num_threads()
    network = load_classifier(model).network
    pixels = np.random.default_rng(0).integers(0, 256, (BATCH, *network.preprocess.size, 3), dtype=np.uint8)
    normalised = (torch.from_numpy(pixels).permute(0, 3, 1, 2).float().contiguous() - 127) / 128
    net = neocog.create_model(model, pretrained=True).eval()

    def plain(_: Any) -> None:
        with torch.no_grad():
            net(normalised)

    sides: dict[str, tuple[Callable[[Any], object], int]] = {}
    for wanted in ("openvino", "torch"):
        engine = choose(network, None, wanted).engine
        sides[f"{engine.name} engine"] = (engine, runtime.threads())
    sides[PLAIN] = (plain, 1)
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(rounds + 1):
        for name, (call, streams) in sides.items():
            torch.set_num_threads(own_threads)  # the torch engine sets it to one
            rate = throughput([partial(call, pixels)] * streams, seconds)
            if turn:  # the first one warms up
                rates[name].append(rate)
    return rates


def throughput(streams: Sequence[Callable[[], object]], seconds: float) -> float:
    """Pictures per second of all `streams` together; one stream runs in this thread."""

    def calls(work: Callable[[], object]) -> int:
        start, count = perf_counter(), 0
        while not count or perf_counter() - start < seconds:
            work()
            count += 1
        return count

    start = perf_counter()
    if len(streams) == 1:
        return calls(streams[0]) * BATCH / (perf_counter() - start)
    with ThreadPoolExecutor(len(streams)) as pool:
        start = perf_counter()
        return sum(pool.map(calls, streams)) * BATCH / (perf_counter() - start)
