"""The features of many pictures, computed once and kept by content: a picture is recognised under any name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from neocog import files, runtime
from neocog.data.samples import Samples
from neocog.errors import UserError
from neocog.inference.engines import Engine
from neocog.inference.network import Floats, Network
from neocog.inference.stream import Part, stream
from neocog.progress import Progress

SHARDS = 32  # files of one network above which they are merged
SHARD = 4096  # pictures after which what is computed is saved, so that an interruption costs little


@dataclass(frozen=True)
class Features:
    """The readable pictures' features, and what was left out."""

    indices: NDArray[np.int64]
    """place of each row in the samples"""
    matrix: Floats
    """(n, d)"""
    hashes: NDArray[np.uint8]
    """(n, 32), content hashes"""
    skipped: tuple[tuple[int, str], ...]
    """(index, reason) of each picture that cannot be read"""
    cached: int
    """how many rows were found, not computed"""


def extract(samples: Samples, network: Network, engine: Engine, progress: Progress) -> Features:
    """The features of all readable `samples`, in order; new ones are kept in the user's cache."""
    cache = FeatureCache(network, engine.name)
    parts: list[Part] = []
    computed = cache.through(stream(samples, network.preprocess, engine, cache.find))
    with closing(computed), progress.step("features", len(samples)) as advance:
        for part in computed:
            parts.append(part)
            advance(len(part.indices) + len(part.skipped))
    skipped = tuple(pair for part in parts for pair in part.skipped)
    filled = [part for part in parts if len(part.indices)]
    if not filled:
        return Features(
            np.empty(0, np.int64), np.empty((0, 0), np.float32), np.empty((0, 32), np.uint8), skipped, 0
        )
    return Features(
        np.concatenate([part.indices for part in filled]),
        np.concatenate([part.outputs for part in filled]),
        np.concatenate([part.hashes for part in filled]),
        skipped,
        sum(int((~part.fresh).sum()) for part in filled),
    )


class FeatureCache:
    """Features on disk, by the picture's SHA-256, for one backbone with one preprocessing on one engine.

    A shard is a safetensors file named by its own SHA-256; a damaged one is removed and its pictures computed anew.
    """

    def __init__(self, network: Network, engine: str):
        self._folder = runtime.cache_folder() / "features" / f"{network.key()[:24]}-{engine}"
        paths = sorted(self._folder.glob("*.safetensors"))
        self._shards = [shard for path in paths if (shard := _open(path))]
        if len(self._shards) > SHARDS:
            self._merge(paths)

    def find(self, content: bytes) -> Floats | None:
        key = np.frombuffer(content[:8], np.uint64)[0]
        for keys, hashes, features in self._shards:
            row = int(np.searchsorted(keys, key))
            if row < len(keys) and hashes[row].tobytes() == content:
                return np.array(features[row])
        return None

    def through(self, parts: Iterator[Part]) -> Generator[Part]:
        """Passes `parts` on and saves their fresh rows, every `SHARD` pictures and at the end, however it ends."""
        waiting: list[Part] = []
        try:
            for part in parts:
                if part.fresh.any():
                    waiting.append(part)
                yield part
                if sum(len(p.indices) for p in waiting) >= SHARD:
                    self._save(waiting)
                    waiting = []
        finally:
            if waiting:
                self._save(waiting)

    def _merge(self, paths: list[Path]) -> None:
        """Many small shards, left by many small jobs, become one."""
        hashes = np.concatenate([hashes for _, hashes, _ in self._shards])
        features = np.concatenate([features for _, _, features in self._shards])
        if written := self._write(hashes, features):
            self._shards = [shard] if (shard := _open(written)) else []
            for path in paths:
                if path != written:
                    with suppress(OSError):  # Windows keeps files that are mapped
                        path.unlink()

    def _save(self, parts: list[Part]) -> None:
        hashes = np.concatenate([part.hashes[part.fresh] for part in parts])
        features = np.concatenate([part.outputs[part.fresh] for part in parts])
        self._write(hashes, features)

    def _write(self, hashes: NDArray[np.uint8], features: Floats) -> Path | None:
        keys = np.ascontiguousarray(hashes[:, :8]).view(np.uint64)[:, 0]
        order = np.argsort(keys, kind="stable")
        data = save({"hashes": hashes[order], "features": features[order]})
        try:
            files.make_folder(self._folder)
            path = self._folder / f"{hashlib.sha256(data).hexdigest()[:40]}.safetensors"
            files.write_bytes(path, data)
        except UserError:  # a full or read-only cache costs time, not the job
            return None
        return path


def _open(path: Path) -> tuple[NDArray[np.uint64], NDArray[np.uint8], Floats] | None:
    """Keys, hashes and features of a shard, mapped, not loaded; None where the file is damaged."""
    try:
        if files.sha256(path)[:40] != path.stem:
            path.unlink()
            return None
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length))
    except OSError:
        return None
    hashes = np.memmap(
        path, np.uint8, "r", _start(header, "hashes", length), tuple(header["hashes"]["shape"])
    )
    features = np.memmap(
        path, np.float32, "r", _start(header, "features", length), tuple(header["features"]["shape"])
    )
    return np.ascontiguousarray(hashes[:, :8]).view(np.uint64)[:, 0], hashes, features


def _start(header: dict[str, dict[str, list[int]]], name: str, length: int) -> int:
    return 8 + length + header[name]["data_offsets"][0]
