"""neocog see cam MODEL [IMG]"""

from __future__ import annotations

from typing import Annotated

from typer import Option

from neocog.cli.groups import with_groups
from neocog.cli.see.shared import NETWORK, AsJson, Model, Network, Output, Picture, Seed, Target, show

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


@with_groups
def cam(
    model: Model,
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
    from neocog.api.see.evidence.cam import cam as see

    show(
        "cam",
        output,
        as_json,
        lambda told: see(
            model,
            image,
            target=target,
            top=top,
            layer=layer,
            seed=seed,
            progress=told,
            **network.options(),
        ),
    )
