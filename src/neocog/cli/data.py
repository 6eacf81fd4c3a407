"""neocog data VERB DATA"""

from __future__ import annotations

import typer

from neocog.cli import data_show

app = typer.Typer(help="Look at a data set.", no_args_is_help=True)
app.command("show")(data_show.show)
