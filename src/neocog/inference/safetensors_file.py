"""Features as safetensors: tensors that any framework opens; what is no number stands in the metadata."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from neocog.data.dataset import PARTS
from neocog.inference.feature_contents import Contents
from neocog.inference.tensor_file import Pieces, data_of, mapped, parts_of, pieces

NAMES = ("", *PARTS)
"""of the numbers in `parts`"""


def available() -> None:
    """The format is written and read here."""


def write(file: BinaryIO, contents: Contents, about: str) -> None:
    ends = _ends(contents)
    codes = np.searchsorted(np.sort(NAMES), contents.parts)
    numbers = np.argsort(NAMES)[codes].astype(np.uint8)
    tensors = {
        "labels": pieces(contents.labels),
        "path_ends": pieces(ends),
        **{layer: pieces(rows) for layer, rows in contents.features.items()},
        "hashes": pieces(contents.hashes),
        "parts": pieces(numbers),
        "paths": _paths(contents, int(ends[-1]) if len(ends) else 0),
        **({} if contents.targets is None else {"targets": pieces(contents.targets)}),
    }
    total = _digest(about, data_of(tensors.values()))
    file.writelines(parts_of(tensors, {"neocog": about, "sha256": total}))


def read(path: Path) -> tuple[Contents, str]:
    tensors, metadata = mapped(path)
    about = metadata.get("neocog")
    if about is None:
        raise ValueError("neocog did not write it")
    if _digest(about, data_of(map(pieces, tensors.values()))) != metadata["sha256"]:
        raise ValueError("its SHA-256 is another")
    ends, text = tensors.pop("path_ends"), tensors.pop("paths")
    hashes, labels, parts = (tensors.pop(name) for name in ("hashes", "labels", "parts"))
    targets, classes = tensors.pop("targets", None), tuple(json.loads(about)["classes"])
    if len(ends) != len(hashes):
        raise ValueError("paths are not as many as pictures")

    def name(row: int) -> str:
        start = int(ends[row - 1]) if row else 0
        return text[start : int(ends[row])].tobytes().decode("utf-8", "surrogateescape")

    contents = Contents(tensors, hashes, np.array(labels), classes, np.array(NAMES)[parts], name, targets, {})
    return contents, about


def _encoded(contents: Contents) -> Iterator[bytes]:
    return (path.encode("utf-8", "surrogateescape") for some in contents.paths() for path in some)


def _ends(contents: Contents) -> NDArray[np.int64]:
    """Where each path ends in the tensor that holds them all."""
    return np.cumsum(np.fromiter((len(path) for path in _encoded(contents)), np.int64, len(contents)))


def _paths(contents: Contents, size: int) -> Pieces:
    def blocks() -> Iterator[NDArray[Any]]:
        for some in contents.paths():
            yield np.frombuffer("".join(some).encode("utf-8", "surrogateescape"), np.uint8)

    return Pieces(np.dtype(np.uint8), (size,), blocks)


def _digest(about: str, data: Iterator[bytes]) -> str:
    """SHA-256 over both; the format has no sums of its own."""
    total = hashlib.sha256(about.encode())
    for block in data:
        total.update(block)
    return total.hexdigest()
