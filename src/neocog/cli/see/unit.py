"""neocog see unit MODEL [IMG] --layer L --channel C --at Y,X"""

from __future__ import annotations

from typing import Annotated

from typer import Option

from neocog.cli.groups import with_groups
from neocog.cli.see.shared import NETWORK, AsJson, Model, Network, Output, Picture, place, show


@with_groups
def unit(
    model: Model,
    image: Picture = None,
    layer: Annotated[
        str | None, Option(help="by name; the first convolution if not given", show_default=False)
    ] = None,
    channel: Annotated[
        int | None,
        Option(help="feature, from 0 on; that of the strongest unit if not given", show_default=False),
    ] = None,
    at: Annotated[
        str | None,
        Option(
            metavar="Y,X",
            help="row and column of the unit in the layer's map, from 0 on, or a token's number; the strongest if not "
            "given",
            show_default=False,
        ),
    ] = None,
    network: Network = NETWORK,
    output: Output = None,
    as_json: AsJson = False,
) -> None:
    """One number of the network as arithmetic: window x kernel + bias, the non-linearity, who wins the pool."""
    from neocog.api.see.units.unit import unit as see

    show(
        "unit",
        output,
        as_json,
        lambda told: see(
            model,
            image,
            layer=layer,
            channel=channel,
            at=place(at, "--at", alone=True),
            progress=told,
            **network.options(),
        ),
    )
