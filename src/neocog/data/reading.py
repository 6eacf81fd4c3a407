"""What a user may say about how a data set is to be read, beyond its name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from neocog.errors import UserError, unknown

ROLES = ("path", "label", "group", "part", "fold", "box", "annotator")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How `open_dataset` reads: every field has a default that fits data which are as their format wants them."""

    columns: Mapping[str, str] = field(default_factory=dict)
    """for tables, which column plays a role: of `ROLES`, `{"path": "file", "label": "species"}`"""
    place: Path | None = None
    """where the files of a built-in data set lie, where that is not the usual place"""
    download: bool = False
    """fetch a built-in data set over the network, checked by its SHA-256, if it is not here"""
    quarantine: Path | None = None
    """a list of pictures to leave out, as `data check` writes it"""

    def __post_init__(self) -> None:
        for role, column in self.columns.items():
            if role not in ROLES:
                raise unknown("role of a column", role, ROLES)
            if not column:
                raise UserError(f"the column for {role} must have a name, got an empty one")
