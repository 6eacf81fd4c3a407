"""neocog models"""

from __future__ import annotations

from typing import Annotated

from typer import Argument, Option

from neocog.cli.console import out, out_json


def models(
    pattern: Annotated[str, Argument(help="only names like this, such as '*lite*'")] = "*",
    pretrained: Annotated[bool, Option(help="only those with weights at hand")] = False,
    as_json: Annotated[bool, Option("--json", help="print a JSON list")] = False,
) -> None:
    """List the models with year, size, parameters, MACs and weights."""
    from neocog.api.listing import models_table as list_them

    table = list_them(pattern, pretrained=pretrained)
    if as_json:
        out_json(table.to_json())
    else:
        out(table)
