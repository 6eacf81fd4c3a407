"""neocog data stats DATA"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

from neocog.cli import reading
from neocog.cli.console import Console, out, out_json


def stats(
    data: reading.Data,
    part: Annotated[str | None, Option(help="train, val or test: only the pictures of that part")] = None,
    img_size: Annotated[
        int | None,
        Option(help="mean and std of the pixels at this input size, instead of the whole pictures'"),
    ] = None,
    resize_mode: Annotated[
        str, Option("--resize-mode", "--crop-mode", help="of --img-size: crop, pad or squash")
    ] = "crop",
    sample: Annotated[int | None, Option(help="decode only so many pictures, drawn by content")] = None,
    seed: Annotated[int, Option(help="of the sample")] = 0,
    output: Annotated[
        Path | None,
        Option("-o", "--output", help="also write FILE.html, .svg (class balance), .csv (counts) or .json"),
    ] = None,
    columns: reading.Columns = "",
    classes: reading.Classes = None,
    consensus: reading.Consensus = None,
    split: reading.Split = None,
    fold: reading.Fold = None,
    quarantine: reading.Quarantine = None,
    as_json: Annotated[bool, Option("--json", help="print JSON")] = False,
) -> None:
    """Print how many pictures each class has, how large they are, and mean and std of their pixels."""
    from neocog.api.data.stats import data_stats, writable

    told = Console()
    place = writable(output) if output else None  # before the work, which may take minutes
    made = data_stats(
        data,
        part=part,
        img_size=img_size,
        resize_mode=resize_mode,
        sample=sample,
        seed=seed,
        **reading.options(columns, classes, consensus, quarantine, split, fold),
        progress=told,
    )
    for note in made.notes:
        told.say(note)
    if place:
        told.say(f"written {made.save(place)}")
    if as_json:
        out_json(made.to_json())
    else:
        out(made)
