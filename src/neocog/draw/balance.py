"""How many pictures each class has, as bars: an SVG picture, and lines for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from neocog.draw.palette import drawing, heading, style
from neocog.draw.table import printable, width
from neocog.draw.text import fit, length, safe

WIDTH, NAMES, VALUES, ROW, TOP = 640.0, 190.0, 74.0, 20.0, 52.0
MOST = 40  # bars; of more classes the largest and the smallest are shown
COLOURS = {"train": "conv", "val": "linear", "test": "pool", "": "conv"}
STYLE = style(
    "ncc",
    """
.ncc text{fill:var(--s);font-size:12px}.ncc .h{fill:var(--i);font-size:14px;font-weight:650}.ncc .track{fill:var(--t)}
.ncc .gap{font-style:italic}
""",
)
EIGHTHS = " ▏▎▍▌▋▊▉"


@dataclass(frozen=True)
class ClassCount:
    """A class and its pictures by part; the part is empty where the data have none."""

    name: str
    parts: tuple[tuple[str, int], ...]

    @property
    def count(self) -> int:
        return sum(count for _, count in self.parts)


def shown(classes: Sequence[ClassCount]) -> list[ClassCount | int]:
    """The classes, largest first; where they are too many a number stands for those that are left out."""
    ranked = sorted(classes, key=lambda row: -row.count)
    if len(ranked) <= MOST:
        return list(ranked)
    half = MOST // 2
    return [*ranked[:half], len(ranked) - MOST, *ranked[-half:]]


def balance(title: str, classes: Sequence[ClassCount]) -> str:
    """A bar for each class, cut by parts, as an SVG that needs nothing else. Names are untrusted and escaped."""
    rows = shown(classes)
    largest = max((row.count for row in classes), default=0) or 1
    height = TOP + ROW * len(rows) + 6
    body = "".join(_row(n, row, largest) for n, row in enumerate(rows))
    parts = list(dict.fromkeys(part for row in classes for part, _ in row.parts if part))
    body = f"{heading(title)}{_legend(parts)}{body}"
    return drawing("ncc", title, (WIDTH, height), body, STYLE, (0, WIDTH * 1.25))


def _legend(parts: Sequence[str]) -> str:
    pieces, x = [], NAMES
    for part in parts:
        pieces.append(
            f'<rect class="k-{COLOURS[part]}" x="{x:g}" y="30" width="11" height="11" rx="3"/>'
            f'<text x="{x + 17:g}" y="40">{safe(part)}</text>'
        )
        x += 34 + length(part, 12)
    return "".join(pieces)


def _row(n: int, row: ClassCount | int, largest: int) -> str:
    y, room = TOP + ROW * n, WIDTH - NAMES - VALUES
    if isinstance(row, int):
        return f'<text class="gap" x="{NAMES:g}" y="{y + 13:g}">{row:,} classes between these</text>'
    pieces, x = [], NAMES
    for part, count in row.parts:
        size = room * count / largest
        pieces.append(
            f'<rect class="k-{COLOURS[part]}" x="{x:.2f}" y="{y + 3:g}" width="{size:.2f}" height="13">'
            f"<title>{safe(row.name)}{', ' if part else ''}{part}: {count:,}</title></rect>"
        )
        x += size
    return (
        f'<text x="{NAMES - 8:g}" y="{y + 13:g}" text-anchor="end">{safe(fit(row.name, NAMES - 10, 12))}</text>'
        f'<rect class="track" x="{NAMES:g}" y="{y + 3:g}" width="{room:g}" height="13"/>{"".join(pieces)}'
        f'<text x="{WIDTH - 2:g}" y="{y + 13:g}" text-anchor="end">{row.count:,}</text>'
    )


def text_balance(classes: Sequence[ClassCount], columns: int = 40) -> str:
    """The bars as lines of text, the longest `columns` wide."""
    rows = shown(classes)
    largest = max((row.count for row in classes), default=0) or 1
    names = [printable(row.name) if isinstance(row, ClassCount) else "" for row in rows]
    room = max(map(width, names), default=0)
    lines = []
    for name, row in zip(names, rows, strict=True):
        space = " " * (room - width(name))
        if isinstance(row, int):
            lines.append(f"{space}  ... {row:,} classes between these")
            continue
        whole, rest = divmod(row.count * columns * 8 // largest, 8)
        bar = "█" * whole + EIGHTHS[rest].strip()
        lines.append(f"{name}{space}  {bar}{' ' if bar else ''}{row.count:,}")
    return "\n".join(lines)
