"""A split as a table: which picture is in which part and fold, with the hash of its content."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neocog import runtime
from neocog.data.dataset import PARTS, Dataset
from neocog.data.samples import Samples, Verified, content_hash
from neocog.errors import Unreadable, UserError
from neocog.progress import Progress, Silent

COLUMNS = ("path", "label", "part", "fold", "group", "sha256")
SKIPPED = "skipped"
SHOWN = 3  # pictures named in a sentence


@dataclass(frozen=True)
class Row:
    """A picture's place in a split."""

    path: str
    """below the root of the data set, with forward slashes"""
    label: str
    """the class; several separated by `|`; empty where there is none"""
    part: str
    """train, val or test; `skipped` where it cannot be read; empty where it belongs to none"""
    fold: int | None = None
    """the fold that it judges, from 0"""
    group: str = ""
    sha256: str = ""
    """of its content; empty where it could not be read"""


def to_csv(rows: Iterable[Row]) -> str:
    """The rows under one header, as spreadsheets and pandas read them."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        fold = "" if row.fold is None else row.fold
        writer.writerow((row.path, row.label, row.part, fold, row.group, row.sha256))
    return text.getvalue()


def read_manifest(path: str | Path) -> tuple[Row, ...]:
    """The rows of a manifest, or of the `split.csv` of a run whose folder is given; errors name the line."""
    file = Path(path).expanduser()
    file = file / "split.csv" if file.is_dir() else file
    try:
        text = file.read_text("utf-8-sig", "surrogateescape")
    except OSError as error:
        raise UserError(f"cannot read the split {file}: {error.strerror}") from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    missing = [name for name in ("path", "part") if name not in (reader.fieldnames or ())]
    if missing:
        raise UserError(f"a split has the columns {', '.join(COLUMNS)}; {file} lacks {', '.join(missing)}")
    rows: dict[str, Row] = {}
    for cells in reader:
        row = _row(cells, f"{file}, line {reader.line_num}")
        if row.path in rows:
            raise UserError(f"{file}, line {reader.line_num}: {row.path} is there twice; keep one of them")
        rows[row.path] = row
    if not rows:
        raise UserError(f"the split {file} has no picture; write it again with: neocog data split")
    return tuple(rows.values())


def _row(cells: dict[str, str | None], where: str) -> Row:
    values = {name: cells.get(name) or "" for name in COLUMNS}
    if not values["path"]:
        raise UserError(f"{where}: the path is empty")
    if values["part"] not in (*PARTS, SKIPPED, ""):
        raise UserError(f"{where}: part must be one of {', '.join(PARTS)}, got {values['part']!r}")
    fold, digest = values.pop("fold"), values["sha256"].lower()
    if fold and not (fold.isascii() and fold.isdigit()):
        raise UserError(f"{where}: fold must be a whole number from 0, got {fold!r}")
    if digest and (len(digest) != 64 or set(digest) - set("0123456789abcdef")):
        raise UserError(f"{where}: sha256 must be 64 hexadecimal digits, got {digest!r}")
    return Row(**values | {"sha256": digest}, fold=int(fold) if fold else None)


def label_text(dataset: Dataset, index: int) -> str:
    """The classes of a picture as a manifest writes them."""
    if dataset.targets is not None:
        return "|".join(dataset.classes[i] for i in np.flatnonzero(dataset.targets[index]))
    label = int(dataset.labels[index])
    return dataset.classes[label] if label >= 0 else ""


def apply_split(dataset: Dataset, path: str | Path, fold: int | None = None) -> Dataset:
    """The pictures of `dataset` that the split at `path` names, with its parts; notes tell what does not fit.

    With `fold` the pictures of that fold judge (val) and those of the others train. Pictures that the split does not
    know, or that could not be read when it was made, are left out. A picture whose content is no longer the one that
    was split is `Unreadable` from then on.
    """
    rows = {row.path: row for row in read_manifest(path)}
    names = [dataset.short_name(i) for i in range(len(dataset))]
    kept = [i for i, name in enumerate(names) if name in rows and rows[name].part != SKIPPED]
    if not kept:
        there = next(iter(rows))
        raise UserError(f"{path} must name pictures of {dataset.name} such as {names[0]}, it names {there}")
    found = [rows[names[i]] for i in kept]
    notes = _differences(dataset, names, rows, str(path))
    chosen = dataset.select(np.array(kept, dtype=np.int64))
    return replace(
        chosen,
        parts=np.array(_parts(found, fold, str(path))),
        samples=Verified(chosen.samples, [row.sha256 for row in found], str(path)),
        notes=(*dataset.notes, *notes),
    )


def _parts(rows: Sequence[Row], fold: int | None, path: str) -> list[str]:
    folds = sorted({row.fold for row in rows if row.fold is not None})
    if fold is None:
        if folds:
            raise UserError(f"{path} has the folds 0 to {folds[-1]}; say with --fold which of them judges")
        return [row.part for row in rows]
    if fold not in folds:
        there = ", ".join(map(str, folds)) or "none"
        raise UserError(f"fold must be one of those in {path} ({there}), got {fold}")
    return [row.part if row.fold is None else "val" if row.fold == fold else "train" for row in rows]


def _differences(dataset: Dataset, names: Sequence[str], rows: dict[str, Row], path: str) -> list[str]:
    there = set(names)
    missing = [name for name, row in rows.items() if name not in there and row.part != SKIPPED]
    extra = [name for name in names if name not in rows]
    skipped = [name for name in names if name in rows and rows[name].part == SKIPPED]
    other = [
        name
        for i, name in enumerate(names)
        if name in rows and rows[name].label and rows[name].label != label_text(dataset, i)
    ]
    cases = (
        ("no longer there", missing),
        ("not in the split and left out", extra),
        ("unreadable when the split was made and left out", skipped),
        ("with another label in the split, the data's label counts", other),
    )
    return [f"warning: {_named(found)} {what} ({path})" for what, found in cases if found]


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(names[:SHOWN])
    return f"{counted(len(names), 'picture')} ({shown}{', ...' if len(names) > SHOWN else ''})"


def counted(n: int, what: str) -> str:
    """`1 picture`, `2,000 pictures`."""
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def content_hashes(
    samples: Samples, progress: Progress | None = None
) -> tuple[NDArray[np.uint8], dict[int, str]]:
    """SHA-256 of every picture (n, 32), zeros where it cannot be read; and the reasons for these."""

    def work(index: int) -> bytes | str:
        try:
            return content_hash(samples.read(index))
        except Unreadable as error:
            return str(error)

    hashes, reasons = np.zeros((len(samples), 32), np.uint8), {}
    told = progress or Silent()
    with told.step("hashing", len(samples)) as advance, ThreadPoolExecutor(runtime.threads()) as pool:
        for i, found in enumerate(pool.map(work, range(len(samples)))):
            if isinstance(found, str):
                reasons[i] = found
            else:
                hashes[i] = np.frombuffer(found, np.uint8)
            advance(1)
    return hashes, reasons
