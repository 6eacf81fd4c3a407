"""neocog see cam MODEL [IMG]"""

from __future__ import annotations

from typing import Annotated

from typer import Option

from neocog.cli.console import Console
from neocog.cli.groups import with_groups
from neocog.cli.see.shared import NETWORK, AsJson, Model, Network, Output, Picture, Target, show

Top = Annotated[int, Option(help="how many of the likeliest classes")]
LayerName = Annotated[
    str | None,
    Option(
        "--layer",
        help="whose maps or tokens; the last that know places if not given",
        metavar="NAME",
        show_default=False,
    ),
]
Seed = Annotated[int, Option(help="of random orders and random weights")]


@with_groups
def cam(
    source: Model,
    image: Picture = None,
    target: Target = None,
    top: Top = 3,
    layer: LayerName = None,
    seed: Seed = 0,
    network: Network = NETWORK,
    output: Output = None,
    as_json: AsJson = False,
) -> None:
    """Where classes are decided: Grad-CAM and LayerCAM over the picture, with deletion curves."""
    from neocog.api.see.evidence.cam import cam as run_cam

    seen = run_cam(
        source,
        image,
        target=target,
        top=top,
        layer=layer,
        seed=seed,
        progress=Console(),
        **network.options(),
    )
    show(seen, "cam", output, as_json)
