"""One thing found in a data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from neocog.data.checks.kinds import KINDS, Severity

SHOWN = 4  # names of classes in a sentence


@dataclass(frozen=True)
class Finding:
    """What was found, and in which pictures; `KINDS[kind]` says why it matters and what to do."""

    kind: str
    pictures: tuple[int, ...]
    """indices of the data set, ascending; none where the finding is about classes or files that are no pictures"""
    words: str
    """what was seen here, a sentence without the pictures' names"""

    @property
    def severity(self) -> Severity:
        return KINDS[self.kind].severity


def listed(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else "")
