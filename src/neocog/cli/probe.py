"""neocog probe MODEL|RUN|FEATURES [DATA]"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from neocog.cli import loading, reading
from neocog.cli.console import Console, out, out_json

if TYPE_CHECKING:
    from neocog.api.probing.result import Probe


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
            help="logreg, svm, rbf-svm, ridge, knn, ncm, .. or usual, decaf, all; repeatable",
        ),
    ] = None,
    layers: Annotated[
        list[str] | None,
        Option(
            "--layer",
            "--layers",
            help="whose features: a name, repeatable, or all; what the last one reads if not given",
        ),
    ] = None,
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
    pooling: Annotated[str, Option(help="of a layer's maps, as for embed", hidden=True)] = "mean",
    views: Annotated[
        str, Option(help="of a picture, whose features are averaged: center, flip, 10-crop, ..", hidden=True)
    ] = "center",
    output: Annotated[Path | None, Option("-o", "--output", help="folder for a page and the figures")] = None,
    save: Annotated[
        Path | None, Option(help="folder for the best linear classifier as a run, for predict and eval")
    ] = None,
    weights: Annotated[
        Path | None, Option(help="of MODEL, from this file: .safetensors, .pth, .npz or .onnx")
    ] = None,
    model: Annotated[
        str | None,
        Option("-m", "--model", help="FILE.py:FUNCTION of a run that has one, to trust it here", hidden=True),
    ] = None,
    part: reading.Part = None,
    split: reading.Split = None,
    fold: reading.Fold = None,
    quarantine: Annotated[
        Path | None, Option(help="leave out the pictures on this list, as data check writes it", hidden=True)
    ] = None,
    columns: reading.Columns = "",
    classes: reading.Classes = None,
    consensus: reading.Consensus = None,
    img_size: Annotated[int | None, Option(help="input size in pixels", hidden=True)] = None,
    resize_mode: Annotated[
        str | None, Option(help="crop, pad or squash pictures that are not square", hidden=True)
    ] = None,
    decoding: loading.Decoding = None,
    download: loading.Download = False,
    engine: loading.Engine = "auto",
    device: loading.Device = "auto",
    as_json: loading.AsJson = False,
) -> None:
    """Fit classifiers to the features of a frozen network, and judge them on pictures held out."""
    from neocog.api.probing.probe import REPORT
    from neocog.api.probing.probe import probe as run_probe

    found = run_probe(
        source,
        data,
        output=output,
        kinds=kinds or (),
        layers=layers or (),
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
        pooling=pooling,
        views=views,
        save=save,
        weights=weights,
        model=model,
        part=part,
        img_size=img_size,
        resize_mode=resize_mode,
        decoding=decoding,
        download=download,
        engine=engine,
        device=device,
        **reading.options(columns, classes, consensus, quarantine, split, fold),
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
