"""neocog see deconv MODEL [IMG]"""

from __future__ import annotations

from typing import Annotated

from typer import Option

from neocog.cli.console import Console
from neocog.cli.groups import with_groups
from neocog.cli.see.shared import NETWORK, AsJson, Model, Network, Output, Picture, place, show

LayerName = Annotated[
    str | None,
    Option(
        "--layer",
        help="whose units; several from first to last if not given",
        metavar="NAME",
        show_default=False,
    ),
]
Channel = Annotated[
    int | None, Option(help="of the layer; the strongest ones if not given", show_default=False)
]
At = Annotated[
    str | None,
    Option(
        help="row and column in the map; where it is strongest if not given",
        metavar="Y,X",
        show_default=False,
    ),
]

RuleName = Annotated[
    str | None,
    Option(
        "--rule",
        help="deconvnet, or guided as it is where there is no max pooling",
        show_default=False,
    ),
]


@with_groups
def deconv(
    source: Model,
    image: Picture = None,
    layer: LayerName = None,
    channel: Channel = None,
    at: At = None,
    rule: RuleName = None,
    network: Network = NETWORK,
    output: Output = None,
    as_json: AsJson = False,
) -> None:
    """What made units fire: the strongest ones of a picture, brought back to the pixels by a deconvnet."""
    from neocog.api.see.evidence.deconv import deconv as run_deconv

    seen = run_deconv(
        source,
        image,
        layer=layer,
        channel=channel,
        at=place(at, "--at"),  # type: ignore[arg-type]  # two of them
        rule=rule,  # type: ignore[arg-type]  # the view checks the name
        progress=Console(),
        **network.options(),
    )
    show(seen, "deconv", output, as_json)
