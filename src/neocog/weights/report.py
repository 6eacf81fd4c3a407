"""What became of each tensor of a weight file, and of each tensor of the network."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from neocog.draw.table import Table, printable

SHOWN = 3
GIVEN = "the given state dict"  # the source where it is no file


@dataclass(frozen=True)
class LoadReport:
    """The result of loading weights into a network. It prints itself as a table; `table(all=True)` has every name."""

    source: str
    layout: str
    """whose names and shapes the weights had"""
    matched: dict[str, str] = field(default_factory=dict)
    """name in the network -> name in the file; a tensor joined of several has all their names"""
    adapted: dict[str, str] = field(default_factory=dict)
    """name in the network -> what was done to make it fit; these are matched, too"""
    fresh: tuple[str, ...] = ()
    """of the network, left as they were drawn: a last layer for other classes"""
    left_out: dict[str, str] = field(default_factory=dict)
    """name in the file -> why the network has no use for it"""
    missing: tuple[str, ...] = ()
    """of the network, which the file should have and has not"""
    unexpected: tuple[str, ...] = ()
    """of the file, which the network should have and has not"""
    misfits: dict[str, str] = field(default_factory=dict)
    """name in the network -> its shape and that of the file"""
    notes: tuple[str, ...] = ()
    refusal: str = ""
    """why the weights were not loaded, in one line; empty where they were"""

    @property
    def ok(self) -> bool:
        return not self.refusal

    def table(self, *, all: bool = False) -> Table:
        """A row for each kind with the first names, or with `all` a row for each tensor."""
        if all:
            rows = [(kind, name, what) for kind, items in self._kinds() for name, what in items.items()]
            return Table(("kind", "tensor", "which"), tuple(rows))
        counted = [(kind, len(items), _first(items)) for kind, items in self._kinds()]
        return Table(("tensors", "number", "which"), tuple(counted))

    def _kinds(self) -> list[tuple[str, dict[str, str]]]:
        always = [
            ("matched", self.matched),
            ("missing", dict.fromkeys(self.missing, "")),
            ("unexpected", dict.fromkeys(self.unexpected, "")),
        ]
        sometimes = [
            ("of another shape", self.misfits),
            ("adapted", self.adapted),
            ("freshly drawn", dict.fromkeys(self.fresh, "")),
            ("left out", self.left_out),
        ]
        return always + [(kind, items) for kind, items in sometimes if items]

    def __str__(self) -> str:
        return "\n".join([self._title(), str(self.table()), *self._remarks()])

    def _repr_html_(self) -> str:
        parts = [Table((self._title(),), ()), self.table(), *(Table((line,), ()) for line in self._remarks())]
        return "".join(part._repr_html_() for part in parts)

    def _title(self) -> str:
        return printable(f"{self.source}, read as {self.layout}")

    def _remarks(self) -> list[str]:
        return [*self.notes, *([f"not loaded: {self.refusal}"] if self.refusal else [])]


def _first(items: dict[str, str]) -> str:
    return first(name if what in ("", name) else f"{name}: {what}" for name, what in items.items())


def first(names: Iterable[str]) -> str:
    """The first few names, for a sentence."""
    listed = list(names)
    few = [printable(name[:120]) for name in listed[:SHOWN]]  # they are other people's words
    return ", ".join(few) + (", …" if len(listed) > SHOWN else "")


def shown(shape: tuple[int, ...]) -> str:
    """A shape in words."""
    return "x".join(map(str, shape)) or "a number"
