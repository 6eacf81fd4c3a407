"""neocog data check DATA"""

from __future__ import annotations

import sys
from pathlib import Path
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
    output: Annotated[
        Path | None,
        Option(
            "-o", "--output", help="write a page with thumbnails: FILE.html, or a FOLDER with the list, too"
        ),
    ] = None,
    vectors: Annotated[
        Path | None,
        Option(help="FILE.npy, a vector for each picture in order: finds pictures that look alike"),
    ] = None,
    threshold: Annotated[float, Option(help="cosine of vectors from which pictures are alike")] = 0.98,
    strict: Annotated[bool, Option("--strict", help="exit 1 on warnings too, not on errors alone")] = False,
    as_json: Annotated[bool, Option("--json", help="print JSON")] = False,
) -> None:
    """Find unreadable pictures, copies, leaks between parts, wrong labels and odd ones; change nothing."""
    from neocog.api.data.check import check_data

    told = Console()
    found = check_data(
        data,
        vectors=vectors,
        threshold=threshold,
        **reading.options(columns, classes, consensus, quarantine, split, fold),
        progress=told,
    )
    for path in found.save(output) if output else ():
        told.say(f"written {path}")
    if as_json:
        out_json(found.to_json())
    else:
        out(found)
    if not found.ok(strict):
        sys.exit(1)
