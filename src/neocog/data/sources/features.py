"""Which columns of a table in Hugging Face's form hold the picture, the label and the part.

The form is that of the library `datasets`: a schema whose metadata say `Image` and `ClassLabel`, and pictures as a
structure of `bytes` and `path`, of which one may be null.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neocog.data.dataset import UNLABELLED
from neocog.data.reading import Reading
from neocog.data.samples import Files
from neocog.data.sources.tree import natural
from neocog.errors import Unreadable, UserError

PICTURES = ("image", "img", "picture", "jpg", "png", "bytes", "path", "file", "file_name", "filename")
LABELS = ("label", "labels", "class", "target", "fine_label", "category", "y")
PARTS = ("part", "split")


@dataclass(frozen=True)
class Choice:
    """The columns that matter, and the class names that the schema gives."""

    picture: str
    label: str | None
    part: str | None
    names: tuple[str, ...]


def given_columns(reading: Reading, roles: Sequence[str], place: object) -> dict[str, str]:
    """The columns by role as the user gave them; UserError for a role that such data cannot play."""
    if odd := next((role for role in reading.columns if role not in roles), None):
        raise UserError(f"columns of {place} may be given for {', '.join(roles)}, got {odd}; leave it out")
    return dict(reading.columns)


def choose(
    place: object, columns: Sequence[str], known: Mapping[str, Any], given: Mapping[str, str]
) -> Choice:
    """The columns by the user's word, else by the types that the schema gives (`known`), else by their names."""
    for role, name in given.items():
        if name not in columns:
            raise UserError(
                f"the column for {role} must be in {place}, got {name!r}; it has {', '.join(columns)}"
            )
    picture = given.get("path") or _typed(known, "Image") or _first(PICTURES, columns)
    if picture is None:
        raise UserError(
            f"{place} must have a column of pictures, got {', '.join(columns)}; say which with --columns path=NAME"
        )
    label = given.get("label") or _typed(known, "ClassLabel") or _first(LABELS, columns)
    names = known.get(label or "", {}).get("names") or ()
    return Choice(picture, label, given.get("part") or _first(PARTS, columns), tuple(map(str, names)))


def _typed(known: Mapping[str, Any], kind: str) -> str | None:
    return next((name for name, feature in known.items() if _type(feature) == kind), None)


def _type(feature: Any) -> str:
    return str(feature.get("_type", "")) if isinstance(feature, Mapping) else ""


def _first(wanted: Sequence[str], columns: Sequence[str]) -> str | None:
    by_name = {column.lower(): column for column in reversed(columns)}
    return next((by_name[name] for name in wanted if name in by_name), None)


def classes_of(
    place: object, values: Sequence[Any], names: tuple[str, ...]
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Classes, and each value's place among them: the schema's `names`, else the values that occur, in natural order.

    None is no label; so is -1 beside `names`, as the publishers of test sets write it.
    """
    if (
        several := next((i for i, value in enumerate(values) if isinstance(value, list | dict)), None)
    ) is not None:
        raise UserError(
            f"{place}, row {several}: a label must be a name or a number, got {str(values[several])[:80]}; "
            "pictures of several classes are read from a .csv or .jsonl"
        )
    if names:
        numbers = np.array([UNLABELLED if value is None else int(value) for value in values], dtype=np.int64)
        if (odd := np.flatnonzero((numbers < UNLABELLED) | (numbers >= len(names)))).size:
            raise UserError(
                f"{place}, row {odd[0]}: the label must be below {len(names)}, got {numbers[odd[0]]}"
            )
        return names, numbers
    occurring = {str(value) for value in values if value is not None}
    classes = tuple(sorted(occurring, key=natural))
    where = {name: i for i, name in enumerate(classes)}
    labels = [UNLABELLED if value is None else where[str(value)] for value in values]
    return classes, np.array(labels, dtype=np.int64)


def picture_bytes(value: Any, folder: Path) -> bytes:
    """The encoded picture in a table's cell: bytes, a path below `folder`, or a structure of both."""
    if isinstance(value, Mapping):
        inside = value.get("bytes")
        value = inside if inside is not None else value.get("path")
    if isinstance(value, str):
        return Files([folder / value]).read(0)
    if not isinstance(value, bytes | bytearray):
        raise Unreadable(f"no picture in this row, but {type(value).__name__}")
    if not value:
        raise Unreadable("empty file (0 bytes)")
    return bytes(value)


def needed(package: str, what: str, load: Callable[[], Any]) -> Any:
    """An optional package; an error in words says what it is needed for, and how to install it."""
    try:
        return load()
    except ImportError as error:
        raise UserError(f"{what} need the package {package}; run: pip install 'neocog[data]'") from error
