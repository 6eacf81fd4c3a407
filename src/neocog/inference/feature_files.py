"""Files of features: npz, Parquet or safetensors by their name, written a block at a time, whole or not at all."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from neocog import files
from neocog.data.dataset import PARTS, UNLABELLED
from neocog.errors import UserError
from neocog.inference import npz_file, parquet_file, safetensors_file
from neocog.inference.feature_contents import Contents as Contents
from neocog.inference.tensor_file import pieces

FORMAT = 1
"""formats that are read; in the first, features were of one digest, whatever their layers"""
RESERVED = (
    "labels",
    "classes",
    "paths",
    "path_ends",
    "parts",
    "hashes",
    "targets",
    "about",
    "path",
    "label",
    "part",
    "hash",
)
"""names that layers cannot have in a file"""


class Kind(Protocol):
    """A module that writes and reads one kind of file."""

    def available(self) -> None:
        """UserError where a package that it needs is not installed."""

    def write(self, file: BinaryIO, contents: Contents, about: str) -> None:
        """Append all of `contents` to `file`, a block at a time."""

    def read(self, path: Path) -> tuple[Contents, str]:
        """What was written and `about`, not yet checked; raises anything where the file is damaged."""


SUFFIXES: dict[str, Kind] = {".npz": npz_file, ".parquet": parquet_file, ".safetensors": safetensors_file}


def is_features_file(path: Path) -> bool:
    """Whether a file lies there that is called like one of features."""
    return path.suffix.lower() in SUFFIXES and path.is_file()


def demand_place(path: Path) -> Path:
    """`path`, once it is clear that features can be written there: its name says the kind, its folder is made."""
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(
            f"features are written as {', '.join(SUFFIXES)}, got {path.name!r}; name such a file with -o"
        )
    if path.is_dir():
        raise UserError(f"{path} is a folder; name a file with -o")
    _kind(path)
    files.make_folder(path.parent)
    return path


def write_contents(path: Path, contents: Contents) -> None:
    """Write `contents` in the form that the suffix of `path` says."""
    odd = next((layer for layer in contents.features if layer in RESERVED), None)
    if odd:
        raise UserError(f"in a file of features {odd!r} is no layer; name it module:{odd}")
    about = json.dumps({"format": FORMAT, **contents.about, "classes": contents.classes}, ensure_ascii=True)
    with files.whole_file(path) as file:
        _kind(path).write(file, contents, about)


def read_contents(path: Path) -> Contents:
    """What `write_contents` wrote; UserError in words where the file is damaged, or another one."""
    try:
        contents, text = _kind(path).read(path)
        about = json.loads(text)
        if about["format"] != FORMAT:
            raise UserError(
                f"{path} is of format {about['format']}, which a newer neocog writes; update this one"
            )
        _check(contents)
        for layer, rows in contents.features.items():
            _check_layer(layer, rows, contents)
    except UserError:
        raise
    except Exception as error:  # whatever a damaged file makes the readers raise
        why = " ".join(str(error).split())[:120] or type(error).__name__
        raise UserError(
            f"{path} is damaged or no file of features ({why}); make it again with neocog embed"
        ) from error
    return replace(contents, about=about)


def _kind(path: Path) -> Kind:
    kind = SUFFIXES[path.suffix.lower()]
    kind.available()
    return kind


def _check(contents: Contents) -> None:
    """Raise ValueError where the arrays do not belong together."""
    n, classes = len(contents.hashes), len(contents.classes)
    labels, targets = contents.labels, contents.targets
    if contents.hashes.shape != (n, 32) or contents.hashes.dtype != np.uint8:
        raise ValueError("the hashes are none")
    if labels.shape != (n,) or contents.parts.shape != (n,):
        raise ValueError("labels or parts are not as many as pictures")
    if n and not (labels.min() >= UNLABELLED and labels.max() < classes):
        raise ValueError(f"a label is none of {classes} classes")
    if not set(np.unique(contents.parts)) <= {"", *PARTS}:
        raise ValueError("a part has another name than train, val or test")
    if targets is not None and targets.shape != (n, classes):
        raise ValueError("targets are not as many as pictures and classes")
    if not contents.features:
        raise ValueError("there is no layer")


def _check_layer(layer: str, rows: NDArray[Any], contents: Contents) -> None:
    """Raise ValueError where a layer is no table of the pictures, UserError where its numbers are none."""
    n = len(contents.hashes)
    if rows.ndim != 2 or len(rows) != n or rows.dtype not in (np.float32, np.float16):
        raise ValueError(f"{layer} is no table with a row for each of {n} pictures")
    at = 0
    for block in pieces(rows).blocks():
        good = np.isfinite(block).all(axis=1)
        if not good.all():
            name = contents.path(at + int(np.argmin(good)))
            raise UserError(
                f"features must be finite numbers, {layer} of {name} holds others; make them again"
            )
        at += len(block)
