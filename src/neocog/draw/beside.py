"""Printed values beside recomputed ones: `784 = 784`, `23 ≈ 23.232`, `34 ✗ 18`; for a terminal, or as HTML."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

from neocog.draw.table import width

COLOURS = {"✗": "#fff3c4", "≠": "#ffd2cf", "?": "#dcebff"}


@dataclass(frozen=True)
class Pair:
    """What is printed, how ours stands to it, and ours."""

    printed: str
    sign: str
    ours: str

    def __str__(self) -> str:
        return f"{self.printed} {self.sign} {self.ours}"


@dataclass(frozen=True)
class Beside:
    """A table of pairs; None where nothing is printed."""

    corner: tuple[str, ...]
    """what stands above the rows' names, which may have several parts"""
    header: tuple[str, ...]
    rows: tuple[tuple[tuple[str, ...], tuple[Pair | None, ...]], ...]
    """names and pairs"""

    def __str__(self) -> str:
        """The pairs of a column stand with their signs one below the other."""
        names = [self.corner, *(name for name, _ in self.rows)]
        columns = [_padded(part) for part in zip(*names, strict=True)]
        for i, title in enumerate(self.header):
            columns.append(_column(title, [pairs[i] for _, pairs in self.rows]))
        return "\n".join("  ".join(line).rstrip() for line in zip(*columns, strict=True))

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{html.escape(name)}</th>" for name in (*self.corner, *self.header))
        body = "".join(
            f"<tr>{''.join(f'<th>{html.escape(n)}</th>' for n in name)}{''.join(map(_cell, pairs))}</tr>"
            for name, pairs in self.rows
        )
        return f"<table><tr>{head}</tr>{body}</table>"


def _column(title: str, pairs: Sequence[Pair | None]) -> list[str]:
    left = max((width(pair.printed) for pair in pairs if pair), default=0)
    cells = [
        f"{' ' * (left - width(pair.printed))}{pair.printed} {pair.sign} {pair.ours}" if pair else ""
        for pair in pairs
    ]
    return _padded([title, *cells])


def _padded(cells: Sequence[str]) -> list[str]:
    room = max(map(width, cells))
    return [cell + " " * (room - width(cell)) for cell in cells]


def _cell(pair: Pair | None) -> str:
    if pair is None:
        return "<td></td>"
    colour = COLOURS.get(pair.sign)
    style = f' style="background:{colour};color:#222"' if colour else ""
    return f"<td{style}>{html.escape(str(pair))}</td>"
