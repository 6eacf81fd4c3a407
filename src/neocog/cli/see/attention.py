"""neocog see attention MODEL [IMG]"""

from __future__ import annotations

from typing import Annotated

from typer import Option

from neocog.cli.console import Console
from neocog.cli.groups import with_groups
from neocog.cli.see import shared


@with_groups
def attention(
    model_name: shared.Model,
    image: shared.Picture = None,
    query: Annotated[
        str | None,
        Option(
            help="row,column of a patch, from 0: what it looks at; the class token if not given",
            metavar="ROW,COLUMN",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        str | None,
        Option(help="average how far attention reaches over pictures of this DATA", show_default=False),
    ] = None,
    n: Annotated[int, Option("-n", help="how many pictures of --data, evenly spaced")] = 128,
    renormalise: Annotated[
        bool, Option("--renormalise", help="distances without the class token's share")
    ] = False,
    network: shared.Network = shared.NETWORK,
    output: shared.Output = None,
    as_json: shared.AsJson = False,
) -> None:
    """What each head of each layer of a ViT looks at, all layers together (rollout), and how far attention reaches."""
    from neocog.api.see.tokens.attention import attention as run

    seen = run(
        model_name,
        image,
        data=data,
        n=n,
        query=shared.place(query, "--query"),  # type: ignore[arg-type]  # two of them
        renormalise=renormalise,
        progress=Console(),
        **network.options(),
    )
    shared.show(seen, "attention", output, as_json)
