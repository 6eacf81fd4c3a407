"""neocog see VIEW MODEL ..: the views, each in a file of its own."""

from __future__ import annotations

import typer

from neocog.cli.see import embedding, training

app = typer.Typer(
    no_args_is_help=True,
    help="Look inside a network: filters, units, evidence, attention, on your own pictures.",
)
app.command("embedding")(embedding.embedding)
app.command("training")(training.training)
