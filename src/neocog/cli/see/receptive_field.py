"""neocog see receptive-field MODEL [IMG]"""

from __future__ import annotations

from neocog.cli.features import names
from neocog.cli.groups import with_groups
from neocog.cli.see.shared import NETWORK, AsJson, LayerNames, Model, Network, Output, Picture, show


@with_groups
def receptive_field(
    model: Model,
    image: Picture = None,
    layer: LayerNames = None,
    network: Network = NETWORK,
    output: Output = None,
    as_json: AsJson = False,
) -> None:
    """Draw what units of each layer could see of a picture, and what moves them in effect."""
    from neocog.api.see.units.receptive_field import receptive_field as see

    show(
        "receptive-field",
        output,
        as_json,
        lambda told: see(
            model,
            image,
            layers=names(layer),
            progress=told,
            **network.options(),
        ),
    )
