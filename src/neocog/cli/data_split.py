"""neocog data split DATA"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

from neocog.cli import reading
from neocog.cli.console import Console, out, out_json


def split(
    data: reading.Data,
    val: Annotated[float | None, Option(help="share of the pictures for validation; 0.2 if left out")] = None,
    test: Annotated[float, Option(help="share of the pictures for the final test")] = 0.0,
    folds: Annotated[int | None, Option("-k", "--folds", help="divide into so many folds instead")] = None,
    group_by: Annotated[
        str | None,
        Option(help="column, or regular expression with one group for paths: what shares it is never parted"),
    ] = None,
    near: Annotated[
        bool, Option("--near", help="keep near duplicates and mirror images together, too (decodes all)")
    ] = False,
    seed: Annotated[int, Option(help="another one draws another split")] = 0,
    output: Annotated[
        Path | None, Option("-o", "--output", help="the manifest; split.csv in this folder if left out")
    ] = None,
    columns: reading.Columns = "",
    classes: reading.Classes = None,
    consensus: reading.Consensus = None,
    quarantine: reading.Quarantine = None,
    as_json: Annotated[bool, Option("--json", help="print the figures as JSON")] = False,
) -> None:
    """Divide pictures into train, val and test, or into folds: every class in its share, nothing torn apart."""
    from neocog.api.data.split import manifest_place, split_data

    told = Console()
    place = manifest_place(data, output)
    made = split_data(
        data,
        val=val,
        test=test,
        folds=folds,
        group_by=group_by,
        near=near,
        seed=seed,
        **reading.options(columns, classes, consensus, quarantine),
        progress=told,
    )
    for note in made.notes:
        told.say(note)
    made.save(place)
    if as_json:
        out_json(made.to_json() | {"manifest": str(place)})
        return
    out(made.table())
    out(f"largest deviation of a class from the share wanted: {100 * made.deviation:.2f} percentage points")
    out(f"manifest  {place}")
