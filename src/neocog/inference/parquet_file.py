"""Features as Parquet: a row for each picture, a list of numbers for each layer, for data frames and databases."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from json import loads
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from neocog.data.dataset import UNLABELLED
from neocog.data.sources.features import needed
from neocog.inference.feature_contents import Contents
from neocog.inference.tensor_file import rows_at_once

KEY = b"neocog"
"""of the schema's metadata"""
ROWS = 4096
"""that are read at once"""
OWN = ("path", "label", "part", "hash", "targets")


def available() -> None:
    """UserError where pyarrow is not installed."""
    needed("pyarrow", "Parquet files", lambda: import_module("pyarrow.parquet"))


def write(file: BinaryIO, contents: Contents, about: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    layers = contents.features
    width = sum(rows.shape[1] * rows.dtype.itemsize for rows in layers.values())
    own = {"path": pa.string(), "label": pa.string(), "part": pa.string(), "hash": pa.binary(32)}
    if contents.targets is not None:
        own["targets"] = pa.list_(pa.bool_(), len(contents.classes))
    columns = {
        name: pa.list_(pa.from_numpy_dtype(rows.dtype), rows.shape[1]) for name, rows in layers.items()
    }
    schema = pa.schema({**own, **columns}, metadata={KEY: about.encode()})
    with pq.ParquetWriter(
        file, schema, compression="zstd", use_dictionary=["label", "part"], write_page_checksum=True
    ) as writer:
        for rows in _groups(len(contents), rows_at_once(width)):
            writer.write_table(pa.table(_columns(contents, rows, schema), schema))


def read(path: Path) -> tuple[Contents, str]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        about = (file.schema_arrow.metadata or {}).get(KEY, b"").decode()
        if not about:
            raise ValueError("neocog did not write it")
        classes = tuple(loads(about)["classes"])
        tables, words = _read_columns(file)
    return _contents(tables, words, classes), about


def _read_columns(file: Any) -> tuple[dict[str, NDArray[Any]], dict[str, list[Any]]]:
    """The layers as tables, the other columns as lists."""
    fields = {name: file.schema_arrow.field(name).type for name in file.schema_arrow.names}
    layers = {name: kind for name, kind in fields.items() if name not in OWN}
    tables: dict[str, NDArray[Any]] = {
        name: np.empty((file.metadata.num_rows, kind.list_size), kind.value_type.to_pandas_dtype())
        for name, kind in layers.items()
    }
    words: dict[str, list[Any]] = {name: [] for name in fields if name in OWN}
    at = 0
    for batch in file.iter_batches(ROWS):
        for name, table in tables.items():
            flat = batch[name].flatten().to_numpy(zero_copy_only=False)
            table[at : at + len(batch)] = flat.reshape(len(batch), table.shape[1])
        for name, column in words.items():
            column += batch[name].to_pylist()
        at += len(batch)
    return tables, words


def _contents(
    tables: dict[str, NDArray[Any]], words: dict[str, list[Any]], classes: tuple[str, ...]
) -> Contents:
    places = {name: i for i, name in enumerate(classes)}
    paths = words["path"]
    labels = [UNLABELLED if label is None else places[label] for label in words["label"]]
    hashes = np.frombuffer(b"".join(words["hash"]), np.uint8).reshape(-1, 32)
    targets = np.array(words["targets"], bool).reshape(-1, len(classes)) if "targets" in words else None
    parts = np.array(words["part"], np.str_).reshape(-1)
    return Contents(
        tables, hashes, np.array(labels, np.int64), classes, parts, lambda i: str(paths[i]), targets, {}
    )


def _groups(n: int, step: int) -> Iterator[slice]:
    return (slice(at, min(at + step, n)) for at in range(0, n, step))


def _columns(contents: Contents, rows: slice, schema: Any) -> dict[str, Any]:
    import pyarrow as pa

    classes = contents.classes
    labels = [None if label == UNLABELLED else classes[label] for label in contents.labels[rows].tolist()]
    columns: dict[str, Any] = {
        "path": [_text(contents.path(i)) for i in range(rows.start, rows.stop)],
        "label": labels,
        "part": contents.parts[rows].tolist(),
        "hash": [row.tobytes() for row in contents.hashes[rows]],
    }
    lists = dict(contents.features)
    if contents.targets is not None:
        lists["targets"] = contents.targets
    for name, table in lists.items():
        kind = schema.field(name).type
        flat = pa.array(np.ascontiguousarray(table[rows]).reshape(-1), kind.value_type)
        columns[name] = pa.FixedSizeListArray.from_arrays(flat, type=kind)
    return columns


def _text(path: str) -> str:
    """A name whose bytes are no UTF-8 with these written out, since the format holds no others."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
