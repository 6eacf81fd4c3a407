"""Times the two jobs that neocog is for, training on a folder and predicting a folder, beside what people use.

benchmarks/README.md says what each line means. Every timed job is a fresh process, as a user starts it.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from child import apart, run
from engine_rounds import PLAIN, engine_rates
from job import MODEL, Bench, bench_of, picture_options, say, shared_options
from labelled import make_emoji, make_fashion, make_more
from record import Figure

PEERS = Path(__file__).parent.resolve() / "peers"
SMALL, LARGE = (500, 375), (2000, 1500)
OURS, THEIRS = "neocog train, nothing cached", "timm fine-tuning, one epoch, and validation"


class Learned(NamedTuple):
    """What training in one round took and gave."""

    seconds: float
    accuracy: float
    versions: dict[str, str]
    facts: dict[str, object]


def train_2000(bench: Bench) -> None:
    """2,000 photographs to a bundle and its report: nothing cached, features not cached, all cached."""
    data = bench.photographs(60 if bench.quick else 2000, SMALL)
    sides = ("nothing cached", "engine compiled, features not cached", "features cached")
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    steps: dict[str, dict[str, float]] = {}
    for _ in bench.turns("train_2000", 3):
        cache = bench.fresh("cache-train")
        for side in sides:
            if side == sides[1]:
                shutil.rmtree(cache / "features")
            done, figures = bench.train(cache, data)
            seconds[side].append(done.seconds)
            steps[side] = {f"{name}_seconds": s for name, s in figures.items() if name != "top1"}
    for side in sides:
        figure = Figure(
            bench="train_2000",
            what=f"neocog train, {side}",
            unit="seconds",
            values=tuple(seconds[side]),
            ratios=over(seconds[sides[0]], seconds[side]),
            goal="< 3 seconds" if side == sides[2] else "",
            facts=steps[side],
        )
        bench.record.write(figure)


def predict_small(bench: Bench) -> None:
    """2,000 photographs of 500 x 375 pixels."""
    predict_folder(bench, "predict_small", 60 if bench.quick else 2000, SMALL)


def predict_large(bench: Bench) -> None:
    """300 photographs of 2000 x 1500 pixels."""
    predict_folder(bench, "predict_large", 12 if bench.quick else 300, LARGE)


def predict_folder(bench: Bench, name: str, count: int, size: tuple[int, int]) -> None:
    """A folder to ImageNet classes in a CSV file, by neocog and by a plain DataLoader with eager torch."""
    data, cache, table = bench.photographs(count, size), bench.warm(), bench.folder / "plain.csv"
    ours, plain, agreed = [], [], []
    for _ in bench.turns(name, 3 if size == SMALL else 5):
        done = bench.neocog(cache, "predict", MODEL, data, "--csv")
        peer = [sys.executable, PEERS / "plain_loader.py", data, table]
        other = run(peer, bench.folder, {"NEOCOG_CACHE": str(cache)})
        ours.append(count / done.seconds)
        plain.append(count / other.seconds)
        agreed.append(agreement(done.out, table.read_text("utf-8")))
    for what, rates in (("neocog predict", ours), ("plain DataLoader and eager torch", plain)):
        figure = Figure(
            bench=name,
            what=f"{what}, {size[0]} x {size[1]}, whole process",
            unit="img_per_s",
            values=tuple(rates),
            ratios=over(ours, plain) if rates is ours else (),
            goal="ratio >= 6" if rates is ours else "",
            facts={"pictures": count},
        )
        bench.record.write(figure)
    for what in agreed[0]:
        answers = [one[what] for one in agreed]
        figure = Figure(
            bench=name,
            what=f"same class as the plain way, {what}",
            unit="share",
            values=tuple(sum(same) / max(1, len(same)) for same in answers),
            facts={"pictures": len(answers[-1])},
        )
        bench.record.write(figure)


def agreement(ours: str, theirs: str) -> dict[str, list[bool]]:
    """Per picture, whether both tables give it one class; of all, and of those the plain way finds likely."""
    labels = {row["path"]: row["label1"] for row in csv.DictReader(io.StringIO(ours))}
    rows = {row["path"]: row for row in csv.DictReader(io.StringIO(theirs))}
    if labels.keys() != rows.keys():
        sys.exit(f"both sides must predict the same pictures, got {len(labels)} and {len(rows)}")
    same = {path: labels[path] == row["label"] for path, row in rows.items()}
    sure = [same[path] for path, row in rows.items() if float(row["probability"]) >= 0.5]
    return {"all": list(same.values()), "those it is sure of": sure}


def memory(bench: Bench) -> None:
    """Peak resident memory on 2,000 photographs and on five times as many."""
    few = bench.photographs(60 if bench.quick else 2000, SMALL)
    many = apart(make_more, few, bench.folder / f"{few.name}-times-5", 5)
    peaks: dict[tuple[str, Path], list[float]] = {
        (verb, data): [] for verb in ("predict", "train") for data in (few, many)
    }
    for _ in bench.turns("memory", 3):
        for verb, data in peaks:
            cache = bench.warm()
            if verb == "predict":
                done = bench.neocog(cache, "predict", MODEL, data, "--csv")
            else:
                shutil.rmtree(cache / "features", ignore_errors=True)
                done, _ = bench.train(cache, data)
            peaks[verb, data].append(done.peak_mib)
    for (verb, data), values in peaks.items():
        count = sum(1 for _ in data.rglob("*.jpg"))
        figure = Figure(
            bench="memory",
            what=f"neocog {verb}, {count:,} pictures, engine compiled",
            unit="mib",
            values=tuple(values),
            ratios=over(peaks[verb, few], values),
            facts={"pictures": count},
        )
        bench.record.write(figure)


def accuracy_fashion(bench: Bench) -> None:
    """Fashion-MNIST, 200 pictures of each class to train on and 100 to judge by."""
    if not (bench.fashion / "train-images-idx3-ubyte.gz").exists():
        say(f"accuracy_fashion: skipped, no IDX files in {bench.fashion}; give --fashion FOLDER")
        return
    counts = (10, 5) if bench.quick else (200, 100)
    place = bench.folder / f"fashion-{counts[0]}"
    accuracy(bench, "accuracy_fashion", apart(make_fashion, bench.fashion, place, *counts))


def accuracy_emoji(bench: Bench) -> None:
    """Emoji by category, 800 to train on and 500 to judge by."""
    if bench.emoji is None or not (bench.emoji / "emoji.json").exists():
        say("accuracy_emoji: skipped, give --emoji FOLDER of the package emoji-datasource-twitter")
        return
    counts = (100, 50) if bench.quick else (800, 500)
    place = bench.folder / f"emoji-{counts[0]}"
    accuracy(bench, "accuracy_emoji", apart(make_emoji, bench.emoji, place, *counts))


def accuracy(bench: Bench, name: str, data: Path) -> None:
    """`neocog train` with nothing cached beside one epoch of fine-tuning in timm's way."""
    sides: dict[str, list[Learned]] = {OURS: [], THEIRS: []}
    if bench.peer_python is None:
        say(f"{name}: without fine-tuning beside it, give --peer-python PATH")
    for seed in bench.turns(name, 3):
        done, figures = bench.train(bench.fresh("cache-train"), data, seed)
        sides[OURS].append(Learned(done.seconds, figures["top1"], {}, {}))
        if bench.peer_python:
            command = [bench.peer_python, PEERS / "finetune_timm.py", data, "--seed", str(seed)]
            done = run(command, bench.folder, {})
            said = json.loads(done.out.splitlines()[-1])
            sides[THEIRS].append(Learned(done.seconds, said.pop("accuracy"), said.pop("versions"), said))
    theirs = [one.seconds for one in sides[THEIRS]]
    for what, rounds in sides.items():
        if rounds:
            seconds = [one.seconds for one in rounds]
            ratios = over(theirs, seconds) if theirs and what == OURS else ()
            write_learned(bench, name, what, rounds, ratios)


def write_learned(
    bench: Bench, name: str, what: str, rounds: Sequence[Learned], ratios: tuple[float, ...]
) -> None:
    """The lines of one side: seconds, beside the other's, and accuracy."""
    about: dict[str, Any] = {"versions": rounds[-1].versions, "facts": rounds[-1].facts}
    seconds, shares = (tuple(one.seconds for one in rounds), tuple(one.accuracy for one in rounds))
    goals = ("ratio >= 8", "at least the peer's") if what == OURS else ("", "")
    times = Figure(
        bench=name, what=what, unit="seconds", values=seconds, ratios=ratios, goal=goals[0], **about
    )
    bench.record.write(times)
    bench.record.write(Figure(bench=name, what=what, unit="accuracy", values=shares, goal=goals[1], **about))


def predict_one(bench: Bench) -> None:
    """One photograph, everything cached; and whether torch was imported on the way."""
    cache = bench.warm()
    (picture,) = bench.photographs(1, SMALL).rglob("*.jpg")
    seconds = [bench.neocog(cache, "predict", MODEL, picture).seconds for _ in bench.turns("predict_one", 7)]
    command = [sys.executable, "-X", "importtime", "-m", "neocog", "predict", MODEL, picture]
    imports = run(command, bench.folder, {"NEOCOG_CACHE": str(cache)}).err
    figure = Figure(
        bench="predict_one",
        what="neocog predict, one photograph, everything cached",
        unit="seconds",
        values=tuple(seconds),
        goal="<= 1.2 seconds",
        facts={"torch_imported": bool(re.search(r"\|\s+torch$", imports, re.MULTILINE))},
    )
    bench.record.write(figure)


def engines(bench: Bench) -> None:
    """The engines and plain torch on pixels in memory, batch 32, in one process."""
    rounds, seconds = (1, 0.5) if bench.quick else (bench.rounds or 5, 3.0)
    say(f"engines: {rounds} rounds")
    rates = apart(engine_rates, MODEL, bench.warm(), rounds, seconds)
    for name, values in rates.items():
        ratios = over(values, rates[PLAIN])
        figure = Figure(bench="engines", what=name, unit="img_per_s", values=tuple(values), ratios=ratios)
        bench.record.write(figure)


MEASUREMENTS: dict[str, Callable[[Bench], None]] = {
    work.__name__: work
    for work in (
        *(train_2000, predict_small, predict_large, memory),
        *(accuracy_fashion, accuracy_emoji, predict_one, engines),
    )
}


def over(upper: Sequence[float], lower: Sequence[float]) -> tuple[float, ...]:
    """The ratio of each round."""
    return tuple(a / b for a, b in zip(upper, lower, strict=True))


def main() -> None:
    given = arguments()
    with bench_of(given) as bench:
        for name in given.only:
            MEASUREMENTS[name](bench)


def arguments() -> argparse.Namespace:
    parser = shared_options(__doc__, MEASUREMENTS)
    picture_options(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
