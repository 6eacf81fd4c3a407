"""What every measurement is told, and the two verbs it times."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from child import Finished, apart, run
from pictures import make_photographs
from record import Record

MODEL = "efficientnet_lite0"
NEOCOG = Path(sys.executable).with_name("neocog")


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


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
