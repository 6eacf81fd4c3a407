"""What pictures are like: their sizes, formats and bytes, and mean and standard deviation of their pixels."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import exp, isqrt, log

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from neocog import runtime
from neocog.data.decode import FORMATS, decode
from neocog.data.preprocess import Preprocess
from neocog.data.samples import Picture, Samples
from neocog.errors import Unreadable
from neocog.progress import Progress, Silent

Indices = NDArray[np.int64]
LEVELS = 256
DIGITS = 10**18  # of a square root taken in whole numbers
AHEAD = 64  # pictures per thread that may wait for their turn


@dataclass(frozen=True)
class One:
    """A picture's measures."""

    size: tuple[int, int]
    """width and height in pixels, upright"""
    bytes: int
    """of its file; of its numbers where it is an array"""
    format: str
    grey: bool
    histogram: NDArray[np.int64]
    """(3, 256), pixels of each level in red, green and blue"""


@dataclass(frozen=True)
class Measured:
    """Measures of many pictures, in the order of `indices`."""

    indices: Indices
    sizes: NDArray[np.int64]
    """(n, 2), width and height in pixels, upright"""
    bytes: NDArray[np.int64]
    formats: Counter[str]
    grey: int
    """how many have no colour by their mode"""
    histogram: NDArray[np.int64]
    """(3, 256), pixels of each level in red, green and blue, over all pictures"""
    skipped: tuple[tuple[int, str], ...]
    """(index, reason)"""

    @property
    def pixels(self) -> int:
        return int(self.histogram[0].sum())

    def mean(self) -> tuple[float, ...]:
        """Of red, green and blue over all pixels, in units of 0..1."""
        return tuple(_moments(row)[0] for row in self.histogram)

    def std(self) -> tuple[float, ...]:
        """Of red, green and blue over all pixels (divided by their number), in units of 0..1."""
        return tuple(_moments(row)[1] for row in self.histogram)


def measure(
    samples: Samples, indices: Indices, preprocess: Preprocess | None = None, progress: Progress | None = None
) -> Measured:
    """The pictures at `indices`, decoded whole; the pixels are those of `preprocess` where it is given.

    Pixels are counted by level, in whole numbers: neither order nor threads nor rounding play a part.
    """
    found: list[One] = []
    read: list[int] = []
    skipped: list[tuple[int, str]] = []
    histogram = np.zeros((3, LEVELS), np.int64)
    told = progress or Silent()
    with told.step("measuring", len(indices)) as advance:
        for i, one in _in_order(samples, indices.tolist(), preprocess):
            if isinstance(one, str):
                skipped.append((i, one))
            else:
                histogram += one.histogram
                read.append(i)
                found.append(One(one.size, one.bytes, one.format, one.grey, histogram[:0]))
            advance(1)
    return Measured(
        np.array(read, dtype=np.int64),
        np.array([one.size for one in found], dtype=np.int64).reshape(-1, 2),
        np.array([one.bytes for one in found], dtype=np.int64),
        Counter(one.format for one in found),
        sum(one.grey for one in found),
        histogram,
        tuple(skipped),
    )


def _in_order(
    samples: Samples, indices: Sequence[int], preprocess: Preprocess | None
) -> Iterator[tuple[int, One | str]]:
    def work(index: int) -> One | str:
        try:
            return measured(samples.read(index), preprocess)
        except Unreadable as error:
            return str(error)

    workers = runtime.threads()
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(indices), workers * AHEAD):
            chosen = indices[start : start + workers * AHEAD]
            yield from zip(chosen, pool.map(work, chosen), strict=True)


def measured(picture: Picture, preprocess: Preprocess | None = None) -> One:
    """One picture's measures; raises `Unreadable` with the reason."""
    image = decode(picture, channels=3).image
    kind, mode = _kind(picture)
    shown = image if preprocess is None else Image.fromarray(preprocess(image))
    histogram = np.array(shown.histogram(), dtype=np.int64).reshape(3, LEVELS)
    size = len(picture) if isinstance(picture, bytes) else int(np.asarray(picture).nbytes)
    return One(
        image.size, size, kind, mode in ("1", "L", "LA", "La") or mode.startswith(("I", "F")), histogram
    )


def _kind(picture: Picture) -> tuple[str, str]:
    """Format and mode by the header."""
    if isinstance(picture, bytes):
        try:
            with Image.open(io.BytesIO(picture), formats=FORMATS) as image:
                return str(image.format), image.mode
        except UnidentifiedImageError:  # odd JPEG files that libjpeg-turbo alone can read
            return "JPEG", "RGB"
    if isinstance(picture, Image.Image):
        return str(picture.format or "PIL picture"), picture.mode
    return "array", "L" if picture.ndim == 2 or picture.shape[-1] == 1 else "RGB"


def _moments(histogram: NDArray[np.int64]) -> tuple[float, float]:
    """Mean and standard deviation in 0..1 from counts of the levels: whole numbers until the last step."""
    counts = [int(n) for n in histogram]
    n = sum(counts)
    if not n:
        return float("nan"), float("nan")
    first = sum(level * count for level, count in enumerate(counts))
    second = sum(level * level * count for level, count in enumerate(counts))
    top = LEVELS - 1
    return first / (n * top), isqrt((n * second - first * first) * DIGITS**2) / (n * top * DIGITS)


def draw_sample(hashes: NDArray[np.uint8], size: int, seed: int) -> Indices:
    """Indices of `size` pictures, drawn by content hash (n, 32) and seed alone, in the order of the pictures."""
    drawn = [hashlib.sha256(str(seed).encode() + row.tobytes()).digest() for row in hashes]
    readable = [i for i in range(len(hashes)) if hashes[i].any()]
    return np.array(sorted(sorted(readable, key=drawn.__getitem__)[:size]), dtype=np.int64)


def imbalance(counts: NDArray[np.int64]) -> float:
    """Pictures of the largest class for each one of the smallest that has any."""
    some = counts[counts > 0]
    return float(some.max() / some.min()) if len(some) else float("nan")


def effective_classes(counts: NDArray[np.int64]) -> float:
    """How many classes of equal size would be as uncertain: exp of the entropy (Hill 1973, number of order 1)."""
    total = int(counts.sum())
    shares = [int(n) / total for n in counts if n]
    return exp(-sum(share * log(share) for share in shares)) if total else float("nan")
