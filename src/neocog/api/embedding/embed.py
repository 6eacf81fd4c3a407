"""The verb `embed`: features of every picture of some data, into a file, in constant memory."""

from __future__ import annotations

import html
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Unpack

from neocog.api.alone import demand_alone
from neocog.api.embedding.embedded import Embedded
from neocog.api.embedding.features import demand_some, embedded, gathered
from neocog.api.embedding.files import contents_of, read_features
from neocog.api.embedding.options import EmbedOptions
from neocog.api.embedding.origin import Origin
from neocog.api.keywords import demand_known
from neocog.draw.table import Table
from neocog.errors import UserError
from neocog.inference.feature_files import demand_place, is_features_file, write_contents
from neocog.inference.layer_features import LAST
from neocog.progress import Progress, Silent


@dataclass(frozen=True, kw_only=True, repr=False)
class Embedding:
    """What became of an `embed`."""

    output: Path | None
    """the file; None where the features are in memory alone"""
    rows: int
    """pictures with features"""
    widths: dict[str, int]
    """layer -> how many numbers a picture has"""
    cached: int
    """rows that were found, not computed"""
    skipped: tuple[tuple[str, str], ...]
    """(name, reason) of each picture that cannot be read"""
    seconds: float
    """for all of it"""
    engine: str
    dtype: str
    origin: Origin
    kept: Embedded | None = None
    """the features, where they were not written into a file"""

    @property
    def rate(self) -> float:
        """Pictures a second."""
        return (self.rows + len(self.skipped)) / max(self.seconds, 1e-9)

    def read(self) -> Embedded:
        """The features with their pictures, from the file where there is one."""
        if self.kept is None:
            assert self.output is not None
            return read_features(self.output)
        return self.kept

    def to_json(self) -> dict[str, Any]:
        """As `docs/embed.md` describes it, field by field."""
        return {
            "output": None if self.output is None else str(self.output),
            "rows": self.rows,
            "widths": self.widths,
            "cached": self.cached,
            "skipped": [{"path": path, "reason": reason} for path, reason in self.skipped],
            "seconds": self.seconds,
            "rate": self.rate,
            "engine": self.engine,
            "dtype": self.dtype,
            "origin": {**self.origin.to_json(), "key": self.origin.key()},
        }

    def table(self) -> Table:
        return Table(("layer", "numbers a picture"), tuple(self.widths.items()))

    def __str__(self) -> str:
        origin = self.origin
        pooling = f"pooling {origin.pooling}, " if origin.layers != (LAST,) else ""
        return "\n".join(
            (
                f"{self.rows:,} pictures in {self.seconds:.1f} s, {self.rate:,.0f} pictures/s: {self.cached:,} from "
                f"the cache, {self.rows - self.cached:,} computed, {len(self.skipped):,} skipped",
                f"{origin.model}, {origin.source}: {pooling}views {origin.views}, engine {self.engine}, "
                f"{self.dtype}",
                str(self.table()),
            )
        )

    def __repr__(self) -> str:
        return (
            f"Embedding({self.rows:,} pictures, {', '.join(f'{k}: {v:,}' for k, v in self.widths.items())})"
        )

    def _repr_html_(self) -> str:
        *lines, _ = str(self).split("\nlayer")
        shown = "".join(f"<p>{html.escape(line)}</p>" for line in lines[0].splitlines())
        return f"{shown}{self.table()._repr_html_()}"


def embed(
    source: str | Path,
    data: object,
    *,
    output: str | Path | None = None,
    progress: Progress | None = None,
    **options: Unpack[EmbedOptions],
) -> Embedding:
    """The features of `data` by a model, a run, or a file that this wrote; into the file `output` where one is named.

    Its name says the kind: .npz, .parquet or .safetensors. With `output` memory does not grow with the number of
    pictures; without they are in memory: `.read()` gives them in both cases. What was computed before an interruption
    is found in the cache when it runs again. `EmbedOptions` says what may be given. Raises `UserError` in words.
    """
    demand_known("embed", options, EmbedOptions.__annotations__)
    demand_alone("embed")
    start, told = perf_counter(), progress or Silent()
    if output is None:
        return _in_memory(embedded(source, data, told, **options), start, options)
    place = demand_place(Path(output).expanduser())
    if is_features_file(Path(source).expanduser()):
        raise UserError(
            f"{source} is a file of features already; name the model or run that they are to be computed by"
        )
    dataset, found, made = gathered(source, data, told, options, place.parent)
    skipped = demand_some(dataset, found, options.get("strict", False))
    with told.step(f"writing {place.name}", 1):
        write_contents(place, contents_of(dataset, found, made.origin))
    return Embedding(
        output=place,
        rows=len(found.indices),
        widths={layer: rows.shape[1] for layer, rows in found.features.items()},
        cached=found.cached,
        skipped=skipped,
        seconds=perf_counter() - start,
        engine=made.engine,
        dtype=options.get("dtype", "float32"),
        origin=made.origin,
    )


def _in_memory(kept: Embedded, start: float, options: EmbedOptions) -> Embedding:
    return Embedding(
        output=None,
        rows=len(kept.hashes),
        widths={layer: rows.shape[1] for layer, rows in kept.features.items()},
        cached=kept.cached,
        skipped=kept.skipped,
        seconds=perf_counter() - start,
        engine=kept.engine,
        dtype=options.get("dtype", "float32"),
        origin=kept.origin,
        kept=kept,
    )
