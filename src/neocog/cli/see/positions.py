"""neocog see positions MODEL"""

from __future__ import annotations

from neocog.cli.console import Console
from neocog.cli.groups import with_groups
from neocog.cli.see import shared


@with_groups
def positions(
    model_name: shared.Model,
    network: shared.Network = shared.NETWORK,
    output: shared.Output = None,
    as_json: shared.AsJson = False,
) -> None:
    """How alike positions are to a ViT, beside sines and cosines, at the size that --img-size asks for."""
    from neocog.api.see.tokens.positions import positions as run

    shared.show(run(model_name, progress=Console(), **network.options()), "positions", output, as_json)
