"""Near duplicates that were made, found again or not; other pictures taken for copies; what a look at a picture costs.

benchmarks/README.md says what each line means. One thread.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from time import process_time

import numpy as np
from labelled import make_tiles
from numpy.typing import NDArray
from pictures import make_photographs
from PIL import Image, ImageEnhance, ImageOps
from record import RESULTS, Figure, Record, machine
from threadpoolctl import threadpool_limits

from neocog.data.checks.copies import find_copies
from neocog.data.checks.facts import FACT, Facts
from neocog.data.checks.look import look
from neocog.data.samples import Arrays, Files

Change = Callable[[Image.Image], Image.Image]
SIZES = {(500, 375): 100, (2000, 1500): 20}
MANY = 100_000  # pictures among which copies are searched


def encoded(image: Image.Image, quality: int = 95) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()


def recompressed(quality: int) -> Change:
    return lambda image: Image.open(io.BytesIO(encoded(image, quality)))


def cut(left: float, top: float, right: float, bottom: float) -> Change:
    """Without these shares of the width and of the height."""

    def change(image: Image.Image) -> Image.Image:
        w, h = image.size
        return image.crop((round(left * w), round(top * h), w - round(right * w), h - round(bottom * h)))

    return change


CHANGES: Mapping[str, Change] = {
    "half the size": lambda i: i.resize((i.width // 2, i.height // 2), Image.Resampling.LANCZOS),
    "twice the size": lambda i: i.resize((i.width * 2, i.height * 2), Image.Resampling.BICUBIC),
    "JPEG quality 80": recompressed(80),
    "JPEG quality 50": recompressed(50),
    "JPEG quality 20": recompressed(20),
    "cut by 5 % in all": cut(0.025, 0.025, 0.025, 0.025),
    "cut by 5 % at two sides": cut(0, 0, 0.05, 0.05),
    "cut by 10 % in all": cut(0.05, 0.05, 0.05, 0.05),
    "20 % brighter": lambda i: ImageEnhance.Brightness(i).enhance(1.2),
    "30 % darker": lambda i: ImageEnhance.Brightness(i).enhance(0.7),
    "30 % more contrast": lambda i: ImageEnhance.Contrast(i).enhance(1.3),
    "grey": lambda i: i.convert("L").convert("RGB"),
    "mirrored": ImageOps.mirror,
}


def groups(pictures: Sequence[Image.Image]) -> list[NDArray[np.int64]]:
    """What is joined among these pictures, as copies of any kind."""
    samples = Arrays([encoded(picture) for picture in pictures])
    found = find_copies(samples, facts(samples))
    return [*found.exact, *found.pixels, *found.near, *found.mirrored]


def facts(samples: Arrays | Files) -> Facts:
    return np.array([look(samples, i).row for i in range(len(samples))], FACT)


def quality(record: Record, name: str, pictures: Sequence[Image.Image]) -> None:
    n = len(pictures)
    wrong = sum(len(group) * (len(group) - 1) // 2 for group in groups(pictures))
    about = {"pictures": n, "pairs": n * (n - 1) // 2, "pairs_joined": wrong}
    record.write(
        Figure(
            bench="copies_wrong",
            what=name,
            unit="share",
            values=(wrong / max(1, n * (n - 1) // 2),),
            facts=about,
        )
    )
    for change, made in CHANGES.items():
        joined = groups([*pictures, *map(made, pictures)])
        pairs = {(int(i), int(j)) for group in joined for i in group for j in group}
        recall = sum((i, n + i) in pairs for i in range(n)) / n
        record.write(
            Figure(
                bench="copies_found",
                what=f"{name}, {change}",
                unit="share",
                values=(recall,),
                facts={"pictures": n},
            )
        )


def speed(record: Record, folder: Path, size: tuple[int, int], rounds: int) -> None:
    """Processor seconds a picture, beside Pillow's for decoding it in full and nothing more."""
    samples = Files(sorted(folder.rglob("*.jpg")))
    ours, plain = [], []
    for _ in range(rounds):
        start = process_time()
        facts(samples)
        middle = process_time()
        for i in range(len(samples)):
            Image.open(io.BytesIO(samples.read(i))).load()
        ours.append((middle - start) / len(samples))
        plain.append((process_time() - middle) / len(samples))
    ratios = tuple(theirs / own for theirs, own in zip(plain, ours, strict=True))
    what = f"neocog data check, {size[0]} x {size[1]}"
    record.write(Figure(bench="look", what=what, unit="seconds", values=tuple(ours), ratios=ratios))


def search(record: Record) -> None:
    """Processor seconds to find 5,000 copies among `MANY` pictures of random hashes."""
    rng, half = np.random.default_rng(0), MANY // 2
    rows = np.zeros(MANY, FACT)
    rows["readable"], rows["width"], rows["height"], rows["deviation"] = True, 200, 200, 50
    for name in ("content", "pixels", "thumb"):
        rows[name] = rng.integers(0, 256, rows[name].shape, np.uint8)
    for name in ("phash", "dhash", "phash_mirror", "dhash_mirror"):
        rows[name] = rng.integers(0, 2**64, MANY, np.uint64)
    source, copy = rng.choice(half, 5000, replace=False), half + rng.choice(half, 5000, replace=False)
    flips = np.bitwise_or.reduce(np.uint64(1) << rng.integers(0, 64, (5000, 6)).astype(np.uint64), axis=1)
    rows["phash"][copy], rows["thumb"][copy] = rows["phash"][source] ^ flips, rows["thumb"][source]
    rows["dhash"][copy] = rows["dhash"][source]
    start = process_time()
    found = find_copies(Arrays([b""] * MANY), rows)
    about = {
        "pictures": MANY,
        "copies": 5000,
        "pairs_found": len(found.near),
        "bytes_a_picture": FACT.itemsize,
    }
    record.write(
        Figure(
            bench="copies_search",
            what="neocog",
            unit="seconds",
            values=(process_time() - start,),
            facts=about,
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument(
        "--pictures", type=Path, nargs="*", default=[], help="further folders of different pictures"
    )
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    record = Record(RESULTS / f"{machine()}-data.csv")
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(threadpool_limits(1))
        for folder in (make_tiles(place / "tiles"), *given.pictures):
            paths = [path for path in sorted(folder.rglob("*.*")) if path.suffix in (".jpg", ".png")]
            quality(record, folder.name, [Image.open(path).convert("RGB") for path in paths])
        for size, count in SIZES.items():
            speed(record, make_photographs(place / f"photographs-{size[0]}", count, size), size, given.rounds)
        search(record)


if __name__ == "__main__":
    main()
