"""Times `neocog eval` beside timm's validate.py on the same labelled pictures, and views that share their decoding.

benchmarks/README.md says what each line means. Every timed job is a fresh process, as a user starts it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from child import apart
from child import run as run_apart
from job import MODEL, Bench, bench_of, say, shared_options
from record import Figure

from neocog.weights.published import imagenet_classes

PEER = Path(__file__).parent.resolve() / "peers" / "timm_validate.py"
# a class of ImageNet's for each photograph: what the network makes of it, so that some answers are right
CLASSES = {
    "astronaut": "crash helmet",
    "brick": "stone wall",
    "chelsea": "Egyptian cat",
    "china": "palace",
    "coffee": "espresso",
    "coins": "Petri dish",
    "flower": "daisy",
    "grass": "armadillo",
    "gravel": "doormat",
    "rocket": "missile",
}
SIZES = {"small": (500, 375), "large": (2000, 1500)}
# of validate.py: as it is called, and with the flags that were fastest on two cores
PEERS = {
    "timm's validate.py, its defaults": (),
    "timm's validate.py, batch 32, 2 workers, channels last": (
        *("--batch-size", "32"),
        *("--workers", "2", "--channels-last"),
    ),
}
VIEWS = 10


@dataclass(frozen=True)
class Evaluated:
    """What one process took and found."""

    seconds: float
    loop_seconds: float
    right1: int
    right5: int
    versions: dict[str, str] | None


def labelled(bench: Bench, count: int, size: tuple[int, int]) -> Path:
    """The photographs in folders that are called like ImageNet's classes, and all classes in a file beside."""
    made = bench.photographs(count, size)
    place = made.with_name(f"{made.name}-labelled")
    for path in made.rglob("*.jpg"):
        folder = place / CLASSES[path.parent.name]
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / path.name).exists():
            os.link(path, folder / path.name)
    place.with_suffix(".txt").write_text("\n".join(apart(imagenet_classes)) + "\n", "utf-8")
    return place


def ours(bench: Bench, cache: Path, data: Path, *options: str) -> Evaluated:
    done = bench.neocog(cache, "eval", MODEL, data, "--json", "--decoding", "exact", *options)
    found = json.loads(done.out)
    right = (round(found[name] * found["n"]) for name in ("top1", "top5"))
    return Evaluated(done.seconds, done.seconds, *right, versions=None)


def theirs(bench: Bench, data: Path, options: Sequence[str]) -> Evaluated:
    command = [bench.peer_python, PEER, data, data.with_suffix(".txt"), *options]
    done = run_apart(command, bench.folder, {})
    found = json.loads(done.out.splitlines()[-1])
    return Evaluated(done.seconds, found["loop_seconds"], found["right1"], found["right5"], found["versions"])


def eval_small(bench: Bench) -> None:
    """Photographs of 500 x 375 pixels."""
    beside_timm(bench, "eval_small", 60 if bench.quick else 2000, SIZES["small"])


def eval_large(bench: Bench) -> None:
    """Photographs of 2000 x 1500 pixels."""
    beside_timm(bench, "eval_large", 12 if bench.quick else 300, SIZES["large"])


def beside_timm(bench: Bench, name: str, count: int, size: tuple[int, int]) -> None:
    """In turn, the same pictures and weights, the middle of each: seconds of the process, and how many are right."""
    if bench.peer_python is None:
        say(f"{name}: skipped, give --peer-python PATH, a Python with timm")
        return
    data, cache = labelled(bench, count, size), bench.warm()
    own: list[Evaluated] = []
    peers: dict[str, list[Evaluated]] = {peer: [] for peer in PEERS}
    for _ in bench.turns(name, 3):
        own.append(ours(bench, cache, data))
        for peer, options in PEERS.items():
            peers[peer].append(theirs(bench, data, options))
    for peer, found in peers.items():
        facts = {"pictures": count, **_counts(found)}
        facts["loop_seconds"] = round(found[-1].loop_seconds, 2)
        bench.record.write(_figure(name, f"{peer}, {_of(size)}", found, facts=facts))
    best = [min(sides, key=lambda side: side.seconds) for sides in zip(*peers.values(), strict=True)]
    facts = {"pictures": count, **_counts(own), "counts_equal": _counts(own) == _counts(best)}
    whole = tuple(b.seconds / a.seconds for a, b in zip(own, best, strict=True))
    what = f"neocog eval, {_of(size)}, beside the faster of both"
    bench.record.write(_figure(name, what, own, whole, "ratio >= 3", facts))
    loop = tuple(
        min(b.loop_seconds for b in sides) / a.seconds for a, *sides in zip(own, *peers.values(), strict=True)
    )
    what = f"neocog eval, {_of(size)}, whole process, beside timm's loop alone"
    bench.record.write(_figure(name, what, own, loop, "", facts))


def eval_views(bench: Bench) -> None:
    """Ten crops of each picture in one pass that decodes once, beside ten passes over one crop."""
    cache = bench.warm()
    if "--protocol" not in bench.neocog(cache, "eval", "--help-all").out:
        say("eval_views: skipped, this neocog eval has no --protocol")
        return
    count = 30 if bench.quick else 600
    data, one = labelled(bench, count, SIZES["small"]), labelled(bench, 1, SIZES["small"])
    seconds: dict[str, list[float]] = {"start": [], "center": [], "10-crop": []}
    for _ in bench.turns("eval_views", 3):
        seconds["start"].append(ours(bench, cache, one).seconds)
        for protocol in ("center", "10-crop"):
            seconds[protocol].append(ours(bench, cache, data, "--protocol", protocol).seconds)
    passes, shared = (
        tuple(a - b for a, b in zip(seconds[name], seconds["start"], strict=True))
        for name in ("center", "10-crop")
    )
    figure = Figure(
        bench="eval_views",
        what=f"neocog eval --protocol 10-crop, {_of(SIZES['small'])}, without the start, beside ten passes of one crop",
        unit="seconds",
        values=shared,
        ratios=tuple(VIEWS * a / b for a, b in zip(passes, shared, strict=True)),
        goal="ratio > 1",
        facts={"pictures": count, "start_seconds": round(seconds["start"][-1], 2)},
    )
    bench.record.write(figure)


MEASUREMENTS: dict[str, Callable[[Bench], None]] = {
    work.__name__: work for work in (eval_small, eval_large, eval_views)
}


def _counts(found: Sequence[Evaluated]) -> dict[str, int]:
    """Of all rounds, which have to agree: neither side draws anything."""
    (counts,) = {(one.right1, one.right5) for one in found}
    return {"right1": counts[0], "right5": counts[1]}


def _figure(
    bench: str,
    what: str,
    found: Sequence[Evaluated],
    ratios: tuple[float, ...] = (),
    goal: str = "",
    facts: dict[str, Any] | None = None,
) -> Figure:
    return Figure(
        bench=bench,
        what=f"{what}, whole process" if not ratios else what,
        unit="seconds",
        values=tuple(one.seconds for one in found),
        ratios=ratios,
        goal=goal,
        facts=facts or {},
        versions=found[-1].versions,
    )


def _of(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"


def main() -> None:
    given = shared_options(__doc__, MEASUREMENTS).parse_args()
    with bench_of(given, "-eval") as bench:
        for name in given.only:
            MEASUREMENTS[name](bench)


if __name__ == "__main__":
    main()
