"""The verb `bench`: pictures per second and latency of a model, per engine and batch size."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from neocog import runtime
from neocog.api import names
from neocog.api.networks import backbone_of, find_run, load_classifier
from neocog.data.decode import Pixels
from neocog.draw.table import Table
from neocog.errors import UserError
from neocog.inference.engines import Engine, choose
from neocog.inference.network import Network
from neocog.weights.published import PUBLISHED

ROUNDS = 5


@dataclass(frozen=True)
class Benchmark:
    """Measured on this machine, now."""

    model: str
    processor: str
    table: Table

    def to_json(self) -> dict[str, Any]:
        return {"model": self.model, "processor": self.processor, "rows": self.table.to_json()}

    def _repr_html_(self) -> str:
        return self.table._repr_html_()


def bench(
    model: str | Path, *, batch_sizes: Sequence[int] = (1, 8, 32), engine: str = "all", seconds: float = 1.0
) -> Benchmark:
    """Time `model` (a run, or a model's name) on random pixels.

    Throughput keeps every stream busy; latency is one batch alone. Each figure is the median of five rounds, each
    at least `seconds` / 5 long. Memory is the process's largest resident set so far.
    """
    if not batch_sizes or min(batch_sizes) < 1:
        raise UserError(f"batch sizes must be at least 1, got {list(batch_sizes)}")
    network = _network(model)
    wanted = ("openvino", "torch") if engine == "all" else (engine,)
    rows = []
    for name in wanted:
        chosen = choose(network, None, name)
        if chosen.engine.name != name and engine == "all":
            continue
        for size in batch_sizes:
            pixels = _noise(network, size)
            latency = _latency(chosen.engine, pixels, seconds / ROUNDS)
            rate = _throughput(chosen.engine, pixels, seconds / ROUNDS)
            rows.append((chosen.engine.name, size, rate, 1000 * latency, peak_memory() / 2**20))
    header = ("engine", "batch", "img/s", "latency ms", "peak MiB")
    return Benchmark(str(model), runtime.processor(), Table(header, tuple(rows)))


def peak_memory() -> int:
    """Largest resident set of this process so far, in bytes; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _network(model: str | Path) -> Network:
    if str(model) in PUBLISHED or is_run(model):
        return load_classifier(model).network
    reference = names.parse(str(model))
    names.trust(reference)
    return backbone_of(reference, names.default_preprocess(reference), None).network


def is_run(model: str | Path) -> bool:
    try:
        return find_run(model) is not None
    except UserError:
        if Path(model).is_dir():  # a run, but a damaged one: its own error says so
            raise
        return False


def _noise(network: Network, size: int) -> Pixels:
    shape = (size, *network.preprocess.size, network.preprocess.channels)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def _latency(engine: Engine, pixels: Pixels, seconds: float) -> float:
    engine(pixels)
    return median(_one_round(engine, pixels, seconds)[0] for _ in range(ROUNDS))


def _throughput(engine: Engine, pixels: Pixels, seconds: float) -> float:
    """Pictures per second with a batch in flight on each stream."""
    streams = runtime.threads()
    rates = []
    with ThreadPoolExecutor(streams) as pool:
        list(pool.map(engine, [pixels] * streams))
        for _ in range(ROUNDS):
            start = perf_counter()
            calls = sum(
                count for _, count in pool.map(lambda _: _one_round(engine, pixels, seconds), range(streams))
            )
            rates.append(calls * len(pixels) / (perf_counter() - start))
    return median(rates)


def _one_round(engine: Engine, pixels: Pixels, seconds: float) -> tuple[float, int]:
    """Seconds per call, and calls, over at least `seconds`."""
    start, calls = perf_counter(), 0
    while not calls or perf_counter() - start < seconds:
        engine(pixels)
        calls += 1
    return (perf_counter() - start) / calls, calls
