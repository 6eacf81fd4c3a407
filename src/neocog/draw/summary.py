"""The page about a network: facts, three charts, the table and the graph in one HTML file that needs no other."""

from __future__ import annotations

from collections.abc import Sequence

from neocog.draw.charts import Chart
from neocog.draw.page import filled
from neocog.draw.table import Table, shown


def page(
    title: str, facts: Sequence[tuple[str, object]], table: Table, charts: Sequence[Chart], graph: str
) -> str:
    """The whole page. `graph` and the charts' pictures are SVG made here; every other word is untrusted and escaped."""
    from markupsafe import Markup, escape

    numeric = [all(isinstance(row[i], int | float) for row in table.rows) for i in range(len(table.header))]
    words = {
        "title": shown(title),
        "heading": escape(shown(title)).replace("_", Markup("_<wbr>")),  # long names break there on a phone
        "facts": [(shown(name), shown(value)) for name, value in facts],
        "header": [shown(name) for name in table.header],
        "rows": [[shown(cell) for cell in row] for row in table.rows],
        "right": [Markup(' class="n"') if n else "" for n in numeric],
        "charts": charts,
        "graph": graph,
    }
    return filled("summary.html", words, styles=("report.css", "summary.css"))
