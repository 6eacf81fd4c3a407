"""neocog see filters [MODEL]"""

from __future__ import annotations

from typing import Annotated

from typer import Argument, Option

from neocog.cli.groups import with_groups
from neocog.cli.see.shared import NETWORK, AsJson, Network, Output, show
from neocog.weights.shipped import default_model


@with_groups
def filters(
    model: Annotated[
        str,
        Argument(
            help="a model's name (timm: and torchvision: too), FILE.py:FUNCTION, or a run; RUN@EPOCH for the weights "
            "after one epoch",
            metavar="MODEL",
        ),
    ] = default_model(),
    layer: Annotated[
        str | None, Option(help="another convolution than the first, by name", show_default=False)
    ] = None,
    scale: Annotated[str, Option(help="grey levels: each filter on its own, or joint")] = "each",
    top: Annotated[int, Option(help="how many filters are drawn, at most")] = 256,
    network: Network = NETWORK,
    output: Output = None,
    as_json: AsJson = False,
) -> None:
    """Draw the filters of the first convolution; a ViT's components; a run's filters over its epochs."""
    from neocog.api.see.units.filters import filters as see

    show(
        "filters",
        output,
        as_json,
        lambda told: see(
            model,
            layer=layer,
            scale=scale,  # type: ignore[arg-type]  # the view checks the name
            top=top,
            progress=told,
            **network.options(),
        ),
    )
