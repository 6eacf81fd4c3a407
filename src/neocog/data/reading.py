"""What a user may say about how a data set is to be read, beyond its name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict, Unpack

from neocog.errors import UserError, unknown
from neocog.progress import Progress

ROLES = ("path", "label", "group", "part", "fold", "box", "annotator")
CONSENSUS = ("majority", "dawid-skene")

MEANT_FOR = {
    "columns": "tables and Parquet files",
    "classes": "tables",
    "consensus": "tables with several annotators",
    "published_split": "SUN-397",
}
"""fields of `Reading` that not every kind of data can heed"""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How `open_dataset` reads: every field has a default that fits data which are as their format wants them."""

    columns: Mapping[str, str] = field(default_factory=dict)
    """for tables, which column plays a role: of `ROLES`, `{"path": "file", "label": "species"}`; several joined by +"""
    classes: Path | None = None
    """a file with a class name a line, the classes of a table: labels are these names or their places from 0"""
    consensus: str | None = None
    """of `CONSENSUS`, how the labels of several annotators become one; majority where a table has annotators"""
    published_split: int | None = None
    """which of several published splits, from 1, where a data set comes with several; the first if not given"""
    place: Path | None = None
    """where the files of a built-in data set lie, where that is not the usual place"""
    download: bool = False
    """fetch a built-in data set over the network, checked by its SHA-256, if it is not here"""
    progress: Progress | None = None
    """who is told how far a download is"""
    split: Path | None = None
    """a manifest, or a run whose split is to be taken again: says which picture is in which part"""
    fold: int | None = None
    """of a manifest with folds, the one that judges; the others train"""
    quarantine: Path | None = None
    """a list of pictures to leave out, as `data check` writes it"""

    def __post_init__(self) -> None:
        for role, column in self.columns.items():
            if role not in ROLES:
                raise unknown("role of a column", role, ROLES)
            if not column:
                raise UserError(f"the column for {role} must have a name, got an empty one")
        if self.published_split is not None and self.published_split < 1:
            raise UserError(f"published_split counts from 1, got {self.published_split}")
        if self.consensus not in (None, *CONSENSUS):
            raise unknown("consensus", str(self.consensus), CONSENSUS)
        if self.fold is not None and self.split is None:
            raise UserError("a fold is one of a split; name its manifest with --split")


def demand_heeded(reading: Reading, heeded: Collection[str], place: object) -> None:
    """UserError where something was said about the reading of `place` that its kind of data cannot heed."""
    for name, kind in MEANT_FOR.items():
        if getattr(reading, name) and name not in heeded:
            raise UserError(f"{name} is for {kind}, got {place}; leave it out")


class ReadingOptions(TypedDict, total=False):
    """What the verbs that read data take by keyword; the fields of `Reading` say what each does."""

    columns: Mapping[str, str] | None
    classes: str | Path | None
    consensus: str | None
    split: str | Path | None
    fold: int | None
    quarantine: str | Path | None


def make_reading(**options: Unpack[ReadingOptions]) -> Reading:
    """The `Reading` that the verbs' keyword arguments describe."""
    return Reading(
        columns=options.get("columns") or {},
        classes=_path(options.get("classes")),
        consensus=options.get("consensus"),
        split=_path(options.get("split")),
        fold=options.get("fold"),
        quarantine=_path(options.get("quarantine")),
    )


def columns_from(text: str) -> dict[str, str]:
    """`path=file,label=species` as a mapping from roles to columns."""
    pairs = [pair.partition("=") for pair in text.split(",")] if text else []
    odd = next((role for role, equals, _ in pairs if not equals), None)
    if odd is not None:
        raise UserError(f"columns must be given as ROLE=COLUMN,..., got {odd!r} without '='")
    return {role.strip(): column.strip() for role, _, column in pairs}


def _path(given: str | Path | None) -> Path | None:
    return None if given is None else Path(given).expanduser()
