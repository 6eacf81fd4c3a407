"""Which pictures each channel of each layer responds to most: found in one pass over the data, and kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neocog import files, runtime
from neocog.data.samples import Samples, content_hash
from neocog.errors import Unreadable, UserError
from neocog.inference.stream import Infer, Part, Prepare, stream
from neocog.inference.tensor_file import mapped, parts_of, pieces
from neocog.inside.patches.top import Top
from neocog.inside.patches.top_pictures import Strongest
from neocog.progress import Progress

Hashes = NDArray[np.uint8]
FIELDS = ("values", "pictures", "mean", "deviation")


@dataclass(frozen=True, eq=False)
class Index:
    """Of some data and some layers of one network."""

    layers: Mapping[str, Strongest]
    hashes: Hashes
    """(n, 32), SHA-256 of each picture's content; zeros where it cannot be read"""
    skipped: tuple[tuple[int, str], ...]
    """(place, reason) of each picture that cannot be read"""

    @property
    def pictures(self) -> int:
        """How many were looked at."""
        return len(self.hashes) - len(self.skipped)

    @property
    def k(self) -> int:
        """Pictures that are kept of each channel."""
        return min((one.values.shape[1] for one in self.layers.values()), default=0)

    def first(self, k: int) -> Index:
        """With `k` pictures a channel."""
        return replace(self, layers={name: one.first(k) for name, one in self.layers.items()})

    def tensors(self) -> dict[str, NDArray[Any]]:
        """As the file holds them, `LAYER/values` and so on."""
        own: dict[str, NDArray[Any]] = {
            f"{name}/{field}": getattr(one, field) for name, one in self.layers.items() for field in FIELDS
        }
        return {"hashes": self.hashes, **own}


def indexed(
    samples: Samples, prepare: Prepare, infer: Infer, channels: Mapping[str, int], k: int, told: Progress
) -> Index:
    """One pass over `samples`: `infer` gives each picture's largest activations, (n, sum of `channels`).

    `channels` has each layer's number, in order. Memory is k x channels numbers, and 32 bytes a picture. UserError in
    the picture's name where an activation is no number.
    """
    total = sum(channels.values())
    top, sums = Top(k, total), np.zeros((2, total))
    hashes = np.zeros((len(samples), 32), np.uint8)
    skipped: list[tuple[int, str]] = []
    parts = stream(samples, prepare, infer)
    with closing(parts), told.step("pictures", len(samples)) as advance:  # type: ignore[type-var]
        for part in parts:
            skipped += part.skipped
            if len(part.indices):
                values = _finite(part, samples)
                top.add(values, part.indices)
                wide = values.astype(np.float64)
                sums += wide.sum(axis=0), np.square(wide).sum(axis=0)
                hashes[part.indices] = part.hashes
            advance(len(part.indices) + len(part.skipped))
    read = len(samples) - len(skipped)
    mean, square = sums / max(read, 1)
    deviation = np.sqrt(np.maximum(square - mean**2, 0))
    whole = Strongest(
        np.ascontiguousarray(top.values[:read].T), np.ascontiguousarray(top.pictures[:read].T),
        mean.astype(np.float32), deviation.astype(np.float32),
    )  # fmt: skip
    return Index(_by_layer(whole, channels), hashes, tuple(skipped))


def _finite(part: Part, samples: Samples) -> NDArray[np.float32]:
    values = np.asarray(part.outputs, np.float32)
    good = np.isfinite(values).all(axis=1)
    if not good.all():
        name = samples.name(int(part.indices[int(np.argmin(good))]))
        raise UserError(
            f"{name}: an activation is no finite number; look at the network's weights and its input"
        )
    return values


def _by_layer(whole: Strongest, channels: Mapping[str, int]) -> dict[str, Strongest]:
    ends = np.cumsum(list(channels.values()))
    cuts = zip(channels, ends - list(channels.values()), ends, strict=True)
    return {
        name: Strongest(**{field: getattr(whole, field)[start:end] for field in FIELDS})
        for name, start, end in cuts
    }


def write_index(index: Index, path: Path, more: Mapping[str, NDArray[Any]], about: Mapping[str, str]) -> None:
    """A safetensors file with the tensors of the index and `more`; what it says is sealed by its SHA-256."""
    tensors = {name: np.ascontiguousarray(one) for name, one in {**index.tensors(), **more}.items()}
    said = {**about, "layers": json.dumps(list(index.layers)), "skipped": json.dumps(index.skipped)}
    said["seal"] = _seal(tensors, said)
    with files.whole_file(path) as file:
        file.writelines(parts_of({name: pieces(one) for name, one in tensors.items()}, said))


def read_index(path: Path) -> tuple[Index, dict[str, str]] | None:
    """What `write_index` wrote, and what it says about itself; None where there is no sound one."""
    try:
        found, said = mapped(path)
        tensors = {name: np.array(one) for name, one in found.items()}
        if said.pop("seal") != _seal(tensors, said):
            return None
        layers = {
            name: Strongest(**{field: tensors[f"{name}/{field}"] for field in FIELDS})
            for name in json.loads(said["layers"])
        }
        skipped = tuple((int(i), str(reason)) for i, reason in json.loads(said["skipped"]))
        return Index(layers, tensors["hashes"], skipped), said
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # whatever is wrong, it is made again
        return None


def _seal(tensors: Mapping[str, NDArray[Any]], said: Mapping[str, str]) -> str:
    total = hashlib.sha256(json.dumps(sorted(said.items())).encode())
    for name in sorted(tensors):
        total.update(name.encode())
        total.update(np.ascontiguousarray(tensors[name]).data)
    return total.hexdigest()


class Kept:
    """The indexes of one network that were made before, in the user's cache: one for each data set."""

    def __init__(self, key: str):
        self._folder = runtime.cache_folder() / "patches" / key

    def find(self, samples: Samples, k: int) -> tuple[Index, dict[str, str]] | None:
        """The index of the same contents in the same order, if it has `k` pictures a channel or more.

        Where there is none of any data, `samples` are not read.
        """
        if not any(self._folder.glob("*.safetensors")):
            return None
        found = read_index(self._place(contents(samples, range(len(samples)))))
        return found if found and found[0].k >= k else None

    def save(self, index: Index, samples: Samples, about: Mapping[str, str]) -> None:
        """Keep it for the next time; where there is no room, the next time takes longer."""
        hashes = index.hashes.copy()
        unread = [i for i, _ in index.skipped]
        hashes[unread] = contents(samples, unread)
        with suppress(UserError):
            files.make_folder(self._folder)
            write_index(index, self._place(hashes), {}, about)

    def _place(self, hashes: Hashes) -> Path:
        return self._folder / f"{hashlib.sha256(hashes.tobytes()).hexdigest()[:40]}.safetensors"


def contents(samples: Samples, which: Iterable[int] | Sequence[int]) -> Hashes:
    """(n, 32), SHA-256 of the pictures' contents; zeros where a file cannot be opened. None is decoded."""

    def one(i: int) -> bytes:
        try:
            return content_hash(samples.read(i))
        except Unreadable:
            return bytes(32)

    with ThreadPoolExecutor(runtime.threads()) as pool:
        return np.frombuffer(b"".join(pool.map(one, which)), np.uint8).reshape(-1, 32)
