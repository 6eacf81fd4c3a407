"""Features from before the networks, `classical:NAME`; words and the like are learned from pictures without labels."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neocog import classical, files
from neocog.api.embedding.options import EmbedOptions, demand_left_out
from neocog.api.embedding.origin import Origin
from neocog.api.embedding.ready import Ready
from neocog.classical.catalogue import CLASSICAL, Entry
from neocog.data.dataset import Dataset
from neocog.data.decode import decode, upright
from neocog.data.preprocess import Preprocess
from neocog.data.samples import Picture, Samples, Subset, content_hash
from neocog.data.source import open_dataset
from neocog.errors import Unreadable, UserError, unknown
from neocog.inference.layer_features import CENTER, LAST, MEAN, Way
from neocog.inference.network import DECODING, Floats
from neocog.progress import Advance, Progress

PREFIX = "classical:"
LONGEST = 480
"""pixels of the longer side, where a method takes pictures of any size"""
OF_NETWORKS = ("weights", "img_size", "resize_mode", "decoding", "model", "download")


def is_classical(source: str | Path) -> bool:
    return str(source).startswith(PREFIX)


def classical_ready(source: str, dataset: Dataset, told: Progress, options: EmbedOptions) -> Ready:
    """The method called `source`, which learns from the training part of `dataset`, or of `learn_from`."""
    name = source.removeprefix(PREFIX)
    if name not in CLASSICAL:
        raise unknown("classical method", source, [f"{PREFIX}{known}" for known in CLASSICAL])
    demand_left_out(options, OF_NETWORKS, f"{source} is no network")
    if tuple(options.get("layers", ())) not in ((), (LAST,)):
        demand_left_out(options, ("layers",), f"{source} is no network")
    for option, plain in (
        ("pooling", "mean"),
        ("views", "center"),
        ("engine", "auto"),
        ("device", "auto"),
    ):
        if options.get(option, plain) != plain:
            raise UserError(f"{source} is no network, got {option} {options[option]!r}; leave it out")  # type: ignore[literal-required]
    if (elsewhere := options.get("learn_from")) is not None:
        dataset = open_dataset(elsewhere)
    entry = CLASSICAL[name]
    method = Method(entry, _taught(dataset, told, entry))
    preprocess = {"longest": entry.size or LONGEST, "grey": entry.grey, "decoding": DECODING}
    learned = "nothing is learned"
    if method.taught is not None:
        learned = f"learned from {len(method.taught):,} pictures of {dataset.name}, without their labels"
    about = {"method": name, "code": _code(), "learned": method.contents, "preprocess": preprocess}
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
    told.say(f"engine: numpy; {learned}")
    if method.taught is not None and elsewhere is None and not (dataset.parts == "train").any():
        told.say(
            f"words learned, without labels, from all {len(method.taught):,} pictures, those that judge too"
        )
    way = Way((LAST,), method.features, lambda rows: rows, (f"{digest[:24]}-classical",), tuple)
    origin = Origin(
        source, _code(), {LAST: digest}, MEAN, CENTER, preprocess, options.get("dtype", "float32"), learned
    )
    return Ready(way, origin, "numpy")


@dataclass
class Method:
    """A transformer of the catalogue, which learns when it is first needed."""

    entry: Entry
    taught: Samples | None
    """pictures to learn from, all of them readable; None where nothing is learned"""

    def __post_init__(self) -> None:
        self._lock = Lock()

    @cached_property
    def contents(self) -> str:
        """SHA-256 over those of the pictures."""
        total = hashlib.sha256()
        for i in range(len(self.taught or ())):
            total.update(content_hash(self.taught.read(i)))  # type: ignore[union-attr]
        return total.hexdigest() if self.taught is not None else ""

    def features(self, picture: Picture) -> Floats:
        """(d,); Unreadable where the method can make nothing of the picture."""
        pixels, transformer = shown(picture, self.entry), self._fitted()
        try:
            row: Floats = np.asarray(transformer.transform([pixels])[0], np.float32)
        except UserError as error:
            raise Unreadable(str(error).removeprefix("picture 0: ")) from error
        return row

    def _fitted(self) -> Any:
        with self._lock:  # the first of several threads learns
            return self._transformer

    @cached_property
    def _transformer(self) -> Any:
        transformer = self.entry.build()
        return transformer if self.taught is None else transformer.fit(Shown(self.taught, self.entry))


class Shown(Sequence[NDArray[np.uint8]]):
    """Pictures as arrays, each decoded when it is looked at: their number takes no memory."""

    def __init__(self, samples: Samples, entry: Entry):
        self._samples, self._entry = samples, entry

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return shown(self._samples.read(int(index) % len(self)), self._entry)


def shown(picture: Picture, entry: Entry) -> NDArray[np.uint8]:
    """uint8 (height, width), or (height, width, 3), upright, shrunk where it is longer than the method looks at."""
    channels = 1 if entry.grey else 3
    decoded = decode(picture, channels)
    height, width = decoded.shown
    scale = (entry.size or LONGEST) / max(height, width)
    if scale < 1:
        size = max(1, round(height * scale)), max(1, round(width * scale))
        half = (0.5,) * channels
        squash = Preprocess(size=size, channels=channels, resize_mode="squash", mean=half, std=half)
        pixels = squash.of(decoded)
    else:
        pixels = np.ascontiguousarray(upright(decoded.pixels, decoded.orientation))
    return pixels[..., 0] if entry.grey else pixels


def _taught(dataset: Dataset, told: Progress, entry: Entry) -> Samples | None:
    """The readable pictures of the training part, of all where there is none; None where nothing has to be learned."""
    from sklearn.utils import get_tags

    if not get_tags(entry.build()).requires_fit:
        return None
    training = np.flatnonzero(dataset.parts == "train")
    chosen = training if len(training) else np.arange(len(dataset))
    with told.step("pictures to learn from", len(chosen)) as advance:
        readable = [i for i in chosen.tolist() if _readable(dataset.samples, i, entry, advance)]
    if not readable:
        raise UserError(f"there must be pictures to learn from, none of {dataset.name} can be read")
    return Subset(dataset.samples, np.array(readable, np.int64))


def _readable(samples: Samples, index: int, entry: Entry, advance: Advance) -> bool:
    try:
        decode(samples.read(index), 1 if entry.grey else 3)
    except Unreadable:  # named when its features are wanted
        return False
    finally:
        advance(1)
    return True


def _code() -> str:
    """SHA-256 over the files of `classical/`: other code, other features."""
    folder = Path(classical.__file__).parent
    return hashlib.sha256("".join(map(files.sha256, sorted(folder.rglob("*.py")))).encode()).hexdigest()
