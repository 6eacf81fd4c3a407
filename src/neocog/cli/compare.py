"""neocog compare RUN RUN... --data DATA"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from neocog.cli import loading, reading
from neocog.cli.console import Console, out, out_json
from neocog.cli.groups import with_groups


@with_groups
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
    pictures: reading.Labelled = reading.LABELLED,
    protocol: Annotated[str, Option(help="views of a picture, as for eval")] = "center",
    average: Annotated[str, Option(help="of the views: softmax or logits")] = "softmax",
    subset: Annotated[str | None, Option(help="only these classes as answers, as for eval")] = None,
    label_sets: Annotated[
        Path | None, Option(help="JSON file of the answers that are right, as for eval")
    ] = None,
    output: Annotated[Path | None, Option("-o", "--output", help="folder for a page and the figures")] = None,
    download: loading.Download = False,
    strict: reading.Strict = False,
    trained: loading.Run = loading.RUN,
    as_json: loading.AsJson = False,
) -> None:
    """Set classifiers beside each other on the same pictures: which is better, and whether that is chance."""
    from neocog.api.evaluating.compare import REPORT
    from neocog.api.evaluating.compare import compare as run_compare

    found = run_compare(
        runs,
        data,
        output=output,
        protocol=protocol,
        average=average,
        subset=subset,
        label_sets=label_sets,
        download=download,
        strict=strict,
        **trained.options(),
        **pictures.options(),
        progress=Console(),
    )
    if as_json:
        out_json(found.to_json())
        return
    out(found)
    if output:
        out(f"report  {output / REPORT}")
