"""neocog adapt MODEL --source A --target B"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from neocog.cli import features, loading, reading
from neocog.cli.console import Console, out, out_json
from neocog.cli.groups import with_groups

if TYPE_CHECKING:
    from neocog.api.adapting.result import Adaptation


@with_groups
def adapt(
    source: Annotated[str, Option(help="the labelled domain: DATA, or a file of features", metavar="DATA")],
    target: Annotated[str, Option(help="the domain to be right in, likewise", metavar="DATA")],
    network: Annotated[
        str | None,
        Argument(
            help="a model, a run, or a file of features with the pictures of both domains; "
            "may be left out where both domains are files of features",
            metavar="MODEL",
        ),
    ] = None,
    domains: Annotated[
        str | None,
        Option(
            help="one data set with a column domain: --source and --target are then what it says, "
            "as amazon and webcam",
            metavar="DATA",
        ),
    ] = None,
    labels_per_class: Annotated[
        int, Option(help="labelled pictures of each class in the target; 0: unsupervised")
    ] = 3,
    source_per_class: Annotated[
        int | None, Option(help="pictures of each class in the source; 20, or 8 where a class has fewer")
    ] = None,
    splits: Annotated[int, Option(help="random draws of those pictures")] = 5,
    seed: Annotated[int, Option(help="of the draws", hidden=True)] = 0,
    methods: Annotated[
        list[str] | None,
        Option(
            help="of S, T, ST, daume, mmdt, gfk, coral, subspace, dlid, adabn, repeatable or joined by commas; "
            "all if not given"
        ),
    ] = None,
    behind: Annotated[
        str | None,
        Option(help="the classifier behind a method, a kind that probe knows; svm if not given", hidden=True),
    ] = None,
    wanted: features.Features = features.PLAIN,
    beside: Annotated[
        list[str] | None,
        Option(
            help="classical methods as further columns, as classical:surf-bow, repeatable or joined by commas"
        ),
    ] = None,
    output: Annotated[Path | None, Option("-o", "--output", help="folder for a page and the figures")] = None,
    pictures: reading.Labelled = reading.LABELLED,
    strict: reading.Strict = False,
    model: loading.Model = None,
    download: loading.Download = False,
    decoding: loading.Decoding = None,
    engine: loading.Engine = "auto",
    device: loading.Device = "auto",
    as_json: loading.AsJson = False,
) -> None:
    """Use in one domain what was learned in another: methods of domain adaptation in one table, on frozen features."""
    from neocog.api.adapting.adapt import adapt as run_adapt
    from neocog.api.adapting.result import REPORT

    told = Console()
    found = run_adapt(
        network,
        source=source,
        target=target,
        domains=domains,
        labels_per_class=labels_per_class,
        source_per_class=source_per_class,
        splits=splits,
        seed=seed,
        methods=methods or (),
        behind=behind,
        beside=beside or (),
        **wanted.options(),
        output=output,
        strict=strict,
        model=model,
        download=download,
        decoding=decoding,
        engine=engine,
        device=device,
        **pictures.options(),
        progress=told,
    )
    _print(found, as_json, told)
    if output and not as_json:
        out(f"report  {output / REPORT}")


def _print(found: Adaptation, as_json: bool, told: Console) -> None:
    if as_json:
        out_json(found.to_json())
        return
    out(found.table())
    for note in found.notes():
        told.say(note)
