"""neocog see occlusion MODEL [IMG]"""

from __future__ import annotations

from typing import Annotated

from typer import Option

from neocog.cli.groups import with_groups
from neocog.cli.see.shared import NETWORK, AsJson, Model, Network, Output, Picture, Seed, Target, show

Square = Annotated[
    int | None,
    Option(help="side of the square in pixels; a seventh of the picture if not given", show_default=False),
]
Stride = Annotated[
    int | None, Option(help="pixels that it moves by; a quarter of its side if not given", show_default=False)
]


@with_groups
def occlusion(
    model: Model,
    image: Picture = None,
    target: Target = None,
    square: Square = None,
    stride: Stride = None,
    seed: Seed = 0,
    network: Network = NETWORK,
    output: Output = None,
    as_json: AsJson = False,
) -> None:
    """What must be seen: a class's probability, and a feature map, while a grey square covers part after part."""
    from neocog.api.see.evidence.occlusion import occlusion as see

    show(
        "occlusion",
        output,
        as_json,
        lambda told: see(
            model,
            image,
            target=target,
            square=square,
            stride=stride,
            seed=seed,
            progress=told,
            **network.options(),
        ),
    )
