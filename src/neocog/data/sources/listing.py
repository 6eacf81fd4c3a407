"""What an archive holds, gathered member by member: safe names and where the bytes lie; the rest is noted."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neocog.data.samples import Fetch, Members
from neocog.errors import UserError

MAX_MEMBERS = 20_000_000
MAX_NAME = 4096  # bytes, as long as a path may be on Linux


@dataclass(frozen=True)
class Inside:
    """The regular files of an archive in the order of its index."""

    archive: Path
    names: tuple[str, ...]
    """POSIX paths below the archive"""
    spans: NDArray[np.int64]
    fetch: Fetch
    bytes_in: Path
    notes: tuple[str, ...]

    def members(self, chosen: NDArray[np.int64]) -> Members:
        names = (self.names[i] for i in chosen)
        return Members(self.archive, names, self.spans[chosen], self.fetch, self.bytes_in)


@dataclass
class Listing:
    """An archive's index while it is read."""

    archive: Path
    places: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """name -> the numbers that `fetch` needs; of several members of one name the last, as when unpacking"""
    left_out: dict[str, list[str]] = field(default_factory=dict)
    """why -> names"""

    def add(self, name: str, span: tuple[int, ...]) -> None:
        safe = safe_name(name)
        if safe is None:
            return self.leave_out("members whose names lead out of it", name)
        if safe in self.places:
            self.leave_out("members that a later one of the same name replaces", name)
        self.places[safe] = span
        if len(self.places) > MAX_MEMBERS:
            raise UserError(f"{self.archive} must have at most {MAX_MEMBERS:,} members, got more; split it")
        return None

    def leave_out(self, why: str, name: str) -> None:
        self.left_out.setdefault(why, []).append(name[:200])

    def finish(self, fetch: Fetch, bytes_in: Path | None = None) -> Inside:
        notes = [
            f"left out: {len(names):,} {why} (as {names[0]})" for why, names in sorted(self.left_out.items())
        ]
        spans = np.array(list(self.places.values()) or np.empty((0, 2)), dtype=np.int64)
        return Inside(self.archive, tuple(self.places), spans, fetch, bytes_in or self.archive, tuple(notes))


def safe_name(name: str) -> str | None:
    """A member's name as a POSIX path below the archive; None where it leads elsewhere."""
    if name.startswith("/") or re.match(r"[A-Za-z]:", name) or "\0" in name:
        return None
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts or not parts or len(name.encode("utf-8", "surrogateescape")) > MAX_NAME:
        return None
    return "/".join(parts)
