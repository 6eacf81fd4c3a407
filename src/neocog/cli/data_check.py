"""neocog data check DATA"""

from __future__ import annotations

import sys
from typing import Annotated

from typer import Option

from neocog.cli import reading
from neocog.cli.console import Console, out, out_json


def data_check(
    data: reading.Data,
    columns: reading.Columns = "",
    classes: reading.Classes = None,
    consensus: reading.Consensus = None,
    split: reading.Split = None,
    fold: reading.Fold = None,
    quarantine: reading.Quarantine = None,
    as_json: Annotated[bool, Option("--json", help="print JSON")] = False,
) -> None:
    """Find unreadable pictures, copies, leaks between parts, wrong labels and odd ones; change nothing."""
    from neocog.api.data_check import check_data

    found = check_data(
        data,
        **reading.options(columns, classes, consensus, quarantine, split, fold),
        progress=Console(),
    )
    if as_json:
        out_json(found.to_json())
    else:
        out(found)
    if not found.ok():
        sys.exit(1)
