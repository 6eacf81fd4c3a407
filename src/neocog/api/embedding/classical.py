"""Features from before the networks, `classical:NAME`; words and the like are learned from pictures without labels."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neocog import classical, files
from neocog.api.embedding import words
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
    _demand_no_network(source, options)
    if (elsewhere := options.get("learn_from")) is not None:
        dataset = open_dataset(elsewhere)
    entry = CLASSICAL[name]
    preprocess = {"longest": entry.size or LONGEST, "grey": entry.grey, "decoding": DECODING}
    teachers = _teachers(dataset, entry)
    contents = _contents(teachers, told)
    about = {"method": name, "code": _code(), "learned": contents, "preprocess": preprocess}
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
    key = digest[:24] if options.get("cache", True) else ""
    method = _method(entry, teachers, key, told, dataset.name)
    learned = "nothing is learned"
    if teachers is not None:
        learned = f"learned from {method.pictures:,} pictures of {dataset.name}, without their labels"
    told.say(f"engine: numpy; {learned}")
    if teachers is not None and elsewhere is None and not (dataset.parts == "train").any():
        told.say(
            f"words learned, without labels, from all {method.pictures:,} pictures, those that judge too"
        )
    way = Way((LAST,), method.features, lambda rows: rows, (f"{digest[:24]}-classical",), tuple)
    origin = Origin(
        source, _code(), {LAST: digest}, MEAN, CENTER, preprocess, options.get("dtype", "float32"), learned
    )
    return Ready(way, origin, "numpy")


def _demand_no_network(source: str, options: EmbedOptions) -> None:
    """UserError for what is said of a network."""
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


@dataclass
class Method:
    """A transformer of the catalogue, which learns when it is first needed."""

    entry: Entry
    transformer: Any
    pictures: int = 0
    """that it learns from, or has learned from"""
    taught: Samples | None = None
    """pictures to learn from, all of them readable; None where nothing has to be learned any more"""
    key: str = ""
    """under which that is kept; nothing where it is not"""

    def __post_init__(self) -> None:
        self._lock = Lock()

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
            if self.taught is not None:
                self.transformer.fit(Shown(self.taught, self.entry))
                if self.key:
                    words.keep(self.key, self.transformer, self.pictures)
                self.taught = None
        return self.transformer


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


def _teachers(dataset: Dataset, entry: Entry) -> Samples | None:
    """The pictures of the training part, of all where there is none; None where nothing has to be learned."""
    from sklearn.utils import get_tags

    if not get_tags(entry.build()).requires_fit:
        return None
    training = np.flatnonzero(dataset.parts == "train")
    return Subset(dataset.samples, training if len(training) else np.arange(len(dataset)))


def _contents(teachers: Samples | None, told: Progress) -> str:
    """SHA-256 over those of the pictures; none is decoded."""
    if teachers is None:
        return ""
    total = hashlib.sha256()
    with told.step("pictures to learn from", len(teachers)) as advance:
        for i in range(len(teachers)):
            with suppress(Unreadable):  # named when its features are wanted
                total.update(content_hash(teachers.read(i)))
            advance(1)
    return total.hexdigest()


def _method(entry: Entry, teachers: Samples | None, key: str, told: Progress, data: str) -> Method:
    """The method with what it learned before under `key`, else with the readable pictures to learn from."""
    transformer = entry.build()
    if teachers is None:
        return Method(entry, transformer)
    if key and (pictures := words.find(key, transformer)) is not None:
        return Method(entry, transformer, pictures)
    with told.step("looking at them", len(teachers)) as advance:
        readable = [i for i in range(len(teachers)) if _readable(teachers, i, entry, advance)]
    if not readable:
        raise UserError(f"there must be pictures to learn from, none of {data} can be read")
    taught = Subset(teachers, np.array(readable, np.int64))
    return Method(entry, transformer, len(taught), taught, key)


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
