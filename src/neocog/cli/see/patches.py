"""neocog see patches [MODEL] DATA"""

from __future__ import annotations

from typing import Annotated

from typer import Argument, Option

from neocog.cli import loading, reading
from neocog.cli.features import names
from neocog.cli.groups import with_groups
from neocog.cli.see.shared import NETWORK, AsJson, LayerNames, Network, Output, show
from neocog.weights.shipped import default_model

MACHINE = loading.Machine()


@with_groups
def patches(
    source: Annotated[
        str,
        Argument(
            help="a model's name (timm: and torchvision: too), FILE.py:FUNCTION, or a run; edge_net if left out",
            metavar="[MODEL]",
        ),
    ],
    data: Annotated[
        str | None,
        Argument(
            help="folder, table, archive, shards, - for a list on stdin, or builtin/NAME",
            metavar="DATA",
            show_default=False,
        ),
    ] = None,
    layer: LayerNames = None,
    k: Annotated[int, Option("-k", "--k", help="pictures of each channel")] = 9,
    channels: Annotated[int, Option(help="so many channels of a layer: those that stand out most")] = 6,
    channel: Annotated[
        str | None, Option(help="these channels instead: 7, or 7,12,30", show_default=False)
    ] = None,
    rule: Annotated[
        str, Option(help="back to the pixels: deconvnet, guided or gradient; auto takes what suits the layer")
    ] = "auto",
    output: Output = None,
    network: Network = NETWORK,
    pictures: reading.Labelled = reading.LABELLED,
    strict: reading.Strict = False,
    machine: loading.Machine = MACHINE,
    no_cache: Annotated[
        bool,
        Option("--no-cache", help="neither look the index up nor keep it for the next time", hidden=True),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """The pictures of DATA that each channel responds to most: what it sees of them, and why, by the deconvnet."""
    from neocog.api.see.strongest.patches import patches as see

    model, given = (default_model(), source) if data is None else (source, data)
    show(
        "patches",
        output,
        as_json,
        lambda told: see(
            model,
            given,
            layers=names(layer),
            k=k,
            channels=channels,
            channel=reading.whole_numbers(channel, "channel") if channel else (),
            rule=rule,  # type: ignore[arg-type]  # the view checks the name
            strict=strict,
            cache=not no_cache,
            progress=told,
            **network.options(),
            **pictures.options(),
            **machine.options(),
        ),
    )
