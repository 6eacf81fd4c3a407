"""Views that print more than their page has facts."""

from __future__ import annotations

from dataclasses import dataclass

from neocog.api.see.seen import Facts, Seen
from neocog.draw.table import printable


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Lined(Seen):
    """A view with lines of figures, which on the page stand beside the pictures."""

    lines: Facts
    """what is meant, and its figures"""

    def __str__(self) -> str:
        return "\n".join(
            [super().__str__(), *(printable(f"{name:<24} {figures}") for name, figures in self.lines)]
        )
