"""The features of many pictures, of one layer or several, streamed, and kept where asked: memory does not grow."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neocog.data.decode import Pixels
from neocog.data.preprocess import Preprocess
from neocog.data.samples import Samples
from neocog.data.views.protocols import PROTOCOLS, views
from neocog.errors import UserError, unknown
from neocog.inference.engines import Engine
from neocog.inference.feature_cache import BYTES, FeatureCache, Hashes, kept
from neocog.inference.feature_rows import InMemory, Rows, Spooled
from neocog.inference.network import DECODING, Floats, Network
from neocog.inference.stream import BATCH, Infer, Part, Prepare, stream
from neocog.inference.tensor_file import rows_at_once
from neocog.progress import Progress

LAST = "features"
"""the name of the vector that the last layer reads, as in `models.layer_names`, which needs torch"""
POOLINGS = ("mean", "flat", "max", "gem", "token")
"""how what a layer gives becomes a vector"""
MEAN = "mean"
"""the pooling where nothing else is said"""
CENTER = "center"
"""the views where nothing else is said: the one that preprocessing gives"""
SAME = 1e-6  # of the largest value: what is nearer differs by rounding
POOLED = 1  # counted up when a pooling changes, so that older features are not taken


@dataclass(frozen=True)
class Way:
    """One way from pictures to features."""

    layers: tuple[str, ...]
    prepare: Prepare
    infer: Infer
    """what was prepared of several pictures (n, ...) -> (n, d), the layers side by side"""
    keys: tuple[str, ...]
    """of each layer: same key, same features"""
    widths: Callable[[], tuple[int, ...]]
    """of each layer, asked for only where there are several"""
    batch: int = BATCH
    """pictures at once"""


def last_layer(network: Network, engine: Engine, seen_in: str = CENTER) -> Way:
    """What the last layer reads, under the name `LAST`."""
    prepare, infer, batch = seen(network.preprocess, engine, seen_in)
    return Way((LAST,), prepare, infer, (last_key(network, engine, seen_in),), tuple, batch)


def last_key(network: Network, engine: Engine, seen_in: str) -> str:
    """Of what the last layer reads: same key, same features, whether other layers were asked for beside or not."""
    own = network.key() if seen_in == CENTER else layer_key(network, ("", "", seen_in))
    return f"{own[:24]}-{engine.name}"


def code_of(network: Network) -> str:
    """What beside weights and preprocessing decides about the features of `network`: whatever its key holds of code."""
    return f"{network.source}; decoding {DECODING}, pooling {POOLED}"


def layer_key(network: Network, what: Sequence[str]) -> str:
    """Same key, same features: those that `what` says of `network`, in words."""
    return hashlib.sha256(json.dumps([network.key(), *what, POOLED]).encode()).hexdigest()


def demand_pooling_and_views(pooling: str, seen_in: str) -> None:
    """UserError for a pooling or views that there are not."""
    if pooling not in POOLINGS:
        raise unknown("pooling", pooling, POOLINGS)
    if seen_in not in PROTOCOLS:
        raise unknown("views", seen_in, PROTOCOLS)


def seen(preprocess: Preprocess, engine: Engine, seen_in: str) -> tuple[Prepare, Infer, int]:
    """How pictures are prepared and inferred, and how many at once: the mean over the views of `seen_in`."""
    taken = views(seen_in, preprocess)
    if seen_in == CENTER:
        return preprocess, engine, BATCH

    def infer(pixels: Pixels) -> Floats:
        n, count = pixels.shape[:2]
        rows = engine(pixels.reshape(-1, *pixels.shape[2:])).reshape(n, count, -1)
        return np.asarray(rows.mean(axis=1, dtype=np.float64), np.float32)

    return taken, infer, max(1, BATCH // taken.count)


@dataclass(frozen=True)
class Gathered:
    """The readable pictures' features, and what was left out."""

    indices: NDArray[np.int64]
    """place of each row in the samples"""
    features: dict[str, NDArray[Any]]
    """layer -> (n, d) float32, or float16 where that was asked for"""
    hashes: Hashes
    """(n, 32), content hashes"""
    skipped: tuple[tuple[int, str], ...]
    """(index, reason) of each picture that cannot be read"""
    cached: int
    """how many rows were found, not computed"""


def gather(
    samples: Samples,
    way: Way,
    progress: Progress,
    *,
    cached: bool = True,
    half: bool = False,
    spool: Path | None = None,
) -> Gathered:
    """The features of all readable `samples`, in order.

    With `cached` they are looked up in the user's cache, and new ones are kept there. With `half` they are rounded to
    float16. With `spool` the arrays are files in that folder, mapped, so that memory does not grow with their number.
    UserError in the picture's name where a feature is no number, or none that float16 can hold.
    """
    caches = [FeatureCache(key, half) for key in way.keys] if cached else []
    widths = _widths(way, caches)
    skipped: list[tuple[int, str]] = []
    found = 0
    with ExitStack() as stack:

        def new() -> Rows:
            return stack.enter_context(closing(Spooled(spool) if spool else InMemory(len(samples))))

        columns, hashes, indices = {layer: new() for layer in way.layers}, new(), new()
        parts = stack.enter_context(closing(_parts(samples, way, caches, widths, half)))
        advance = stack.enter_context(progress.step("features", len(samples)))
        for part in parts:
            if len(part.indices):
                for layer, rows in zip(way.layers, split(part.outputs, widths), strict=True):
                    columns[layer].append(rows.astype(np.float16) if half else rows)
                hashes.append(part.hashes)
                indices.append(part.indices[:, None])
            skipped += part.skipped
            found += int((~part.fresh).sum())
            advance(len(part.indices) + len(part.skipped))
        return Gathered(
            indices.array().reshape(-1).astype(np.int64),
            {layer: rows.array() for layer, rows in columns.items()},
            hashes.array().reshape(-1, 32).astype(np.uint8, copy=False),
            tuple(skipped),
            found,
        )


def tells_nothing(rows: NDArray[Any]) -> bool:
    """Whether all of several pictures have the same features (n, d), but for rounding."""
    if len(rows) < 2:
        return False
    first = np.asarray(rows[0], np.float64)
    near = np.abs(first).max() * SAME
    step = rows_at_once(first.nbytes)
    return all(bool((np.abs(rows[at : at + step] - first) <= near).all()) for at in range(0, len(rows), step))


def split(outputs: NDArray[Any], widths: Callable[[], tuple[int, ...]]) -> list[NDArray[Any]]:
    """Layers that lie side by side, one by one."""
    return np.split(outputs, np.cumsum(widths())[:-1], axis=1)


def _widths(way: Way, caches: Sequence[FeatureCache]) -> Callable[[], tuple[int, ...]]:
    """Without building the network where the cache tells."""
    if len(way.layers) == 1:
        return lambda: (0,)  # of one layer nothing is split
    known = [cache.width for cache in caches]
    if known and None not in known:
        return lambda: tuple(width for width in known if width is not None)
    return way.widths


def _parts(
    samples: Samples,
    way: Way,
    caches: Sequence[FeatureCache],
    widths: Callable[[], tuple[int, ...]],
    half: bool,
) -> Generator[Part]:
    def known(content: bytes) -> Floats | None:
        rows = [row for cache in caches if (row := cache.find(content)) is not None]
        if not caches or len(rows) < len(caches):
            return None
        return rows[0] if len(rows) == 1 else np.concatenate(rows)

    def save(hashes: Hashes, outputs: Floats) -> None:
        for cache, rows in zip(caches, split(outputs, widths), strict=True):
            cache.save(hashes, rows)

    parts = stream(samples, way.prepare, way.infer, known, way.batch)
    sound = _sound(parts, samples, half)
    return kept(_released(sound, caches), save) if caches else sound


def _released(parts: Iterator[Part], caches: Sequence[FeatureCache]) -> Generator[Part]:
    """`parts`; every now and then the pages of the cache that they were found in are given back."""
    read = 0
    for part in parts:
        yield part
        read += int((~part.fresh).sum()) * part.outputs[:1].nbytes
        if read >= BYTES:
            read = 0
            for cache in caches:
                cache.release()


def _sound(parts: Iterator[Part], samples: Samples, half: bool) -> Generator[Part]:
    """`parts` as long as each feature is a number, rounded to what float16 holds with `half`."""
    for part in parts:
        _demand(
            np.isfinite(part.outputs), part, samples, "is no finite number; look at its weights and its input"
        )
        if half and len(part.indices):
            with np.errstate(over="ignore"):
                rounded = part.outputs.astype(np.float16)
            _demand(
                np.isfinite(rounded),
                part,
                samples,
                "is above 65,504, the most that float16 holds; leave --dtype out",
            )
            part = replace(part, outputs=rounded.astype(np.float32))
        yield part


def _demand(good: NDArray[np.bool_], part: Part, samples: Samples, otherwise: str) -> None:
    if not good.all():
        row = int(np.argmin(good.all(axis=1)))
        name = samples.name(int(part.indices[row]))
        raise UserError(f"{name}: a feature that the network gives {otherwise}")
