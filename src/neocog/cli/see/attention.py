"""neocog see attention MODEL [IMG]"""

from __future__ import annotations

from typing import Annotated

from typer import Option

from neocog.cli.console import Console
from neocog.cli.groups import with_groups
from neocog.cli.reading import whole_numbers
from neocog.cli.see import shared
from neocog.errors import UserError


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
        query=None if query is None else _place(query),
        renormalise=renormalise,
        progress=Console(),
        **network.options(),
    )
    shared.show(seen, "attention", output, as_json)


def _place(text: str) -> tuple[int, int]:
    numbers = whole_numbers(text, "--query")
    if len(numbers) != 2:
        raise UserError(f"--query must be the row and the column of a patch, such as 3,5, got {text!r}")
    return numbers[0], numbers[1]
