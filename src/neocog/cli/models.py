"""neocog models"""

from __future__ import annotations

from typing import Annotated

from typer import Argument, Option

from neocog.cli.console import Console, out, out_json
from neocog.errors import UserError


def models(
    pattern: Annotated[str, Argument(help="a model to show in detail, or names like '*lite*'")] = "*",
    pretrained: Annotated[bool, Option(help="only those with weights at hand")] = False,
    download: Annotated[
        bool, Option("--download", help="fetch the model's published weights over the network")
    ] = False,
    as_json: Annotated[bool, Option("--json", help="print JSON")] = False,
) -> None:
    """List the models with year, size, parameters, MACs and weights; or show one in detail."""
    from neocog.api.listing import is_model, model_card, models_table
    from neocog.api.names import fetch, parse

    if download:
        path = fetch(parse(pattern), Console())
        if path is None:
            raise UserError(f"{pattern} has no published weights here; `neocog models` says which have")
        Console().say(f"weights: {path}")
    found = model_card(pattern) if is_model(pattern) else models_table(pattern, pretrained=pretrained)
    if as_json:
        out_json(found.to_json())
    else:
        out(found)
