"""neocog see occlusion MODEL [IMG]"""

from __future__ import annotations

from typing import Annotated

from typer import Option

from neocog.cli.console import Console
from neocog.cli.groups import with_groups
from neocog.cli.see.shared import NETWORK, AsJson, Model, Network, Output, Picture, Target, show

Square = Annotated[
    int | None,
    Option(help="side of the square in pixels; a seventh of the picture if not given", show_default=False),
]
Stride = Annotated[
    int | None, Option(help="pixels that it moves by; a quarter of its side if not given", show_default=False)
]


@with_groups
def occlusion(
    source: Model,
    image: Picture = None,
    target: Target = None,
    square: Square = None,
    stride: Stride = None,
    network: Network = NETWORK,
    output: Output = None,
    as_json: AsJson = False,
) -> None:
    """What must be seen: a class's probability while a grey square covers one part of the picture after another."""
    from neocog.api.see.evidence.occlusion import occlusion as run_occlusion

    seen = run_occlusion(
        source,
        image,
        target=target,
        square=square,
        stride=stride,
        progress=Console(),
        **network.options(),
    )
    show(seen, "occlusion", output, as_json)
