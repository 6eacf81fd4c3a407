"""neocog see unit MODEL [IMG] --layer L --channel C --at Y,X"""

from __future__ import annotations

from typing import Annotated

from typer import Option

from neocog.cli.groups import with_groups
from neocog.cli.see.shared import NETWORK, AsJson, At, Channel, Model, Network, Output, Picture, place, show


@with_groups
def unit(
    model: Model,
    image: Picture = None,
    layer: Annotated[
        str | None, Option(help="by name; the first convolution if not given", show_default=False)
    ] = None,
    channel: Channel = None,
    at: At = None,
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
