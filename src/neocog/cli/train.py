"""neocog train DATA"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from neocog.cli import reading
from neocog.cli import train_otherwise as otherwise
from neocog.cli.console import Console, Told, out, out_json
from neocog.cli.knobs import with_knobs

if TYPE_CHECKING:
    from neocog.api.training.planning import PlanOptions
    from neocog.api.training.train import Run


@with_knobs
def train(
    data: reading.Data,
    model: Annotated[
        str | None,
        Option(
            "-m", "--model", help="NAME, timm:NAME, torchvision:NAME or FILE.py:FUNCTION; chosen if not given"
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        Option(
            help="probe (frozen network, linear classifier), scratch, .. (docs/recipes.md); chosen if not given"
        ),
    ] = None,
    weights: Annotated[
        Path | None, Option(help="start from this file: .safetensors, .pth, .npz or .onnx")
    ] = None,
    download: Annotated[
        bool, Option("--download", help="fetch published weights or a built-in data set over the network")
    ] = False,
    output: Annotated[Path | None, Option("-o", "--output", "--output-dir", help="folder of the run")] = None,
    img_size: Annotated[
        int | None, Option("--img-size", "--train-crop-size", help="input size in pixels")
    ] = None,
    resize_mode: Annotated[
        str | None,
        Option(
            "--resize-mode",
            "--crop-mode",
            help="crop, pad or squash pictures that are not square",
            hidden=True,
        ),
    ] = None,
    decoding: Annotated[
        str | None,
        Option(help="exact, or fast (large JPEGs at a smaller scale); chosen if not given", hidden=True),
    ] = None,
    val_fraction: Annotated[
        float | None, Option(help="share held out where there is no val folder; 0.2 if not given")
    ] = None,
    split: reading.Split = None,
    fold: reading.Fold = None,
    resume: Annotated[
        str | None, Option(help="go on from the last checkpoint: auto, or the folder of a run")
    ] = None,
    seed: Annotated[
        int | None, Option(help="of the split, the first weights and the order; 0 if not given")
    ] = None,
    time: Annotated[
        str | None,
        Option(help="plan a run that ends within it, such as 90s or 10m: recipe, size, epochs", hidden=True),
    ] = None,
    seeds: Annotated[
        int | None, Option(help="runs with as many seeds: mean and spread of the accuracy", hidden=True)
    ] = None,
    config: Annotated[
        str | None,
        Option(help="file of --print-config, or a run: decides what is not given here", hidden=True),
    ] = None,
    print_config: Annotated[
        bool, Option("--print-config", help="print all that the run would do as JSON and stop", hidden=True)
    ] = False,
    quarantine: reading.Quarantine = None,
    strict: reading.Strict = False,
    columns: reading.Columns = "",
    classes: reading.Classes = None,
    consensus: reading.Consensus = None,
    engine: Annotated[str | None, Option(help="auto, openvino or torch", hidden=True)] = None,
    device: Annotated[str | None, Option(help="auto, cpu, cuda or mps")] = None,
    workers: Annotated[
        str | None,
        Option(
            "-j",
            "--workers",
            help="N threads that load pictures, processes:N or auto (all weights)",
            hidden=True,
        ),
    ] = None,
    precision: Annotated[
        str | None,
        Option(
            "--precision",
            "--amp-dtype",
            help="of a step: float32 or bfloat16; measured if not given",
            hidden=True,
        ),
    ] = None,
    compile: Annotated[
        bool, Option("--torchcompile", "--compile", help="make one program of the network", hidden=True)
    ] = False,
    recompute: Annotated[
        bool,
        Option(
            "--grad-checkpointing", help="less memory: blocks are computed again on the way back", hidden=True
        ),
    ] = False,
    keep: Annotated[
        int | None,
        Option(
            "--keep", "--checkpoint-hist", help="newest checkpoints that stay; 2 if not given", hidden=True
        ),
    ] = None,
    snapshots: Annotated[
        int | None,
        Option(
            help="newest epochs whose weights stay, to be used as RUN@EPOCH; none if not given", hidden=True
        ),
    ] = None,
    save_every: Annotated[
        float | None, Option(help="seconds between checkpoints; 120 if not given", hidden=True)
    ] = None,
    time_limit: Annotated[
        str | None, Option(help="save and end after this time, such as 90s, 10m or 8h", hidden=True)
    ] = None,
    tensorboard: Annotated[
        bool, Option("--tensorboard", help="figures for TensorBoard in the run's folder", hidden=True)
    ] = False,
    find_lr: Annotated[
        bool,
        Option("--find-lr", help="try rising rates, write find-lr.html and train nothing", hidden=True),
    ] = False,
    prove_resume: Annotated[
        bool,
        Option(
            "--prove-resume",
            help="stop and kill the run in its first steps, go on, compare all bits; keep nothing",
            hidden=True,
        ),
    ] = False,
    knobs: dict[str, Any] | None = None,
    as_json: Annotated[bool, Option("--json", help="print the figures as JSON")] = False,
) -> None:
    """Make a classifier from a folder of pictures: bundle, figures and a report."""
    given: dict[str, Any] = dict(
        recipe=recipe,
        weights=weights,
        download=download,
        img_size=img_size,
        resize_mode=resize_mode,
        decoding=decoding,
        val_fraction=val_fraction,
        seed=seed,
        config=config,
        time=time,
        strict=strict or None,
        engine=engine,
        device=device,
        workers=workers,
        precision=precision,
        compile=compile or None,
        recompute=recompute or None,
        keep=keep,
        snapshots=snapshots,
        save_every=save_every,
        time_limit=time_limit,
        tensorboard=tensorboard or None,
        **(knobs or {}),
        **reading.options(columns, classes, consensus, quarantine, split, fold),
    )
    options: PlanOptions = given  # type: ignore[assignment]
    otherwise.demand_one_way(print_config, seeds, find_lr, prove_resume)
    if print_config:
        otherwise.print_config(data, model, options)
    elif seeds is not None:
        otherwise.seeds(data, model, seeds, (output, resume), options, as_json)
    elif find_lr:
        otherwise.find_lr(data, model, output, options, as_json)
    elif prove_resume:
        otherwise.prove_resume(data, model, options, as_json)
    else:
        _train(data, model, (output, resume), options, as_json)


def _train(
    data: str, model: str | None, place: tuple[Path | None, str | None], options: PlanOptions, as_json: bool
) -> None:
    from neocog.api.training.train import train as run_train

    output, resume = place
    _told(run_train(data, model, output=output, resume=resume, progress=Console(), **options), as_json)


def _told(run: Run, as_json: bool) -> None:
    """The figures on stdout; exit code 130 where the run was interrupted."""
    if not run.figures and not run.interrupted:  # one of several processes, which the first speaks for
        return
    if as_json:
        out_json(run.to_json())
    elif run.figures:
        _summary(run)
    if run.interrupted:
        Console().say(
            f"{run.interrupted}: saved; the same command with --resume {run.folder} goes on from there"
        )
        raise Told(130)


def _summary(run: Run) -> None:
    from neocog.evaluation.leakage import Leaked
    from neocog.evaluation.several import LeakedSeveral

    figures = run.figures
    several = "map" in figures
    out(_scores_of_several(figures) if several else _accuracy(figures))
    if figures["leakage"]["same"]:
        out((LeakedSeveral if several else Leaked)(**figures["leakage"]))
    if figures.get("beside_probe"):
        out(figures["beside_probe"]["words"])
    for line in run.comparison:
        out(f"  beside it: {line}")
    if figures["skipped"]:
        out(f"skipped {len(figures['skipped']):,} unreadable, listed in the report")
    if figures["quarantined"]:
        out(f"in quarantine {len(figures['quarantined']):,}")
    out(f"run     {run.folder}")
    out(f"report  {run.folder / 'report.html'}")


def _accuracy(figures: dict[str, Any]) -> str:
    low, high = figures["top1_interval"]
    held_out = f"{figures['n_val']:,} held-out pictures"
    return f"accuracy {figures['top1']:.4f} on {held_out} (95 % interval {low:.4f} to {high:.4f})"


def _scores_of_several(figures: dict[str, Any]) -> str:
    return (
        f"mAP {figures['map']:.4f}, micro F1 {figures['micro_f1']:.4f}, all classes of a picture right "
        f"{figures['exact']:.4f}, on {figures['n_val']:,} held-out pictures"
    )
