"""Features on disk, by the content of the picture that they are of, so that none is computed twice."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neocog import files, runtime
from neocog.errors import UserError
from neocog.inference.network import Floats
from neocog.inference.stream import Part
from neocog.inference.tensor_file import Pieces, mapped, parts_of, pieces, release, rows_at_once

SHARD, BYTES, SECONDS = 4096, 1 << 25, 20.0
"""pictures, bytes and time after which what is computed is saved, so that an interruption costs little"""
FANOUT = 16  # shards of about one size that are merged, into one about so many times as large
LARGEST = 1 << 16  # pictures in a shard that is not merged any more
Hashes = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Shard:
    """A safetensors file, mapped: its rows are sorted by the first eight bytes of the hash."""

    path: Path
    keys: NDArray[np.uint64]
    """(n,), those bytes as a number"""
    hashes: Hashes
    """(n, 32)"""
    features: NDArray[Any]
    """(n, d), float32 or float16"""

    def __len__(self) -> int:
        return len(self.hashes)

    def find(self, content: bytes) -> NDArray[Any] | None:
        key = np.frombuffer(content[:8], np.uint64)[0]
        row = bisect_left(self.keys, key)
        while row < len(self) and self.keys[row] == key:
            if self.hashes[row].tobytes() == content:
                found: NDArray[Any] = self.features[row]
                return found
            row += 1
        return None


class FeatureCache:
    """The features of one layer of one network, with one preprocessing on one engine: what `key` stands for.

    A shard is named by its own SHA-256; a damaged one is removed and its pictures are computed anew. Shards of a
    size are merged once there are many, a block at a time: what is held in memory does not grow with the cache.
    With `half` rows are kept in float16; those that are there in float32 are found, too.
    """

    def __init__(self, key: str, half: bool = False):
        place = runtime.cache_folder() / "features"
        self._folder = place / f"{key}-float16" if half else place / key
        self._half = half
        self._shards = _opened(self._folder)
        self._tidy()
        if half:
            self._shards += _opened(place / key)

    @property
    def width(self) -> int | None:
        """Numbers in a row; None where there is no row."""
        return self._shards[0].features.shape[1] if self._shards else None

    def find(self, content: bytes) -> Floats | None:
        """The row (d,) of the picture with this SHA-256; with `half` rounded to what float16 holds."""
        for shard in self._shards:
            row = shard.find(content)
            if row is not None:
                return row.astype(np.float16).astype(np.float32) if self._half else np.array(row)
        return None

    def release(self) -> None:
        """Give the memory back that what was found has taken."""
        for shard in self._shards:
            release(shard.features)

    def save(self, hashes: Hashes, features: Floats) -> None:
        """Keep the rows of `features` (n, d) that are not there yet."""
        new = np.unique(hashes, axis=0, return_index=True)[1]  # once, where a picture came twice
        new = new[[self.find(hashes[row].tobytes()) is None for row in new]]
        if not len(new):
            return
        hashes = hashes[new]
        order = np.argsort(_keys(hashes), kind="stable")
        rows = features[new][order].astype(np.float16 if self._half else np.float32)
        self._write({"features": pieces(rows), "hashes": pieces(hashes[order])})

    def _tidy(self) -> None:
        """Many shards of about one size become one, which the next tier counts as its own."""
        tiers: defaultdict[int, list[Shard]] = defaultdict(list)
        for shard in self._shards:
            if len(shard) < LARGEST:
                tiers[_tier(len(shard))].append(shard)
        for shards in tiers.values():
            if len(shards) < FANOUT:
                continue
            written = self._write(_merged(shards))
            if written is None:
                return
            whole = _open(written)
            self._shards = [one for one in self._shards if one not in shards] + ([whole] if whole else [])
            for shard in shards:
                if shard.path != written:
                    with suppress(OSError):  # Windows keeps files that are mapped
                        shard.path.unlink()

    def _write(self, tensors: dict[str, Pieces]) -> Path | None:
        """The file is made twice: once for the SHA-256 that names it."""
        total = hashlib.sha256()
        for part in parts_of(tensors):
            total.update(part)
        try:
            files.make_folder(self._folder)
            path = self._folder / f"{total.hexdigest()[:40]}.safetensors"
            with files.whole_file(path) as file:
                file.writelines(parts_of(tensors))
        except UserError:  # a full or read-only cache costs time, not the job
            return None
        return path


def kept(parts: Iterator[Part], save: Callable[[Hashes, Floats], None]) -> Generator[Part]:
    """Passes `parts` on and saves their fresh rows, every now and then and at the end, however it ends."""
    waiting: list[Part] = []
    since = monotonic()
    try:
        for part in parts:
            if part.fresh.any():
                waiting.append(part)
            yield part
            rows = sum(len(p.indices) for p in waiting)
            size = sum(p.outputs.nbytes for p in waiting)
            if rows >= SHARD or size >= BYTES or (waiting and monotonic() - since >= SECONDS):
                _save(waiting, save)
                waiting, since = [], monotonic()
    finally:
        if waiting:
            _save(waiting, save)


def _save(parts: Sequence[Part], save: Callable[[Hashes, Floats], None]) -> None:
    hashes = np.concatenate([part.hashes[part.fresh] for part in parts])
    save(hashes, np.concatenate([part.outputs[part.fresh] for part in parts]))


def _tier(rows: int) -> int:
    """0 for a row, 1 for about 16, 2 for about 256, and so on."""
    return (max(rows, 1).bit_length() - 1) // (FANOUT.bit_length() - 1)


def _merged(shards: Sequence[Shard]) -> dict[str, Pieces]:
    """The rows of all shards as one, sorted; a picture that is in several comes once."""
    keys = np.concatenate([shard.keys for shard in shards])
    origin = np.repeat(np.arange(len(shards)), [len(shard) for shard in shards])
    row = np.concatenate([np.arange(len(shard)) for shard in shards])
    order = np.argsort(keys, kind="stable")
    again = np.zeros(len(order), bool)
    for i in np.flatnonzero(keys[order][1:] == keys[order][:-1]) + 1:
        before, this = order[i - 1], order[i]
        again[i] = bool(
            (shards[origin[before]].hashes[row[before]] == shards[origin[this]].hashes[row[this]]).all()
        )
    order = order[~again]
    origin, row = origin[order], row[order]
    features, hashes = shards[0].features, shards[0].hashes
    return {
        "features": _gathered([shard.features for shard in shards], origin, row, features.shape[1]),
        "hashes": _gathered([shard.hashes for shard in shards], origin, row, hashes.shape[1]),
    }


def _gathered(
    arrays: Sequence[NDArray[Any]], origin: NDArray[np.int64], row: NDArray[np.int64], width: int
) -> Pieces:
    """Rows `row[i]` of `arrays[origin[i]]`, one after the other."""
    dtype = arrays[0].dtype
    step = rows_at_once(width * dtype.itemsize)

    def blocks() -> Iterator[NDArray[Any]]:
        for at in range(0, len(row), step):
            here, rows = origin[at : at + step], row[at : at + step]
            block = np.empty((len(rows), width), dtype)
            for which in np.unique(here):
                block[here == which] = arrays[which][rows[here == which]]
            yield block

    return Pieces(dtype, (len(row), width), blocks)


def _opened(folder: Path) -> list[Shard]:
    return [shard for path in sorted(folder.glob("*.safetensors")) if (shard := _open(path))]


def _open(path: Path) -> Shard | None:
    """None where the file is damaged, which is then removed, or gone."""
    try:
        if files.sha256(path)[:40] != path.stem:
            path.unlink()
            return None
        tensors, _ = mapped(path)
    except (OSError, ValueError, KeyError):
        return None
    hashes = tensors["hashes"]
    # eight of the 32 bytes in place: a copy would be memory that grows with the cache
    keys: NDArray[np.uint64] = np.ndarray((len(hashes),), np.uint64, hashes, strides=(32,))
    return Shard(path, keys, hashes, tensors["features"])


def _keys(hashes: Hashes) -> NDArray[np.uint64]:
    return np.ascontiguousarray(hashes[:, :8]).view(np.uint64)[:, 0]
