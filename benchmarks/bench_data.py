"""From a JPEG file to a network's pixels: neocog's exact and fast decoding beside Pillow, torchvision and OpenCV.

benchmarks/README.md says what each line means. One thread on every side.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
from labelled import make_tiles
from numpy.typing import NDArray
from pictures import make_photographs
from PIL import Image
from record import RESULTS, Figure, Record, machine
from threadpoolctl import threadpool_limits

from neocog.data.preprocess import Preprocess

PEERS = Path(__file__).parent / "peers"
SIZES = {(500, 375): 100, (2000, 1500): 20}
SETTINGS = Preprocess(size=(224, 224), crop_pct=0.875)
PLAIN = "Pillow, as ImageFolder uses it"
GOALS = {"exact": "ratio >= 1.8", "fast, 2000 x 1500": "ratio >= 4", "fast, 500 x 375": "ratio >= 1.7"}
Pixels = NDArray[np.uint8]
Way = Callable[[Path], Any]


@dataclass(frozen=True)
class Pass:
    """All pictures of a folder once."""

    wall: float
    """seconds of the clock"""
    processor: float
    """seconds of processor time"""


def pillow(interpolation: str) -> Way:
    """What torchvision's ImageFolder, Resize(256) and CenterCrop(224) do, without torchvision's own overhead."""
    method = Image.Resampling[interpolation.upper()]

    def way(path: Path) -> Pixels:
        with path.open("rb") as file:
            image = Image.open(file).convert("RGB")
        width, height = image.size
        wide, high = (256, int(256 * height / width)) if width <= height else (int(256 * width / height), 256)
        left, top = round((wide - 224) / 2), round((high - 224) / 2)
        return np.asarray(image.resize((wide, high), method).crop((left, top, left + 224, top + 224)))

    return way


def neocog(interpolation: str, decoding: str) -> Way:
    make = replace(SETTINGS, interpolation=interpolation, decoding=decoding)  # type: ignore[arg-type]
    return lambda path: make(path.read_bytes())


class Peers:
    """The other libraries in a process of their own; without a Python for it there are none."""

    def __init__(self, python: Path | None):
        self.versions: dict[str, str] = {}
        self._process = None
        if python:
            command = [str(python), str(PEERS / "decoders.py")]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            self.versions = self._answer()

    def ways(self, size: tuple[int, int]) -> dict[str, str]:
        """What is measured, and its name over there."""
        if not self._process:
            return {}
        ways = {
            "torchvision.datasets.ImageFolder's Pillow and transforms": "image_folder",
            "torchvision.io.decode_jpeg and transforms.v2 on bytes": "torchvision_io",
            "OpenCV, imread and INTER_AREA": "opencv",
        }
        if min(size) >= 4 * 256:
            ways["OpenCV, imread at a quarter and INTER_AREA"] = "opencv_quarter"
        return ways

    def run(self, way: str, interpolation: str, folder: Path, target: Path | None = None) -> Pass:
        assert self._process and self._process.stdin
        self._process.stdin.write(
            json.dumps([way, interpolation, str(folder), target and str(target)]) + "\n"
        )
        self._process.stdin.flush()
        return Pass(**self._answer())

    def close(self) -> None:
        if self._process and self._process.stdin:
            self._process.stdin.close()
            self._process.wait()

    def _answer(self) -> Any:
        assert self._process and self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            sys.exit("the peers' process ended; its error is above")
        return json.loads(line)


def once(way: Way, folder: Path) -> Pass:
    wall, processor = perf_counter(), process_time()
    for path in sorted(folder.rglob("*.jpg")):
        way(path)
    return Pass(perf_counter() - wall, process_time() - processor)


def speed(record: Record, peers: Peers, size: tuple[int, int], folder: Path, rounds: int) -> None:
    """Every way on the same files in turn, for both interpolations."""
    paths = sorted(folder.rglob("*.jpg"))
    for interpolation in ("bilinear", "bicubic"):
        own = {
            PLAIN: pillow(interpolation),
            "neocog, exact": neocog(interpolation, "exact"),
            "neocog, fast": neocog(interpolation, "fast"),
        }
        others = peers.ways(size)
        passes: dict[str, list[Pass]] = {name: [] for name in (*own, *others)}
        plain = np.stack([own[PLAIN](path) for path in paths])
        pixels = {name: np.stack([way(path) for path in paths]) for name, way in own.items()}
        for name, way in others.items():
            target = folder.parent / "pixels.npy"
            peers.run(way, interpolation, folder, target)
            pixels[name] = np.load(target)
        for turn in range(rounds):
            for name in sorted(passes, reverse=bool(turn % 2)):
                ran = (
                    once(own[name], folder) if name in own else peers.run(others[name], interpolation, folder)
                )
                passes[name].append(ran)
        for name, done in passes.items():
            figure = line(name, interpolation, size, done, passes[PLAIN], len(paths))
            facts = {**figure.facts, **difference(pixels[name], plain)}
            record.write(replace(figure, facts=facts, versions=peers.versions if name in others else None))


def line(
    name: str, interpolation: str, size: tuple[int, int], done: list[Pass], plain: list[Pass], count: int
) -> Figure:
    shown = f"{size[0]} x {size[1]}"
    goals = {f"neocog, {way}": goal for way, goal in GOALS.items()}
    return Figure(
        bench="decode",
        what=f"{name}, {interpolation}, {shown}",
        unit="seconds",  # of processor time, per picture
        values=tuple(one.processor / count for one in done),
        ratios=tuple(theirs.processor / one.processor for theirs, one in zip(plain, done, strict=True)),
        goal=goals.get(name, goals.get(f"{name}, {shown}", "")),
        facts={
            "wall_seconds": f"{np.median([one.wall for one in done]) / count:.4g}",
            "wall_ratio": f"{np.median([a.wall / b.wall for a, b in zip(plain, done, strict=True)]):.3f}",
            "pictures": count,
        },
    )


def difference(pixels: Pixels, plain: Pixels) -> Mapping[str, object]:
    """Grey levels between these pixels and Pillow's."""
    off = np.abs(pixels.astype(int) - plain)
    return {"levels_off_mean": f"{off.mean():.4f}", "levels_off_max": int(off.max())}


def accuracy(record: Record, folder: Path) -> None:
    """A probe on tiles of photographs at their own resolution, judged with both kinds of decoding."""
    import neocog as api

    data = make_tiles(folder / "tiles")
    for trained in ("exact", "fast"):
        run = api.train(
            data, "efficientnet_lite0", img_size=32, decoding=trained, output=folder / f"run-{trained}"
        )
        classifier = run.load()
        network = classifier.loaded.network
        scored = {}
        for judged in ("exact", "fast"):
            changed = replace(network, preprocess=replace(network.preprocess, decoding=judged))
            with_it = replace(classifier, loaded=replace(classifier.loaded, network=changed))
            scored[judged] = with_it.evaluate(data, "val")
        classes = {judged: one.probabilities.argmax(axis=1) for judged, one in scored.items()}
        other = int((classes["exact"] != classes["fast"]).sum())
        for judged, one in scored.items():
            record.write(
                Figure(
                    bench="decode_accuracy",
                    what=f"tiles of photographs, trained {trained}, judged {judged}",
                    unit="accuracy",
                    values=(one.top1,),
                    facts={"pictures": one.scores.n, "other_predictions": other},
                )
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--peer-python", type=Path, help="a Python with torchvision and OpenCV")
    parser.add_argument("--only", nargs="+", choices=("speed", "accuracy"), default=["speed", "accuracy"])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--folder", type=Path, help="where pictures are made and kept; else a temporary one")
    given = parser.parse_args()
    record = Record(RESULTS / f"{machine()}-data.csv")
    with ExitStack() as stack:
        place = given.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(threadpool_limits(1))
        peers = Peers(given.peer_python if "speed" in given.only else None)
        stack.callback(peers.close)
        for size, folder in photographs(place) if "speed" in given.only else ():
            speed(record, peers, size, folder, given.rounds)
        if "accuracy" in given.only:
            accuracy(record, place)


def photographs(place: Path) -> Iterator[tuple[tuple[int, int], Path]]:
    for size, count in SIZES.items():
        yield size, make_photographs(place / f"photographs-{size[0]}", count, size)


if __name__ == "__main__":
    main()
