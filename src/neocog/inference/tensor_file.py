"""safetensors files written piece by piece, for arrays that are larger than memory."""

from __future__ import annotations

import json
import mmap
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 1 << 22
"""bytes that are held at once"""
CODES = {"<f4": "F32", "<f2": "F16", "<i8": "I64", "|u1": "U8", "|b1": "BOOL"}
"""numpy's names of types -> the format's"""
TYPES = {code: np.dtype(name) for name, code in CODES.items()}


@dataclass(frozen=True)
class Pieces:
    """An array that comes in pieces, and as often as it is asked for."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    blocks: Callable[[], Iterator[NDArray[Any]]]
    """along the first axis, in order"""

    @property
    def size(self) -> int:
        return prod(self.shape) * self.dtype.itemsize


def rows_at_once(width: int) -> int:
    """How many rows of so many bytes make a block."""
    return max(1, BLOCK // max(1, width))


def pieces(array: NDArray[Any]) -> Pieces:
    """An array in memory, or a mapped one, block by block."""
    step = rows_at_once(array.nbytes // max(1, len(array)))

    def blocks() -> Iterator[NDArray[Any]]:
        for at in range(0, len(array), step):
            yield np.ascontiguousarray(array[at : at + step])
            release(array)

    return Pieces(array.dtype, array.shape, blocks)


def release(array: NDArray[Any]) -> None:
    """Give pages of a mapped file back that were read: they would count as this process's memory until it ends."""
    held = getattr(array, "_mmap", None)
    if isinstance(held, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        held.madvise(mmap.MADV_DONTNEED)


def parts_of(tensors: Mapping[str, Pieces], metadata: Mapping[str, str] | None = None) -> Iterator[bytes]:
    """The file, a piece after the other: its header, then the tensors in the order given."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    at = 0
    for name, tensor in tensors.items():
        header[name] = {
            "dtype": CODES[tensor.dtype.str],
            "shape": tensor.shape,
            "data_offsets": (at, at + tensor.size),
        }
        at += tensor.size
    text = json.dumps(header, ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    yield len(text).to_bytes(8, "little") + text
    yield from data_of(tensors.values())


def data_of(tensors: Iterable[Pieces]) -> Iterator[bytes]:
    """What stands behind the header."""
    return (block.tobytes() for tensor in tensors for block in tensor.blocks())


def mapped(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """The tensors, mapped and not loaded, and the metadata. Raises OSError, ValueError or KeyError where it is none."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length + 8 > size:
            raise ValueError("it is cut short")
        header = json.loads(file.read(length))
    metadata = header.pop("__metadata__", {})
    tensors: dict[str, NDArray[Any]] = {}
    for name, about in header.items():
        dtype, shape, (start, end) = TYPES[about["dtype"]], tuple(about["shape"]), about["data_offsets"]
        if end - start != prod(shape) * dtype.itemsize or 8 + length + end > size:
            raise ValueError("it is cut short")
        place = 8 + length + start
        tensors[name] = np.memmap(path, dtype, "r", place, shape) if end > start else np.empty(shape, dtype)
    return tensors, metadata
