"""neocog see positions MODEL"""

from __future__ import annotations

from neocog.cli.groups import with_groups
from neocog.cli.see import shared


@with_groups
def positions(
    model: shared.Model,
    network: shared.Network = shared.NETWORK,
    output: shared.Output = None,
    as_json: shared.AsJson = False,
) -> None:
    """How alike positions are to a ViT, beside sines and cosines, at the size that --img-size asks for."""
    from neocog.api.see.tokens.positions import positions as see

    shared.show(
        "positions",
        output,
        as_json,
        lambda told: see(model, progress=told, **network.options()),
    )
