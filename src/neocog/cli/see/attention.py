"""neocog see attention MODEL [IMG]"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from typer import Option

from neocog.cli import reading
from neocog.cli.console import Console
from neocog.cli.groups import with_groups
from neocog.cli.see import shared

if TYPE_CHECKING:
    from neocog.api.see.seen import Seen


@with_groups
def attention(
    model: shared.Model,
    image: shared.Picture = None,
    at: Annotated[
        str | None,
        Option(
            help="row and column of a patch, from 0 on: what it looks at; the class token if not given",
            metavar="Y,X",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        str | None,
        Option(help="average how far attention reaches over pictures of this DATA", show_default=False),
    ] = None,
    pictures: Annotated[
        int, Option("-n", "--pictures", help="of --data, so many at most, evenly spaced")
    ] = 128,
    renormalise: Annotated[
        bool, Option("--renormalise", help="distances without the class token's share")
    ] = False,
    part: reading.Part = None,
    split: reading.Split = None,
    fold: reading.Fold = None,
    quarantine: reading.Quarantine = None,
    columns: reading.Columns = "",
    strict: reading.Strict = False,
    network: shared.Network = shared.NETWORK,
    output: shared.Output = None,
    as_json: shared.AsJson = False,
) -> None:
    """What each head of each layer of a ViT looks at, all layers together (rollout), and how far attention reaches."""
    from neocog.api.see.tokens.attention import attention as see
    from neocog.data.reading import columns_from

    def look(told: Console) -> Seen:
        return see(
            model,
            image,
            data=data,
            pictures=pictures,
            at=shared.place(at, "--at"),  # type: ignore[arg-type]  # two of them
            renormalise=renormalise,
            part=part,
            split=split,
            fold=fold,
            quarantine=quarantine,
            columns=columns_from(columns),
            strict=strict,
            progress=told,
            **network.options(),
        )

    shared.show("attention", output, as_json, look)
