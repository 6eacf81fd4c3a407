"""neocog see maps MODEL [IMG]"""

from __future__ import annotations

from typing import Annotated

from typer import Option

from neocog.cli.features import names
from neocog.cli.groups import with_groups
from neocog.cli.see.shared import NETWORK, AsJson, LayerNames, Model, Network, Output, Picture, show


@with_groups
def maps(
    model: Model,
    image: Picture = None,
    layer: LayerNames = None,
    top: Annotated[int, Option(help="maps of a layer that are drawn, at most")] = 36,
    order: Annotated[str, Option(help="strongest first, or by number")] = "strongest",
    network: Network = NETWORK,
    output: Output = None,
    as_json: AsJson = False,
) -> None:
    """Draw the feature maps of layers on a picture, and what their strongest units see of it."""
    from neocog.api.see.units.maps import maps as see

    show(
        "maps",
        output,
        as_json,
        lambda told: see(
            model,
            image,
            layers=names(layer),
            top=top,
            order=order,  # type: ignore[arg-type]  # the view checks the name
            progress=told,
            **network.options(),
        ),
    )
