"""The page about a data set: figures, class balance and tables in one HTML file that needs no other."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from neocog.draw.report import readable
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
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=readable
    )
    here = files("neocog.draw")
    cells = [
        (
            heading,
            said,
            Table(table.header, tuple(tuple(shown(cell) for cell in row) for row in table.rows)),
        )
        for heading, said, table in tables
    ]
    return environment.from_string(here.joinpath("stats.html").read_text("utf-8")).render(
        title=shown(title),
        facts=[(name, shown(value)) for name, value in facts],
        notes=[shown(line) for line in notes],
        plot=plot,
        tables=cells,
        css=here.joinpath("report.css").read_text("utf-8"),
    )
