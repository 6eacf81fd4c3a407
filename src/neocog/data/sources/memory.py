"""Pictures and labels that a program holds: a pair of sequences, or a data frame that names files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from neocog.data.dataset import Dataset
from neocog.data.reading import Reading
from neocog.data.samples import as_samples
from neocog.data.sources.labels import as_labels, class_list, said
from neocog.data.sources.rows import Rows
from neocog.data.sources.tables import on_disk
from neocog.errors import UserError


def read_pair(pictures: object, labels: object, reading: Reading) -> Dataset:
    """Arrays, PIL pictures or paths with a label each: any values, whose texts are the class names.

    None and NaN are no label, a list of values is several.
    """
    samples = as_samples(pictures)
    if not isinstance(labels, Iterable) or isinstance(labels, str | bytes):
        raise UserError(f"labels must be a sequence with one entry per picture, got {type(labels).__name__}")
    cells = [_cell(label) for label in labels]
    if len(cells) != len(samples) or not cells:
        raise UserError(f"each picture needs one label, got {len(samples)} pictures and {len(cells)} labels")
    known = class_list(reading.classes) if reading.classes else ()
    rows = Rows("labels", {"label": cells}, range(len(cells)))
    found = as_labels(said(rows, ("label",), known), known)
    return Dataset(
        "arrays",
        samples,
        found.labels,
        found.classes,
        np.full(len(cells), ""),
        targets=found.targets,
        listed=True,
    )


def is_frame(data: object) -> bool:
    """Whether `data` has columns by name as pandas', polars' and others' data frames do."""
    return all(hasattr(data, name) for name in ("columns", "__getitem__", "__len__", "shape"))


def read_frame(frame: Any, reading: Reading) -> Dataset:
    """The pictures that a data frame names, as a table does; paths are relative to the working folder."""
    columns = {str(name): list(frame[name].to_list()) for name in frame.columns}
    return on_disk(Rows("DataFrame", columns, range(len(frame))), reading, "DataFrame", Path())


def _cell(label: Any) -> Any:
    """A list, so that a text is one label whatever marks it holds; a number of numpy's becomes Python's."""
    plain = label.tolist() if isinstance(label, np.generic | np.ndarray) else label
    if isinstance(plain, list | tuple):
        return list(plain)
    return [plain]
