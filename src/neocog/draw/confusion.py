"""A confusion matrix as CSV, as a table or a map in SVG, and the pairs of classes confused most often.

`counts[true, predicted]` are pictures, classes in the same order both ways.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from neocog.draw.palette import drawing, heading, style
from neocog.draw.table import printable
from neocog.draw.text import fit, length, safe
from neocog.errors import UserError

Counts = Sequence[Sequence[int]] | NDArray[np.int64]
LARGEST_TABLE = 25  # classes of the largest matrix that is readable as a table of numbers
PAIRS = 20  # confused pairs shown in its place
SHADES = 10  # opacities of the heat map
FAINTEST = 0.1  # of them, about
SEEN = 400  # cells in a row that are still seen one by one; where there are more, they are drawn larger
CELL, NAMES, SIZE = 34.0, 150.0, 12.0  # of `confusion_svg`: a cell, most room for a name, its letters
STYLE = style(
    "ncx",
    f".ncx text{{fill:var(--s);font-size:{SIZE:g}px}}.ncx .h{{fill:var(--i);font-size:14px;font-weight:650}}"
    ".ncx .n{fill:var(--i);text-anchor:middle;font-variant-numeric:tabular-nums}.ncx .zero{fill:var(--e)}"
    ".ncx .track{fill:var(--t)}.ncx .hit{fill:var(--conv)}.ncx .miss{fill:var(--linear)}",
)


def checked(counts: Counts, classes: Sequence[str]) -> NDArray[np.int64]:
    """`counts` as an array with a row and a column for every class, or a UserError."""
    n = len(classes)
    if not n or len(counts) != n or any(len(row) != n for row in counts):
        raise UserError(
            f"confusion must have a row and a column for every class, got {len(counts)} rows for {n} classes"
        )
    return np.asarray(counts, np.int64)


def confusion_csv(counts: Counts, classes: Sequence[str]) -> str:
    """A row for each true class, a column for each predicted one; names without control characters."""
    names = [printable(name) for name in classes]
    file = io.StringIO()
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(["true \\ predicted", *names])
    rows.writerows([name, *row] for name, row in zip(names, checked(counts, classes).tolist(), strict=True))
    return file.getvalue()


def confused_pairs(counts: Counts, most: int = PAIRS) -> list[tuple[int, int, int]]:
    """The most frequent (true, predicted, pictures) off the diagonal; of equals the first in the matrix."""
    table = np.array(counts, np.int64)
    np.fill_diagonal(table, 0)
    order = np.argsort(-table, axis=None, kind="stable")[:most]
    found = ((*divmod(int(i), table.shape[1]), int(table.flat[i])) for i in order)
    return [pair for pair in found if pair[2]]


def heat_map(label: str, counts: Counts) -> str:
    """Every cell that is not 0, darker with the root of its share of the row, so that rare mistakes differ, too: `hit`
    on the diagonal, `miss` beside it. The page's CSS colours them.
    """
    table = np.asarray(counts, np.int64)
    paths: dict[tuple[str, int], list[str]] = {}
    shades = np.ceil(SHADES * np.sqrt(table / np.maximum(table.sum(axis=1, keepdims=True), 1))).astype(int)
    for y, x in np.argwhere(table).tolist():
        paths.setdefault(("hit" if x == y else "miss", int(shades[y, x])), []).append(f"M{x} {y}h1v1h-1z")
    faintest = FAINTEST if len(table) <= SEEN else 0.5
    cells = "".join(
        f'<path class="{css}" opacity="{faintest + (1 - faintest) * shade / SHADES:.3g}" d="{"".join(d)}"/>'
        for (css, shade), d in paths.items()
    )
    n = len(table)
    wider = max(0.0, n / SEEN - 1)
    return (
        f'<svg role="img" aria-label="{escape(label)}" class="heat" viewBox="0 0 {n} {n}" stroke-width="{wider:g}">'
        f'<rect class="track" width="{n}" height="{n}"/>{cells}</svg>'
    )


def confusion_svg(counts: Counts, classes: Sequence[str]) -> str:
    """The numbers on shaded cells, as a picture that needs nothing else: for at most `LARGEST_TABLE` classes."""
    table = checked(counts, classes)
    if len(table) > LARGEST_TABLE:
        raise UserError(
            f"a matrix is drawn with its numbers for up to {LARGEST_TABLE} classes, got {len(table)}; "
            "take the PNG or the CSV"
        )
    names = [fit(name, NAMES, SIZE) for name in classes]
    room = max(length(name, SIZE) for name in names) + 10
    left, top = room + 22, room + 52
    width, height = max(left + CELL * len(names) + 4, 250.0), top + CELL * len(names) + 4
    body = "".join(
        _row(row, [left, top + CELL * y], y, name)
        for y, (row, name) in enumerate(zip(table, names, strict=True))
    )
    body += "".join(_column(left + CELL * (x + 0.5), top, name) for x, name in enumerate(names))
    label = f"Confusion matrix of {len(names)} classes, {int(table.sum()):,} pictures"
    body = f'{heading("Confusion matrix")}<text x="2" y="37">is ↓ said →, pictures</text>{body}'
    return drawing("ncx", label, (round(width), round(height)), body, STYLE, (0, 1.15 * width))


def _column(x: float, top: float, name: str) -> str:
    return f'<text transform="translate({x + 4:.1f} {top - 8:.1f}) rotate(-90)">{safe(name)}</text>'


def _row(row: NDArray[np.int64], corner: Sequence[float], own: int, name: str) -> str:
    left, y = corner
    total, middle = max(int(row.sum()), 1), y + CELL / 2 + 4
    cells = "".join(
        _cell(left + CELL * x, y, int(n), ("hit" if x == own else "miss", n / total))
        for x, n in enumerate(row)
    )
    return f'<text x="{left - 8:.1f}" y="{middle:.1f}" text-anchor="end">{safe(name)}</text>{cells}'


def _cell(x: float, y: float, n: int, kind: tuple[str, float]) -> str:
    css, share = kind
    box = f'x="{x + 1:.1f}" y="{y + 1:.1f}" width="{CELL - 2:g}" height="{CELL - 2:g}" rx="4"'
    shade = f'<rect class="{css}" {box} opacity="{0.1 + 0.35 * share**0.5:.3f}"/>' if n else ""
    number = (
        f'<text class="n{"" if n else " zero"}" x="{x + CELL / 2:.1f}" y="{y + CELL / 2 + 4:.1f}">{n}</text>'
    )
    return f'<rect class="track" {box}/>{shade}{number}'
