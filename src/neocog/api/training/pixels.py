"""Every picture of a data set as a network's input, held where there is room for them."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from shutil import disk_usage
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from neocog import files, runtime
from neocog.data.decode import Pixels
from neocog.data.loading.pictures import Decoded, Held, Source, with_margin
from neocog.data.preprocess import Preprocess
from neocog.data.samples import Samples
from neocog.inference.stream import stream
from neocog.progress import Progress

IN_MEMORY = 4 << 30  # bytes of pixels above which they lie in a temporary file
if TYPE_CHECKING:
    from neocog.data.augment.policy import Augment

MARGIN = 256 / 224  # how much larger pictures are kept than the crops that are cut from them
LARGEST_MARGIN = 2.0


@dataclass(frozen=True, eq=False)
class Read:
    """What reading all pictures gave."""

    pixels: Source
    hashes: NDArray[np.uint8]
    """(n, 32): SHA-256 of each file; zeros where it cannot be read"""
    skipped: tuple[tuple[int, str], ...]
    """which cannot be read, and why"""


def read_pixels(samples: Samples, preprocess: Preprocess, told: Progress) -> Read:
    """Decode every picture once."""
    n = len(samples)
    pixels = _room(n, preprocess, told)
    hashes = np.zeros((n, 32), np.uint8)
    skipped: list[tuple[int, str]] = []
    with told.step("reading", n) as advance:
        for part in stream(samples, preprocess, infer=lambda batch: batch):
            if len(part.indices):
                hashes[part.indices] = part.hashes
                if pixels is not None:
                    pixels[part.indices] = part.outputs
            skipped += part.skipped
            advance(len(part.indices) + len(part.skipped))
    source = Decoded(samples, preprocess) if pixels is None else Held(pixels, samples)
    return Read(source, hashes, tuple(skipped))


def for_crops(preprocess: Preprocess, augment: Augment) -> Preprocess:
    """The preprocessing itself, or one to larger pictures where the augmentation cuts its crops from them."""
    from neocog.data.augment.policy import ScaleJitter

    if augment.crop is None:
        return preprocess
    high = augment.crop.high if isinstance(augment.crop, ScaleJitter) else MARGIN
    return with_margin(preprocess, min(high, LARGEST_MARGIN))


def _room(n: int, preprocess: Preprocess, told: Progress) -> Pixels | None:
    """Memory for all pixels of a data set, or a temporary file; None where neither has the room."""
    shape = (n, *preprocess.size, preprocess.channels)
    size = int(np.prod(shape))
    if size <= IN_MEMORY:
        return np.empty(shape, np.uint8)
    cache = files.make_folder(runtime.cache_folder())
    if size > disk_usage(cache).free // 2:
        told.say(
            f"pixels: {size / 2**30:,.1f} GiB, which {cache} has no room for; decoded anew in each epoch"
        )
        return None
    told.say(f"pixels: {size / 2**30:,.1f} GiB, held in a temporary file in {cache}")
    with tempfile.TemporaryFile(dir=cache) as file:  # what is mapped stays until the array is gone
        return np.memmap(file, np.uint8, "w+", shape=shape)
