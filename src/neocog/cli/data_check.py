"""neocog data check DATA"""

from __future__ import annotations

import sys
from typing import Annotated

from typer import Argument, Option

from neocog.cli.console import Console, out, out_json


def data_check(
    data: Annotated[
        str, Argument(help="folder of class folders (with or without train/val/test), or builtin/NAME")
    ],
    as_json: Annotated[bool, Option("--json", help="print JSON")] = False,
) -> None:
    """Find unreadable pictures, copies, leaks between parts, wrong labels and odd ones; change nothing."""
    from neocog.api.data_check import check_data

    found = check_data(data, progress=Console())
    if as_json:
        out_json(found.to_json())
    else:
        out(found)
    if not found.ok():
        sys.exit(1)
