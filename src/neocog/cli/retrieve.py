"""neocog retrieve MODEL|RUN|FEATURES [DATA] [QUERY...]"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from neocog.cli import features, loading, reading
from neocog.cli.console import Console, out, out_json
from neocog.cli.groups import with_groups

if TYPE_CHECKING:
    from neocog.api.retrieval.found import Retrieval


@with_groups
def retrieve(
    source: Annotated[
        str,
        Argument(help="whose features: a model's name, a run, or a file that embed wrote", metavar="SOURCE"),
    ],
    data: Annotated[
        str | None,
        Argument(
            help="where to look: any DATA; of a features file its own pictures if not given", metavar="DATA"
        ),
    ] = None,
    queries: Annotated[
        list[str] | None,
        Argument(help="pictures to look for; every picture of DATA if not given", metavar="QUERY"),
    ] = None,
    k: Annotated[
        int | None, Option("-k", help="neighbours of each picture; 9 if not given", show_default=False)
    ] = None,
    metric: Annotated[str, Option(help="cosine or l2")] = "cosine",
    figures: Annotated[
        bool, Option("--figures", help="of every picture among the others beside lists, too, not only alone")
    ] = False,
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
        bool, Option("--keep-copies", help="copies of a query, by content, are neighbours, too", hidden=True)
    ] = False,
    by: Annotated[
        str | None,
        Option(help="MODEL|RUN for the queries, where SOURCE is a file; the model named in it if not given"),
    ] = None,
    output: Annotated[
        Path | None,
        Option("-o", "--output", help="folder for a page, the figures and lists for --quarantine"),
    ] = None,
    wanted: features.Features = features.PLAIN,
    learn_from: features.LearnFrom = None,
    pictures: reading.Labelled = reading.LABELLED,
    strict: reading.Strict = False,
    seed: Annotated[int, Option(help="of the folds behind --mislabels", hidden=True)] = 0,
    trained: loading.Trained = loading.TRAINED,
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
        figures=figures,
        outliers=outliers,
        mislabels=mislabels,
        rank=rank,
        prune=prune,
        keep_copies=keep_copies,
        by=by,
        seed=seed,
        output=output,
        progress=told,
        **wanted.options(),
        learn_from=learn_from,
        strict=strict,
        **trained.options(),
        **pictures.options(),
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
