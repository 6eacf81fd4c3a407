"""Features from before the networks, `classical:NAME` or, of several kinds, `classical:NAME+NAME`.

Words and the like are learned from pictures without labels.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
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
    """The methods named in `source`, which learn from the training part of `dataset`, or of `learn_from`.

    What several of them say is called by their names.
    """
    entries = entries_of(source)
    _demand_no_network(source, options, () if len(entries) > 1 else (LAST,))
    if (elsewhere := options.get("learn_from")) is not None:
        dataset = open_dataset(elsewhere)
    learning = [name for name, entry in entries.items() if _learns(entry)]
    teachers = _teachers(dataset) if learning else None
    contents = _contents(teachers, told)
    digests = {
        name: _digest(name, _seen(entry), contents if name in learning else "")
        for name, entry in entries.items()
    }
    kept = options.get("cache", True)
    methods = Methods(
        [
            _method(
                entry,
                teachers if name in learning else None,
                digests[name][:24] if kept else "",
                told,
                dataset.name,
            )
            for name, entry in entries.items()
        ]
    )
    learned = _in_words(methods.pictures, dataset, own=elsewhere is None, told=told)
    if len(entries) == 1:
        digests = {LAST: digests[min(entries)]}
    seen = [_seen(entry) for entry in entries.values()]
    preprocess = seen[0] if len(seen) == 1 else dict(zip(entries, seen, strict=True))
    keys = tuple(f"{digest[:24]}-classical" for digest in digests.values())
    way = Way(tuple(digests), methods.features, lambda rows: rows, keys, methods.widths)
    dtype = options.get("dtype", "float32")
    return Ready(way, Origin(source, _code(), digests, MEAN, CENTER, preprocess, dtype, learned), "numpy")


def _in_words(pictures: int, dataset: Dataset, own: bool, told: Progress) -> str:
    """From what was learned, which is said; with a warning where it was from all of the data's `own` pictures."""
    learned = "nothing is learned"
    if pictures:
        learned = f"learned from {pictures:,} pictures of {dataset.name}, without their labels"
    told.say(f"engine: numpy; {learned}")
    if pictures and own and not (dataset.parts == "train").any():
        told.say(f"words learned, without labels, from all {pictures:,} pictures, those that judge too")
    return learned


def entries_of(source: str) -> dict[str, Entry]:
    """The methods that a source names, in its order; UserError for one that there is not, and for one named twice."""
    names = source.removeprefix(PREFIX).split("+")
    for name in names:
        if name not in CLASSICAL:
            raise unknown("classical method", f"{PREFIX}{name}", [f"{PREFIX}{known}" for known in CLASSICAL])
    if len(set(names)) < len(names):
        raise UserError(f"each classical method may be named once, got {source}; leave the second one out")
    return {name: CLASSICAL[name] for name in names}


def _seen(entry: Entry) -> dict[str, Any]:
    """How pictures are seen."""
    return {"longest": entry.size or LONGEST, "grey": entry.grey, "decoding": DECODING}


def _digest(name: str, preprocess: dict[str, Any], learned: str) -> str:
    about = {"method": name, "code": _code(), "learned": learned, "preprocess": preprocess}
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def _demand_no_network(source: str, options: EmbedOptions, layers: tuple[str, ...]) -> None:
    """UserError for what is said of a network; the `layers` alone may be named."""
    demand_left_out(options, OF_NETWORKS, f"{source} is no network")
    if tuple(options.get("layers", ())) not in ((), layers):
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


class Methods:
    """Several methods on the same pictures, what they say side by side."""

    def __init__(self, methods: Sequence[Method]):
        self._methods = tuple(methods)
        self._widths: tuple[int, ...] = ()

    @property
    def pictures(self) -> int:
        """That any of them learns from."""
        return max(method.pictures for method in self._methods)

    def features(self, picture: Picture) -> Floats:
        """(d,); Unreadable where one of the methods can make nothing of the picture."""
        rows = [method.features(picture) for method in self._methods]
        self._widths = tuple(map(len, rows))
        return np.concatenate(rows)

    def widths(self) -> tuple[int, ...]:
        """Of each method, once a picture has been looked at."""
        return self._widths


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


def _learns(entry: Entry) -> bool:
    from sklearn.utils import get_tags

    return bool(get_tags(entry.build()).requires_fit)


def _teachers(dataset: Dataset) -> Samples:
    """The pictures of the training part, of all where there is none."""
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


@cache
def _code() -> str:
    """SHA-256 over the files of `classical/`: other code, other features."""
    folder = Path(classical.__file__).parent
    return hashlib.sha256("".join(map(files.sha256, sorted(folder.rglob("*.py")))).encode()).hexdigest()
