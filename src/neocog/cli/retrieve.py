"""neocog retrieve MODEL|RUN|FEATURES [DATA] [QUERY...]"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from neocog.cli import loading, reading
from neocog.cli.console import Console, out, out_json

if TYPE_CHECKING:
    from neocog.api.retrieval.found import Retrieval


def retrieve(
    source: Annotated[
        str,
        Argument(help="whose features: a model's name, a run, or a file that embed wrote", metavar="SOURCE"),
    ],
    data: Annotated[
        str | None,
        Argument(help="where to look: any DATA; of a features file its own pictures if not given"),
    ] = None,
    queries: Annotated[
        list[str] | None,
        Argument(help="pictures to look for; every picture of DATA if not given", metavar="[QUERY]..."),
    ] = None,
    k: Annotated[int, Option("-k", help="neighbours of each picture")] = 9,
    metric: Annotated[str, Option(help="cosine or l2")] = "cosine",
    outliers: Annotated[
        int, Option(help="list so many pictures far from all others, and far from their own class")
    ] = 0,
    mislabels: Annotated[
        bool, Option("--mislabels", help="list doubtful labels, by confident learning")
    ] = False,
    rank: Annotated[
        str, Option(help="of doubtful labels: self-confidence or margin", hidden=True)
    ] = "self-confidence",
    prune: Annotated[
        str,
        Option(
            help="which labels are doubtful: those off the confident joint, or of each class", hidden=True
        ),
    ] = "joint",
    keep_copies: Annotated[
        bool, Option("--keep-copies", help="copies of a query, by content, are neighbours, too")
    ] = False,
    by: Annotated[
        str | None,
        Option(help="MODEL|RUN for the queries, where SOURCE is a file; the model named in it if not given"),
    ] = None,
    output: Annotated[
        Path | None,
        Option("-o", "--output", help="folder for a page, the figures and lists for --quarantine"),
    ] = None,
    layer: Annotated[
        str | None,
        Option(metavar="NAME", help="fc6, decaf7, blocks.11 ..; what the last layer reads if not given"),
    ] = None,
    pooling: Annotated[
        str, Option(help="of maps and tokens: mean, flat, max, gem or token", hidden=True)
    ] = "mean",
    views: Annotated[str, Option(help="views of a picture to average, as for embed", hidden=True)] = "center",
    img_size: Annotated[int | None, Option(help="side of the network's input in pixels", hidden=True)] = None,
    resize_mode: Annotated[str | None, Option(help="crop, pad or squash", hidden=True)] = None,
    part: reading.Part = None,
    split: reading.Split = None,
    fold: reading.Fold = None,
    quarantine: reading.Quarantine = None,
    strict: reading.Strict = False,
    columns: Annotated[str, Option(help="a table's columns by role: path=..,label=..", hidden=True)] = "",
    classes: reading.Classes = None,
    consensus: reading.Consensus = None,
    seed: Annotated[int, Option(help="of the folds behind --mislabels", hidden=True)] = 0,
    weights: Annotated[Path | None, Option(help="file of the network's weights")] = None,
    model: loading.Model = None,
    download: loading.Download = False,
    decoding: loading.Decoding = None,
    engine: loading.Engine = "auto",
    device: loading.Device = "auto",
    as_json: loading.AsJson = False,
) -> None:
    """Find the nearest pictures by features; pictures far from the others; labels that are probably wrong."""
    from neocog.api.retrieval.retrieve import retrieve as run_retrieve

    told = Console()
    found = run_retrieve(
        source,
        data,
        queries or (),
        k=k,
        metric=metric,
        outliers=outliers,
        mislabels=mislabels,
        rank=rank,
        prune=prune,
        keep_copies=keep_copies,
        by=by,
        seed=seed,
        output=output,
        progress=told,
        layers=(layer,) if layer else (),
        pooling=pooling,
        views=views,
        img_size=img_size,
        resize_mode=resize_mode,
        weights=weights,
        model=model,
        strict=strict,
        download=download,
        decoding=decoding,
        engine=engine,
        device=device,
        part=part,
        **reading.options(columns, classes, consensus, quarantine, split, fold),
    )
    _print(found, output, as_json, told)


def _print(found: Retrieval, output: Path | None, as_json: bool, told: Console) -> None:
    from neocog.api.retrieval.outputs import PAGE

    for path, reason in found.skipped():
        told.say(f"skipped {path}: {reason}")
    if as_json:
        out_json(found.to_json())
        return
    out(found)
    if output:
        out(f"report  {output / PAGE}")
