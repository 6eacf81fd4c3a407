"""What every measurement is told, and the two verbs it times."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from child import Finished, apart, run
from pictures import make_photographs
from record import RESULTS, Record, machine

MODEL = "efficientnet_lite0"
NEOCOG = Path(sys.executable).with_name("neocog")
FASHION = Path("/usr/share/datasets/fashion-mnist")


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Where a measurement works, how often, on what and beside whom."""

    folder: Path
    record: Record
    quick: bool
    rounds: int
    """0 leaves the number to each measurement"""
    fashion: Path
    emoji: Path | None
    peer_python: Path | None

    def turns(self, name: str, wanted: int) -> Iterator[int]:
        total = self.rounds or (1 if self.quick else wanted)
        for turn in range(total):
            say(f"{name}: round {turn + 1} of {total}")
            yield turn

    def photographs(self, count: int, size: tuple[int, int]) -> Path:
        place = self.folder / f"photographs-{size[0]}x{size[1]}-{count}"
        return apart(make_photographs, place, count, size)

    def fresh(self, name: str) -> Path:
        """An empty folder."""
        place = self.folder / name
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        return place

    def warm(self) -> Path:
        """A cache folder that holds the weights and the compiled engine, and no features."""
        (picture,) = self.photographs(1, (500, 375)).rglob("*.jpg")
        self.neocog(self.folder / "cache-warm", "predict", MODEL, picture)
        return self.folder / "cache-warm"

    def neocog(self, cache: Path, *arguments: str | Path) -> Finished:
        return run([NEOCOG, *arguments], self.folder, {"NEOCOG_CACHE": str(cache)})

    def train(self, cache: Path, data: Path, seed: int = 0) -> tuple[Finished, dict[str, float]]:
        """`neocog train`, its accuracy, and the seconds of its steps."""
        place = self.fresh("run")
        done = self.neocog(cache, "train", data, "--output", place, "--seed", str(seed))
        figures = json.loads((place / "run.json").read_text("utf-8"))
        if not all((place / name).exists() for name in ("model.json", "report.html")):
            sys.exit(f"neocog train left no bundle with its report in {place}")
        return done, {"top1": figures["top1"], **figures["seconds"]}


def shared_options(words: str | None, measurements: Iterable[str]) -> argparse.ArgumentParser:
    """A parser with the options that `bench_of` reads; `picture_options` adds those of labelled pictures."""
    parser = argparse.ArgumentParser(description=words.partition("\n")[0] if words else None)
    add, names = parser.add_argument, list(measurements)
    add("--only", nargs="+", choices=names, default=names, metavar="NAME")
    add("--quick", action="store_true", help="a few pictures, one round, not kept in results/")
    add("--rounds", type=int, default=0, help="instead of each measurement's own number")
    add("--folder", type=Path, help="where pictures are made and kept; else a temporary one")
    add("--peer-python", type=Path, help="a Python with timm, torchvision and the weights' package")
    parser.set_defaults(fashion=FASHION, emoji=None)
    return parser


def picture_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--fashion", type=Path, default=FASHION, help="its four IDX files")
    parser.add_argument("--emoji", type=Path, help="the unpacked npm package emoji-datasource-twitter")


@contextmanager
def bench_of(given: argparse.Namespace, subject: str = "") -> Iterator[Bench]:
    """As the options say. Figures go to results/<machine><subject>.csv, those of a quick run to the folder.

    Each side chooses its threads as it does for its users, except in a quick run.
    """
    for name in [name for name in os.environ if name.endswith("_NUM_THREADS") and not given.quick]:
        del os.environ[name]
    with tempfile.TemporaryDirectory() as temporary:
        folder = (given.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        yield Bench(
            folder=folder,
            record=Record((folder if given.quick else RESULTS) / f"{machine()}{subject}.csv"),
            quick=given.quick,
            rounds=given.rounds,
            fashion=given.fashion.resolve(),
            emoji=given.emoji.resolve() if given.emoji else None,
            peer_python=given.peer_python.absolute() if given.peer_python else None,
        )


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
