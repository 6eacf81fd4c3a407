"""neocog probe MODEL|RUN|FEATURES [DATA]"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from neocog.cli import features, loading, reading
from neocog.cli.console import Console, out, out_json
from neocog.cli.groups import with_groups

if TYPE_CHECKING:
    from neocog.api.probing.result import Probe


@with_groups
def probe(
    source: Annotated[
        str,
        Argument(
            help="a model's name, a run's folder, or a file of features as embed writes it", metavar="MODEL"
        ),
    ],
    data: Annotated[
        str | None,
        Argument(
            help="labelled pictures: folder, table, archive, shards, or builtin/NAME; a file of features needs none",
            metavar="DATA",
        ),
    ] = None,
    kinds: Annotated[
        list[str] | None,
        Option(
            "--kind",
            "--clf",
            help="logreg, svm, rbf-svm, ridge, knn, ncm, .. or usual, decaf, all; repeatable, or joined by commas",
        ),
    ] = None,
    combine: Annotated[
        list[str] | None,
        Option(
            help="an SVM on the sum of the kernels of all layers or parts: uniform, accuracy, alignment or margin; "
            "repeatable",
            metavar="WEIGHTS",
            hidden=True,
        ),
    ] = None,
    kernel: Annotated[
        list[str] | None,
        Option(
            help="for --combine: rbf, linear, chi2 or intersection; NAME=KERNEL for one of them; repeatable",
            metavar="KERNEL",
            hidden=True,
        ),
    ] = None,
    boxes: Annotated[
        str | None,
        Option(
            help="features of parts of the pictures: a table of path, part, x, y, width, height, or of places without "
            "the last two; head-body for birds of CUB-200-2011",
            metavar="TABLE",
            hidden=True,
        ),
    ] = None,
    wanted: features.Features = features.PLAIN,
    protocol: Annotated[
        str | None,
        Option(help="of a paper: decaf-caltech101, decaf-sun397, decaf-cub, office31 or vtab1k"),
    ] = None,
    per_class: Annotated[
        int | None, Option(help="pictures of each class that train; the others judge")
    ] = None,
    judged_per_class: Annotated[
        int | None, Option(help="pictures of each class that judge, at most", hidden=True)
    ] = None,
    splits: Annotated[
        int | None, Option(help="how often is drawn; 5 with --per-class or --shots, else 1")
    ] = None,
    shots: Annotated[
        str, Option(help="a curve over pictures per class, such as 1,2,5,10,20", metavar="N,N,..")
    ] = "",
    fewer: Annotated[
        bool,
        Option("--fewer", help="a class with fewer pictures than asked for gives what it has", hidden=True),
    ] = False,
    val_fraction: Annotated[
        float | None,
        Option(
            help="share of each class that judges, where nothing else says; 0.2 if not given", hidden=True
        ),
    ] = None,
    folds: Annotated[
        int | None,
        Option(help="of the cross-validation that chooses a strength; 5 if not given", hidden=True),
    ] = None,
    scale: Annotated[str, Option(help="of the features: standard, l2 or none")] = "standard",
    seed: Annotated[int, Option(help="of the splits, the folds and dropout")] = 0,
    output: Annotated[Path | None, Option("-o", "--output", help="folder for a page and the figures")] = None,
    save: Annotated[
        Path | None, Option(help="folder for the best linear classifier as a run, for predict and eval")
    ] = None,
    pictures: reading.Labelled = reading.LABELLED,
    learn_from: features.LearnFrom = None,
    trained: loading.Trained = loading.TRAINED,
    as_json: loading.AsJson = False,
) -> None:
    """Fit classifiers to the features of a frozen network, and judge them on pictures held out."""
    from neocog.api.probing.probe import REPORT
    from neocog.api.probing.probe import probe as run_probe

    found = run_probe(
        source,
        data,
        output=output,
        kinds=features.names(kinds),
        combine=features.names(combine),
        kernel=features.names(kernel),
        boxes=boxes,
        **wanted.options(),
        protocol=protocol,
        per_class=per_class,
        judged_per_class=judged_per_class,
        splits=splits,
        shots=reading.whole_numbers(shots, "shots") if shots else (),
        fewer=fewer,
        val_fraction=val_fraction,
        folds=folds,
        scale=scale,
        seed=seed,
        save=save,
        learn_from=learn_from,
        **trained.options(),
        **pictures.options(),
        progress=Console(),
    )
    _print(found, as_json)
    if output and not as_json:
        out(f"report  {output / REPORT}")
    if save and not as_json:
        out(f"run  {save}")


def _print(found: Probe, as_json: bool) -> None:
    if as_json:
        out_json(found.to_json())
    else:
        out(found)
