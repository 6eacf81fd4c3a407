"""The page about a data set: figures, class balance and tables in one HTML file that needs no other."""

from __future__ import annotations

from collections.abc import Sequence

from neocog.draw.page import filled
from neocog.draw.table import Table, shown


def page(
    title: str,
    facts: Sequence[tuple[str, object]],
    notes: Sequence[str],
    plot: str,
    tables: Sequence[tuple[str, str, Table]],
) -> str:
    """The whole page. `plot` is SVG made here, or nothing; every other word is untrusted and escaped. A table has a
    heading and a sentence before it.
    """
    cells = [
        (
            heading,
            said,
            Table(table.header, tuple(tuple(shown(cell) for cell in row) for row in table.rows)),
        )
        for heading, said, table in tables
    ]
    words = {
        "title": shown(title),
        "facts": [(name, shown(value)) for name, value in facts],
        "notes": [shown(line) for line in notes],
        "plot": plot,
        "tables": cells,
    }
    return filled("stats.html", words)
