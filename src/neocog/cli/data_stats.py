"""neocog data stats DATA"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from neocog.cli.console import Console, out, out_json


def stats(
    data: Annotated[str, Argument(help="folder of class folders, or another form of DATA that train takes")],
    split: Annotated[
        Path | None, Option(help="manifest of data split, or a run: says which picture is in which part")
    ] = None,
    fold: Annotated[int | None, Option(help="of --split: the fold that judges")] = None,
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
    as_json: Annotated[bool, Option("--json", help="print JSON")] = False,
) -> None:
    """Print how many pictures each class has, how large they are, and mean and std of their pixels."""
    from neocog.api.data_stats import data_stats

    told = Console()
    made = data_stats(
        data,
        split=split,
        fold=fold,
        part=part,
        img_size=img_size,
        resize_mode=resize_mode,
        sample=sample,
        seed=seed,
        progress=told,
    )
    for note in made.notes:
        told.say(note)
    if output:
        made.save(output)
        told.say(f"written {output}")
    if as_json:
        out_json(made.to_json())
    else:
        out(made)
