"""neocog compare RUN RUN... --data DATA"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from neocog.cli import loading, reading
from neocog.cli.console import Console, out, out_json


def compare(
    runs: Annotated[
        list[str], Argument(help="folders of runs, or pretrained models' names", metavar="RUN RUN...")
    ],
    data: Annotated[
        str,
        Option(
            "--data",
            help="labelled pictures: folder, table, archive, shards, or builtin/NAME",
            metavar="DATA",
        ),
    ],
    part: reading.Part = None,
    split: reading.Split = None,
    fold: reading.Fold = None,
    protocol: Annotated[str, Option(help="views of a picture, as for eval")] = "center",
    average: Annotated[str, Option(help="of the views: softmax or logits")] = "softmax",
    subset: Annotated[str | None, Option(help="only these classes as answers, as for eval")] = None,
    label_sets: Annotated[
        Path | None, Option(help="JSON file of the answers that are right, as for eval")
    ] = None,
    output: Annotated[Path | None, Option("-o", "--output", help="folder for a page and the figures")] = None,
    model: loading.Model = None,
    download: loading.Download = False,
    quarantine: reading.Quarantine = None,
    strict: reading.Strict = False,
    columns: reading.Columns = "",
    classes: reading.Classes = None,
    consensus: reading.Consensus = None,
    engine: loading.Engine = "auto",
    device: loading.Device = "auto",
    as_json: loading.AsJson = False,
) -> None:
    """Set classifiers beside each other on the same pictures: which is better, and whether that is chance."""
    from neocog.api.evaluating.compare import REPORT
    from neocog.api.evaluating.compare import compare as run_compare

    found = run_compare(
        runs,
        data,
        output=output,
        part=part,
        protocol=protocol,
        average=average,
        subset=subset,
        label_sets=label_sets,
        model=model,
        download=download,
        strict=strict,
        engine=engine,
        device=device,
        **reading.options(columns, classes, consensus, quarantine, split, fold),
        progress=Console(),
    )
    if as_json:
        out_json(found.to_json())
        return
    out(found)
    if output:
        out(f"report  {output / REPORT}")
