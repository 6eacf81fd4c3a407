"""What a class counts in the loss: by its size, or as a file says."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neocog.errors import UserError, unknown
from neocog.training.recipes.recipe import Recipe


def weights_of(recipe: Recipe, classes: int, counts: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """What each class counts (classes,), None where all count 1.

    `auto` is pictures / (classes * pictures of the class), scikit-learn's `balanced`; `sqrt` its square root, divided
    so that the mean over the training pictures is 1, which it is for `auto` by itself. A class without any picture
    counts 1, and not among the classes. UserError if there are not as many numbers as classes.
    """
    given = recipe.class_weights
    if given == "none":
        return None
    if not isinstance(given, str):
        if len(given) != classes:
            raise UserError(f"class_weights needs a number for each of {classes} classes, got {len(given)}")
        return np.array(given, dtype=np.float64)
    weights = np.maximum(counts, 1.0) ** (-1 if given == "auto" else -0.5)
    return np.where(counts > 0, weights * counts.sum() / (weights * counts).sum(), 1.0)


def class_weights_from(path: Path, classes: Sequence[str]) -> tuple[float, ...]:
    """A file's weight for each class, in the order of `classes`: JSON `{"cat": 2.5}`, else CSV with lines `cat,2.5`.

    A first line of CSV that names the columns is left out. UserError for an unreadable file, a class that is unknown,
    missing or there twice, and for a weight that is not a number above 0.
    """
    pairs = list(_pairs(path, classes))
    weights: dict[str, float] = {}
    for name, given in pairs:
        if name not in classes:
            raise UserError(f"{path}: {unknown('class', name, classes)}")
        if name in weights:
            raise UserError(f"{path}: each class must have one weight, {name!r} has two; leave one out")
        weights[name] = _weight(path, name, given)
    missing = [name for name in classes if name not in weights]
    if missing:
        raise UserError(f"{path}: each class must have a weight, {missing[0]!r} has none; add it")
    return tuple(weights[name] for name in classes)


def _pairs(path: Path, classes: Sequence[str]) -> Iterable[tuple[str, Any]]:
    try:
        text = path.read_text("utf-8-sig")
        if path.suffix.lower() == ".json":
            return _json_pairs(path, text)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UserError(
            f"cannot read the class weights in {path}: {error}; give a CSV or JSON file"
        ) from error
    rows = [row for row in csv.reader(text.splitlines()) if row]
    for row in rows:
        if len(row) != 2:
            raise UserError(f"{path}: each line must be a class and a weight, got {','.join(row)!r}")
    titled = bool(rows) and rows[0][0] not in classes and not _is_number(rows[0][1])
    return [(name, weight.strip()) for name, weight in rows[titled:]]


def _json_pairs(path: Path, text: str) -> Iterable[tuple[str, Any]]:
    """The pairs as written, so that a name that is there twice is seen."""
    pairs = json.loads(text, object_pairs_hook=lambda pairs: pairs)
    if not isinstance(pairs, list) or not all(isinstance(pair, tuple) for pair in pairs):
        raise UserError(f'{path}: class weights in JSON must be one object, such as {{"cat": 2.5}}')
    return pairs


def _weight(path: Path, name: str, given: Any) -> float:
    number = float(given) if _is_number(given) else 0.0
    if not 0 < number < float("inf"):
        raise UserError(f"{path}: the weight of {name!r} must be a number above 0, got {given!r}")
    return number


def _is_number(given: Any) -> bool:
    if isinstance(given, bool):
        return False
    try:
        float(given)
    except (TypeError, ValueError):
        return False
    return True
