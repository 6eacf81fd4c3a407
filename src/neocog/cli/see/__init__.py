"""neocog see VIEW MODEL ..: the views, each in a file of its own."""

from __future__ import annotations

import typer

from neocog.cli.help_all import verb
from neocog.cli.see import (
    activations,
    attention,
    cam,
    deconv,
    embedding,
    filters,
    maps,
    occlusion,
    patches,
    positions,
    receptive_field,
    saliency,
    training,
    unit,
)

app = typer.Typer(
    no_args_is_help=True,
    help="Look inside a network: filters, units, evidence, attention, on your own pictures.",
)
app.command("filters")(filters.filters)
app.command("unit")(unit.unit)
app.command("maps")(maps.maps)
app.command("receptive-field")(receptive_field.receptive_field)
app.command("activations")(activations.activations)
app.command("patches")(patches.patches)
app.command("deconv")(deconv.deconv)
app.command("saliency")(saliency.saliency)
app.command("cam")(cam.cam)
app.command("occlusion")(occlusion.occlusion)
app.command("attention")(attention.attention)
app.command("positions")(positions.positions)
plane = verb(common="img_size", rare="engine device model")
app.command("embedding", cls=plane)(embedding.embedding)
app.command("training")(training.training)
