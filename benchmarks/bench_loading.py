"""Batches from files: threads and processes of neocog beside torch's DataLoader, and the memory that an epoch takes.

Each measurement is a process of its own. The DataLoader reads as ImageFolder does: Pillow opens, resizes to 256 and
cuts 224 out of the middle; its samples are a list of pairs. Memory is what the program and its workers hold apart
from mapped files, which other programs share: Linux's proportional set size, anonymous and shared memory.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from child import run
from pictures import make_photographs
from PIL import Image
from record import RESULTS, Figure, Record, machine

ROOT = Path(__file__).parents[1]
PHOTOGRAPHS = {"500 x 375": ((500, 375), 240), "2000 x 1500": ((2000, 1500), 48)}
"""width and height, and how many"""
SPEED = (
    "DataLoader, 2 workers",
    "DataLoader, in place",
    "neocog, 2 threads, exact",
    "neocog, 2 threads",
    "neocog, 2 processes",
    "neocog, in place",
)
MEMORY = ("DataLoader, 4 workers", "neocog, 4 threads", "neocog, 4 processes")
FILES = 100_000
GOAL = "<= 1.05 x what it held with the first batch"


class Folder:
    """What ImageFolder is: a list of paths and labels, decoded by Pillow."""

    def __init__(self, paths: Sequence[str], size: int):
        self.samples, self.size = [(path, i % 10) for i, path in enumerate(paths)], size

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        import torch

        path, label = self.samples[index]
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        scale = self.size * 256 // 224 / min(image.size)
        image = image.resize([round(side * scale) for side in image.size], Image.Resampling.BILINEAR)  # type: ignore[arg-type]
        left, top = ((side - self.size) // 2 for side in image.size)
        cut = image.crop((left, top, left + self.size, top + self.size))
        return torch.from_numpy(np.array(cut)), label


def batches(side: str, paths: Sequence[str], size: int) -> tuple[Iterable[Any], int]:
    """What is iterated over for an epoch, and the number of its batches."""
    count = next((int(word) for word in side.replace(",", "").split() if word.isdigit()), 0)
    if side.startswith("DataLoader"):
        from torch.utils.data import DataLoader

        more = {"persistent_workers": True} if count else {}
        loader = DataLoader(Folder(paths, size), 32, shuffle=True, num_workers=count, **more)  # type: ignore[arg-type,var-annotated]
        return loader, len(loader)
    from neocog.data.loading.loader import Loader
    from neocog.data.loading.order import Order
    from neocog.data.loading.pictures import Decoded, Labelled
    from neocog.data.loading.workers import Workers
    from neocog.data.preprocess import Preprocess
    from neocog.data.samples import Files

    preprocess = Preprocess(
        size=(size, size),
        crop_pct=0.875,
        interpolation="bilinear",
        decoding="exact" if "exact" in side else "fast",
    )
    part = Labelled(Decoded(Files(paths), preprocess), np.arange(len(paths)) % 10)
    workers = Workers(count, "processes" if "processes" in side else "threads")
    ours = Loader(part, Order(size=len(paths), batch_size=32), workers)
    return ours, len(ours)


def held() -> float:
    """MiB of this program and its workers; what these share counts once."""
    pids = [os.getpid(), *(child.pid for child in multiprocessing.active_children())]
    lines = [line for pid in pids for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith(("Pss_Anon:", "Pss_Shmem:"))) / 1024


def measure(side: str, folder: Path, size: int) -> dict[str, float]:
    """Two epochs: seconds to the first batch, pictures a second in the second; MiB with that batch and after each."""
    paths = sorted(str(path) for path in folder.rglob("*.jpg"))
    start = perf_counter()
    loader, count = batches(side, paths, size)
    iterator = iter(loader)
    next(iterator)
    first = perf_counter() - start
    memory = [held()]
    for _ in iterator:
        pass
    memory.append(held())
    begun = perf_counter()
    assert sum(1 for _ in loader) == count
    seconds = perf_counter() - begun
    return {
        "first_batch_seconds": first,
        "img_per_s": len(paths) / seconds,
        "mib_at_start": memory[0],
        "mib_after_one": memory[1],
        "mib_after_two": held(),
        "workers": len(multiprocessing.active_children()),
    }


def measured(side: str, folder: Path, size: int) -> dict[str, float]:
    settings = {"PYTHONPATH": str(ROOT / "src"), "PYTHONWARNINGS": "ignore"}
    arguments = [sys.executable, __file__, "--measure", side, str(folder), str(size)]
    figures: dict[str, float] = json.loads(run(arguments, folder, settings).out.splitlines()[-1])
    return figures


def small_files(folder: Path, count: int) -> Path:
    """`count` files of 32 x 32 pixels; links to some hundreds, since it is their number that matters."""
    rng = np.random.default_rng(0)
    kinds = min(500, count)
    for i in range(count):
        place = folder / f"class{i % 10}" / f"{i:06d}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        if i < kinds:
            Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(place)
        else:
            os.link(folder / f"class{i % kinds % 10}" / f"{i % kinds:06d}.jpg", place)
    return folder


def speed(folder: Path, rounds: int, record: Record, quick: bool) -> None:
    for what, (size, count) in PHOTOGRAPHS.items():
        count = count // 4 if quick else count
        place = make_photographs(folder / f"{what.replace(' ', '')}-{count}", count, size)
        rows: dict[str, list[dict[str, float]]] = {side: [] for side in SPEED}
        for _ in range(rounds):
            for side in SPEED:
                rows[side].append(measured(side, place, 224))
        peer = rows[SPEED[0]]
        for side, seen in rows.items():
            values = tuple(row["img_per_s"] for row in seen)
            ratios = tuple(row["img_per_s"] / own["img_per_s"] for row, own in zip(seen, peer, strict=True))
            first = f"{median(row['first_batch_seconds'] for row in seen):.2f}"
            record.write(
                Figure(
                    bench="loading",
                    what=f"{side}, {what}",
                    unit="img_per_s",
                    values=values,
                    ratios=() if side == SPEED[0] else ratios,
                    facts={"pictures": count, "first_batch_seconds": first},
                )
            )


def memory(folder: Path, count: int, record: Record) -> None:
    place = small_files(folder / "small", count)
    for side in MEMORY:
        row = measured(side, place, 32)
        kept = ("mib_at_start", "mib_after_one")
        facts: dict[str, object] = {"files": count, **{key: f"{row[key]:.1f}" for key in kept}}
        record.write(
            Figure(
                bench="loading",
                what=f"memory after two epochs, {side}",
                unit="mib",
                values=(row["mib_after_two"],),
                goal=GOAL if side.startswith("neocog") else "",
                facts={**facts, "processes": row["workers"]},
            )
        )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the pictures are kept between runs")
    parser.add_argument("--only", nargs="+", choices=("speed", "memory"), default=("speed", "memory"))
    parser.add_argument("--quick", action="store_true", help="few pictures, one round, not kept in results/")
    parser.add_argument("--measure", nargs=3, metavar=("SIDE", "FOLDER", "SIZE"), help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.measure:
        side, folder, size = given.measure
        sys.stdout.write(json.dumps(measure(side, Path(folder), int(size))) + "\n")
        return
    with tempfile.TemporaryDirectory() as temporary:
        record = Record((Path(temporary) if given.quick else RESULTS) / f"{machine()}-loading.csv")
        if "speed" in given.only:
            speed(given.folder or Path(temporary), 1 if given.quick else given.rounds, record, given.quick)
        if "memory" in given.only:
            memory(Path(temporary), 1000 if given.quick else FILES, record)


if __name__ == "__main__":
    main()
