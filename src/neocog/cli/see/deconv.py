"""neocog see deconv MODEL [IMG]"""

from __future__ import annotations

from typing import Annotated

from typer import Option

from neocog.cli.groups import with_groups
from neocog.cli.see.shared import NETWORK, AsJson, At, Channel, Model, Network, Output, Picture, place, show

LayerName = Annotated[
    str | None,
    Option(
        "--layer",
        help="whose units; several from first to last if not given",
        metavar="NAME",
        show_default=False,
    ),
]
RuleName = Annotated[
    str,
    Option(
        "--rule", help="auto (deconvnet; guided where there is no max pooling), deconvnet, guided or gradient"
    ),
]
Seed = Annotated[int, Option(help="of random weights")]


@with_groups
def deconv(
    model: Model,
    image: Picture = None,
    layer: LayerName = None,
    channel: Channel = None,
    at: At = None,
    rule: RuleName = "auto",
    seed: Seed = 0,
    network: Network = NETWORK,
    output: Output = None,
    as_json: AsJson = False,
) -> None:
    """What made units fire: the strongest ones of a picture, brought back to the pixels by a deconvnet."""
    from neocog.api.see.evidence.deconv import deconv as see

    show(
        "deconv",
        output,
        as_json,
        lambda told: see(
            model,
            image,
            layer=layer,
            channel=channel,
            at=place(at, "--at", alone=True),
            rule=rule,  # type: ignore[arg-type]  # the view checks the name
            seed=seed,
            progress=told,
            **network.options(),
        ),
    )
