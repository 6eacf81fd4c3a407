"""The page about a network: facts, three charts, the table and the graph in one HTML file that needs no other."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from neocog.draw.charts import Chart
from neocog.draw.report import readable
from neocog.draw.table import Table, shown


def page(
    title: str, facts: Sequence[tuple[str, object]], table: Table, charts: Sequence[Chart], graph: str
) -> str:
    """The whole page. `graph` and the charts' pictures are SVG made here; every other word is untrusted and escaped."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup, escape

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=readable
    )
    here = files("neocog.draw")
    css = "".join(here.joinpath(name).read_text("utf-8") for name in ("report.css", "summary.css"))
    numeric = [all(isinstance(row[i], int | float) for row in table.rows) for i in range(len(table.header))]
    return environment.from_string(here.joinpath("summary.html").read_text("utf-8")).render(
        title=shown(title),
        heading=escape(shown(title)).replace("_", Markup("_<wbr>")),  # long names break there on a phone
        facts=[(shown(name), shown(value)) for name, value in facts],
        header=[shown(name) for name in table.header],
        rows=[[shown(cell) for cell in row] for row in table.rows],
        right=[Markup(' class="n"') if n else "" for n in numeric],
        charts=charts,
        graph=graph,
        css=css,
    )
