"""neocog reproduce [NAME]"""

from __future__ import annotations

import sys
from typing import Annotated

from typer import Argument, Option

from neocog.cli.console import Console, out, out_json


def reproduce(
    name: Annotated[str | None, Argument(help="what to reproduce; left out: a list of what can be")] = None,
    scale: Annotated[
        str | None,
        Option("--scale", help="of an experiment that trains: minutes (if left out), hour or full"),
    ] = None,
    output: Annotated[
        str | None, Option("--output", "-o", help="folder for an experiment's page, plots and trials")
    ] = None,
    as_json: Annotated[bool, Option("--json", help="print every figure as JSON")] = False,
) -> None:
    """Recompute what the lecture prints, ours beside it; or train networks and compare them with what it claims."""
    from neocog.api.reproduce import experiments
    from neocog.api.reproduce import reproduce as run_reproduce
    from neocog.errors import UserError

    if name is None:
        if scale is not None or output is not None:
            raise UserError("--scale and --output need the NAME of an experiment")
        listed = experiments()
        out_json(listed.to_json()) if as_json else out(listed)
        return
    found = run_reproduce(name, scale, output, Console())
    out_json(found.to_json()) if as_json else out(found)
    sys.exit(0 if found.ok else 1)
