"""Features as an npz: plain arrays that `numpy.load` opens, pickling forbidden."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from neocog.inference.feature_contents import Contents
from neocog.inference.tensor_file import Pieces, pieces

EPOCH = (1980, 1, 1, 0, 0, 0)  # the same features are the same file, whenever it is written


def available() -> None:
    """numpy is always there."""


def write(file: BinaryIO, contents: Contents, about: str) -> None:
    tables = {
        **contents.features,
        "labels": contents.labels,
        "hashes": contents.hashes,
        **({} if contents.targets is None else {"targets": contents.targets}),
    }
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in tables.items():
            _add(archive, name, pieces(np.asanyarray(array)), zipfile.ZIP_STORED)
        texts = {"parts": pieces(contents.parts.astype("U5")), "paths": _paths(contents)}
        texts |= {"classes": pieces(_text(contents.classes)), "about": pieces(_text([about]))}
        for name, text in texts.items():
            _add(archive, name, text, zipfile.ZIP_DEFLATED)


def read(path: Path) -> tuple[Contents, str]:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        arrays: dict[str, NDArray[Any]] = {name: archive[name] for name in archive.files}
    if "about" not in arrays:
        raise ValueError("neocog did not write it")
    about, paths = str(arrays.pop("about")[0]), arrays.pop("paths")
    hashes, labels, parts = (arrays.pop(name) for name in ("hashes", "labels", "parts"))
    classes, targets = tuple(map(str, arrays.pop("classes"))), arrays.pop("targets", None)
    if len(paths) != len(hashes):
        raise ValueError("paths are not as many as pictures")
    contents = Contents(arrays, hashes, labels, classes, parts, lambda i: str(paths[i]), targets, {})
    return contents, about


def _add(archive: zipfile.ZipFile, name: str, array: Pieces, compression: int) -> None:
    entry = zipfile.ZipInfo(f"{name}.npy", EPOCH)
    entry.compress_type = compression
    header = {"descr": npy.dtype_to_descr(array.dtype), "fortran_order": False, "shape": array.shape}
    with archive.open(entry, "w", force_zip64=True) as member:
        npy.write_array_header_1_0(member, header)
        for block in array.blocks():
            member.write(block.tobytes())


def _text(words: Any) -> NDArray[np.str_]:
    return np.array(list(words), np.str_)


def _paths(contents: Contents) -> Pieces:
    """As numpy's text, as wide as the longest, a block at a time."""
    longest = max((len(path) for some in contents.paths() for path in some), default=1)
    dtype = np.dtype(f"<U{max(longest, 1)}")

    def blocks() -> Iterator[NDArray[Any]]:
        return (np.array(some, dtype) for some in contents.paths())

    return Pieces(dtype, (len(contents),), blocks)
