"""Times the pass behind `neocog see patches` beside plain inference by the same engine on the same pictures.

benchmarks/README.md says what each line means.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

from child import apart
from job import Bench, bench_of, say, shared_options
from record import Figure

SIZE = (500, 375)
MODELS = ("efficientnet_lite0", "alexnet")
ENGINES = ("openvino", "torch")
K = 9


@dataclass(frozen=True)
class Rates:
    """Of one round: pictures per second of both sides."""

    plain: float
    peaks: float


@dataclass(frozen=True)
class Passed:
    """What one process measured."""

    rates: tuple[Rates, ...]
    channels: int
    layers: int


def random_weights(place: Path) -> Path:
    """AlexNet's, drawn at random: what is computed takes as long as with others."""
    import torch
    from safetensors.torch import save_file

    import neocog

    torch.manual_seed(0)
    save_file(neocog.create_model("alexnet").state_dict(), place)
    return place


def passes(model: str, weights: Path | None, engine: str, folder: Path, cache: Path, rounds: int) -> Passed:
    """Both sides in turn, decoding included: the network's features, kept nowhere, and the index of all channels.

    The first round warms up and is not counted.
    """
    os.environ["NEOCOG_CACHE"] = str(cache)
    from neocog.api.embedding.ways import choose_for_layers
    from neocog.api.see.opened import opened
    from neocog.api.see.strongest.peaked import peaks_network
    from neocog.data.source import open_dataset
    from neocog.inference.engines import choose
    from neocog.inference.stream import stream
    from neocog.inside.patches.index import indexed
    from neocog.progress import Silent

    network = opened(model, Silent(), {"weights": weights})
    samples, layers = open_dataset(str(folder)).samples, network.layers
    assert network.frozen is not None
    channels = {layer.name: layer.channels for layer in layers}
    whole = replace(network.frozen.network, backbone=network.frozen.whole, source="whole")
    peaks = peaks_network(network, layers)
    assert peaks is not None
    plain_engine = choose(whole, None, engine).engine
    own = choose_for_layers(peaks, len(layers), lambda: tuple(channels.values()), engine, "auto").engine
    if {plain_engine.name, own.name} != {engine}:
        raise SystemExit(f"{model}: {engine} does not run both sides, {plain_engine.name} and {own.name} do")

    def plain() -> None:
        for _ in stream(samples, network.preprocess, plain_engine):
            pass

    def index() -> None:
        indexed(samples, network.preprocess, own, channels, K, Silent())

    found = [Rates(len(samples) / timed(plain), len(samples) / timed(index)) for _ in range(rounds + 1)]
    return Passed(tuple(found[1:]), sum(channels.values()), len(layers))


def timed(work: Callable[[], None]) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start


def throughput(bench: Bench) -> None:
    """All channels of all layers in one pass, by each engine."""
    count = 24 if bench.quick else 2000
    folder = bench.photographs(count, SIZE)
    cache = bench.folder / "cache-inside"
    weights = apart(random_weights, bench.folder / "alexnet.safetensors")
    for model in MODELS:
        for engine in ENGINES:
            say(f"throughput: {model}, {engine}")
            own = weights if model == "alexnet" else None
            rounds = bench.rounds or (1 if bench.quick else 3)
            found = apart(passes, model, own, engine, folder, cache, rounds)
            bench.record.write(
                Figure(
                    bench="inside_throughput",
                    what=f"{model}, {engine}: top {K} of every channel, beside plain inference",
                    unit="img_per_s",
                    values=tuple(one.peaks for one in found.rates),
                    ratios=tuple(one.peaks / one.plain for one in found.rates),
                    goal="ratio >= 0.8",
                    facts={
                        "pictures": count,
                        "channels": found.channels,
                        "layers": found.layers,
                        "plain_img_per_s": round(median(one.plain for one in found.rates), 1),
                    },
                )
            )


def peak_memory(engine: str, folder: Path, cache: Path) -> float:
    """MiB, the largest resident set of a process that makes the index of EfficientNet-Lite0."""
    import resource

    passes("efficientnet_lite0", None, engine, folder, cache, 0)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def memory(bench: Bench) -> None:
    """The same pass on so many pictures and on five times as many."""
    count = 24 if bench.quick else 400
    folders = [bench.photographs(number, SIZE) for number in (count, 5 * count)]
    cache = bench.folder / "cache-inside"
    few, many = [], []
    for _ in bench.turns("memory", 3):
        few.append(apart(peak_memory, "openvino", folders[0], cache))
        many.append(apart(peak_memory, "openvino", folders[1], cache))
    bench.record.write(
        Figure(
            bench="inside_memory",
            what=f"efficientnet_lite0, openvino: five times as many pictures, beside {count:,}",
            unit="mib",
            values=tuple(many),
            ratios=tuple(a / b for a, b in zip(few, many, strict=True)),
            goal="ratio >= 0.95",
            facts={"pictures": 5 * count},
        )
    )


def later_look(bench: Bench) -> None:
    """The same look again: the index is found, the reconstructions of one layer are made."""
    count = 24 if bench.quick else 2000
    folder = bench.photographs(count, SIZE)
    words = (
        "see",
        "patches",
        "efficientnet_lite0",
        folder,
        "--layer",
        "blocks.1.0.conv_pw",
        "--channels",
        "1",
    )
    first, later = [], []
    for _ in bench.turns("later_look", 3):
        cache = bench.fresh("cache-later")
        look = partial(bench.neocog, cache, *words, "--json")
        first.append(look().seconds)
        later.append(look().seconds)
    bench.record.write(
        Figure(
            bench="inside_later_look",
            what="neocog see patches efficientnet_lite0, one channel, whole process: index kept, beside the first look",
            unit="seconds",
            values=tuple(later),
            ratios=tuple(a / b for a, b in zip(first, later, strict=True)),
            facts={"pictures": count},
        )
    )


MEASUREMENTS: dict[str, Callable[[Bench], None]] = {
    work.__name__: work for work in (throughput, memory, later_look)
}


def main() -> None:
    given = shared_options(__doc__, MEASUREMENTS).parse_args()
    with bench_of(given, "-inside") as bench:
        for name in given.only:
            MEASUREMENTS[name](bench)


if __name__ == "__main__":
    main()
