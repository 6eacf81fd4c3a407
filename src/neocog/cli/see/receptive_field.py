"""neocog see receptive-field MODEL [IMG]"""

from __future__ import annotations

from typing import Annotated

from typer import Option

from neocog.cli.console import Console
from neocog.cli.features import names
from neocog.cli.groups import with_groups
from neocog.cli.see.shared import NETWORK, AsJson, Model, Network, Output, Picture, show


@with_groups
def receptive_field(
    source: Model,
    image: Picture = None,
    layer: Annotated[
        list[str] | None,
        Option(
            help="by name; repeatable, or joined by commas; the last of each size if not given",
            show_default=False,
        ),
    ] = None,
    network: Network = NETWORK,
    output: Output = None,
    as_json: AsJson = False,
) -> None:
    """Draw what units of each layer could see of a picture, and what moves them in effect."""
    from neocog.api.see.units.receptive_field import receptive_field as see_receptive_field

    seen = see_receptive_field(source, image, layers=names(layer), progress=Console(), **network.options())
    show(seen, "receptive-field", output, as_json)
