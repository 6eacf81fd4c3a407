"""neocog see activations [NAME..]"""

from __future__ import annotations

from typing import Annotated

from typer import Argument, Option

from neocog.cli.see import shared


def activations(
    names: Annotated[
        list[str] | None,
        Argument(help="relu, gelu, ..; all if none is given", metavar="[NAME]...", show_default=False),
    ] = None,
    reach: Annotated[float, Option(help="from -REACH to REACH")] = 7.0,
    output: shared.Output = None,
    as_json: shared.AsJson = False,
) -> None:
    """The non-linearities of networks, each with its derivative, its range and where it saturates."""
    from neocog.api.see.units.activations import activations as see

    shared.show("activations", output, as_json, lambda told: see(names or (), reach=reach))
