"""The accuracy that neocog and others reach on a folder of pictures within 30 seconds, a minute, ... half an hour.

benchmarks/README.md says what each line means. Every job is a fresh process, as a user starts it; its seconds count
from its start, imports included.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from child import apart, run
from frontier import Point, best, fitting, watched
from job import Bench, bench_of, picture_options, say, shared_options
from labelled import make_emoji, make_fashion
from record import Figure

PEERS = Path(__file__).parent.resolve() / "peers"
BUDGETS = (30.0, 60.0, 300.0, 600.0, 1800.0)
SIZES = (224, 128)
OURS = "neocog train"


@dataclass(frozen=True)
class Peer:
    """Someone else's way: a script below peers/ and the Python that has what it needs."""

    name: str
    script: str
    python: Path
    by: str
    """what it is told: epochs (as many as fit into a budget), seconds (the budget), or nothing"""


@dataclass(frozen=True)
class Asked:
    """What is compared."""

    peers: Sequence[Peer]
    budgets: Sequence[float]
    sizes: Sequence[int]
    """of the pictures that peers which count epochs train on"""


@dataclass(frozen=True)
class Found:
    """What a side knew when, in one round."""

    points: list[Point]
    versions: dict[str, str] | None


def transfer_fashion(bench: Bench, asked: Asked) -> None:
    """Fashion-MNIST, 200 pictures of each class to train on and 100 to judge by."""
    if not (bench.fashion / "train-images-idx3-ubyte.gz").exists():
        say(f"transfer_fashion: skipped, no IDX files in {bench.fashion}; give --fashion FOLDER")
        return
    counts = (10, 5) if bench.quick else (200, 100)
    place = bench.folder / f"fashion-{counts[0]}"
    compare(bench, "transfer_fashion", apart(make_fashion, bench.fashion, place, *counts), asked)


def transfer_emoji(bench: Bench, asked: Asked) -> None:
    """Emoji by category, 800 to train on and 500 to judge by."""
    if bench.emoji is None or not (bench.emoji / "emoji.json").exists():
        say("transfer_emoji: skipped, give --emoji FOLDER of the package emoji-datasource-twitter")
        return
    counts = (100, 50) if bench.quick else (800, 500)
    place = bench.folder / f"emoji-{counts[0]}"
    compare(bench, "transfer_emoji", apart(make_emoji, bench.emoji, place, *counts), asked)


MEASUREMENTS: dict[str, Callable[[Bench, Asked], None]] = {
    work.__name__: work for work in (transfer_fashion, transfer_emoji)
}


def compare(bench: Bench, name: str, data: Path, asked: Asked) -> None:
    """Every side in turn, in each round with a seed of its own."""
    rounds: dict[str, list[Found]] = {OURS: []} | {peer.name: [] for peer in asked.peers}
    second: list[float] = []
    for seed in bench.turns(name, 1):
        rounds[OURS].append(ours(bench, data, asked.budgets, seed, second))
        for peer in asked.peers:
            say(f"{name}: {peer.name}")
            rounds[peer.name].append(theirs(bench, peer, data, asked, seed))
    for budget in asked.budgets:
        within(bench, name, rounds, budget)
    sooner(bench, name, rounds)
    cached = Figure(
        bench=name,
        what=f"{OURS}, features cached",
        unit="seconds",
        values=tuple(second),
        goal="< 3 seconds",
    )
    bench.record.write(cached)


def ours(bench: Bench, data: Path, budgets: Sequence[float], seed: int, second: list[float]) -> Found:
    """The default of each size with nothing cached, and what `--time` makes of each budget."""
    points = []
    for size in SIZES:
        cache = bench.fresh("cache-transfer")
        points.append(trained(bench, cache, data, seed, "--img-size", str(size)))
        if size == SIZES[0]:
            second.append(trained(bench, cache, data, seed, "--img-size", str(size)).seconds)
    for budget in budgets:
        say(f"{OURS} --time {budget:g}s")
        points.append(trained(bench, bench.fresh("cache-transfer"), data, seed, "--time", f"{budget:g}s"))
    return Found(points, None)


def trained(bench: Bench, cache: Path, data: Path, seed: int, *options: str) -> Point:
    place = bench.fresh("run")
    words = ("train", data, "--output", place, "--seed", str(seed), *options)
    done = bench.neocog(cache, *words)
    figures = json.loads((place / "run.json").read_text("utf-8"))
    return Point(done.seconds, figures["top1"], " ".join(options))


def theirs(bench: Bench, peer: Peer, data: Path, asked: Asked, seed: int) -> Found:
    """Points of all of a peer's runs: by epochs, one run of one epoch and one of as many as fit into each budget."""
    longest, points, versions = max(asked.budgets), [], {}
    settings = {"HF_HUB_CACHE": str(bench.folder / "hub"), "HF_HUB_OFFLINE": "1", "YOLO_OFFLINE": "true"}

    def tried(*options: object) -> list[Point]:
        command = [peer.python, PEERS / peer.script, data, *options]
        done = watched(command, bench.folder, settings, longest, " ".join(map(str, options)))
        points.extend(done.points)
        versions.update(done.versions)
        return list(done.points)

    for size in asked.sizes if peer.by != "seconds" else SIZES[:1]:
        if peer.by == "seconds":
            for budget in asked.budgets:
                tried("--seconds", budget, "--seed", seed)
        elif peer.by == "nothing":
            tried("--size", size)
        else:
            first = tried("--size", size, "--seed", seed, "--epochs", 1)
            for epochs in fitting(asked.budgets, *start_and_epoch(first)) if first else ():
                tried("--size", size, "--seed", seed, "--epochs", epochs)
    return Found(points, versions)


def start_and_epoch(first: Sequence[Point]) -> tuple[float, float]:
    """Seconds before the first of the epochs that are asked for, and of one, from a run that was asked for one.

    fastai's has a point before it, of the frozen epoch; of others a tenth is taken to be the start.
    """
    if len(first) > 1:
        return first[0].seconds, first[1].seconds - first[0].seconds
    return 0.1 * first[0].seconds, 0.9 * first[0].seconds


def within(bench: Bench, name: str, rounds: dict[str, list[Found]], budget: float) -> None:
    """A line per side: its best accuracy within the budget, of those that had any in every round."""
    sides = {side: [best(one.points, budget) for one in found] for side, found in rounds.items()}
    complete = {
        side: [point for point in points if point] for side, points in sides.items() if all(points) and points
    }
    others = {side: points for side, points in complete.items() if side != OURS}
    for side, points in complete.items():
        facts: dict[str, object] = {"seconds": round(points[-1].seconds, 1), "how": points[-1].what}
        if side == OURS and others:
            facts["best_peer"] = max(others, key=lambda other: max(p.accuracy for p in others[other]))
        figure = Figure(
            bench=name,
            what=f"{side}, within {budget:g} s",
            unit="accuracy",
            values=tuple(point.accuracy for point in points),
            goal="at least every peer's" if side == OURS else "",
            facts=facts,
            versions=rounds[side][-1].versions,
        )
        bench.record.write(figure)


def sooner(bench: Bench, name: str, rounds: dict[str, list[Found]]) -> None:
    """neocog's seconds to each peer's first accuracy, beside the peer's own."""
    for side, found in rounds.items():
        firsts = [one.points[0] for one in found if one.points]
        if side == OURS or len(firsts) < len(found):
            continue
        reached = [reaching(one.points, first) for one, first in zip(rounds[OURS], firsts, strict=True)]
        got = [(a, b) for a, b in zip(reached, firsts, strict=True) if a]
        if len(got) < len(firsts):
            say(f"{name}: neocog did not reach the first accuracy of {side} in every round")
            continue
        figure = Figure(
            bench=name,
            what=f"{OURS}, to the first accuracy of {side}",
            unit="seconds",
            values=tuple(a.seconds for a, _ in got),
            ratios=tuple(b.seconds / a.seconds for a, b in got),
            goal="ratio >= 8",
            facts={
                "accuracy": got[-1][0].accuracy,
                "peer": got[-1][1].accuracy,
                "how": got[-1][0].what,
                "peer_how": got[-1][1].what,
            },
        )
        bench.record.write(figure)


def reaching(points: Sequence[Point], wanted: Point) -> Point | None:
    """The first that is as accurate."""
    enough = [point for point in points if point.accuracy >= wanted.accuracy]
    return min(enough, key=lambda point: point.seconds, default=None)


def present(given: argparse.Namespace) -> list[Peer]:
    """The peers whose Python was given."""
    listed = (
        ("fastai fine_tune", "frontier_fastai.py", given.fastai_python, "epochs"),
        ("timm, by the calls of train.py", "frontier_timm.py", given.peer_python, "epochs"),
        ("ultralytics classify, from scratch", "frontier_ultralytics.py", given.ultralytics_python, "epochs"),
        ("AutoGluon with time_limit", "frontier_autogluon.py", given.autogluon_python, "seconds"),
        ("eager features and scikit-learn", "eager_features.py", given.peer_python, "nothing"),
    )
    return [Peer(name, script, python.absolute(), by) for name, script, python, by in listed if python]


def main() -> None:
    given = arguments()
    with bench_of(given, "-transfer") as bench:
        peers = present(given)
        if bench.peer_python:
            run([bench.peer_python, PEERS / "hub_cache.py", bench.folder / "hub"], bench.folder, {})
        elif peers:
            sys.exit("the peers' weights are laid down by the Python with timm: give --peer-python PATH")
        for name in given.only:
            MEASUREMENTS[name](bench, Asked(peers, given.budgets, given.sizes))


def arguments() -> argparse.Namespace:
    parser = shared_options(__doc__, MEASUREMENTS)
    picture_options(parser)
    add = parser.add_argument
    add(
        "--budgets",
        type=seconds,
        help="in seconds, as 30,60; else 30 to 1800, one if --quick",
        metavar="LIST",
    )
    add(
        "--sizes",
        type=pixels,
        default=SIZES,
        help="that peers train at, as 128; else 224,128",
        metavar="LIST",
    )
    for name in ("fastai", "ultralytics", "autogluon"):
        add(f"--{name}-python", type=Path, help=f"a Python with {name}")
    given = parser.parse_args()
    given.budgets = given.budgets or ((60.0,) if given.quick else BUDGETS)
    return given


def pixels(text: str) -> tuple[int, ...]:
    """Numbers between commas."""
    return tuple(int(part) for part in text.split(","))


def seconds(text: str) -> tuple[float, ...]:
    """Numbers between commas."""
    return tuple(float(part) for part in text.split(","))


if __name__ == "__main__":
    main()
