"""neocog robustness RUN DATA"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from neocog.cli import reading
from neocog.cli.console import Console, out, out_json


def robustness(
    run: Annotated[str, Argument(help="folder of a run, runs/last, or a pretrained model's name")],
    data: reading.Data,
    corruptions: Annotated[
        str,
        Option(
            help="names joined by commas, such as gaussian_noise,fog; all that the model's channels allow"
        ),
    ] = "all",
    severities: Annotated[str, Option(help="of 1 to 5, joined by commas")] = "1,2,3,4,5",
    seed: Annotated[int, Option(help="of the randomness in noise, snow, frost and so on")] = 0,
    output: Annotated[Path | None, Option("-o", "--output", help="folder for a page and the figures")] = None,
    part: Annotated[str | None, Option(help="train, val or test where the data have such folders")] = None,
    split: reading.Split = None,
    fold: reading.Fold = None,
    model: Annotated[
        str | None,
        Option("-m", "--model", help="FILE.py:FUNCTION of a run that has one, to trust it on this machine"),
    ] = None,
    download: Annotated[
        bool, Option("--download", help="fetch published weights or a built-in data set over the network")
    ] = False,
    quarantine: reading.Quarantine = None,
    strict: reading.Strict = False,
    columns: reading.Columns = "",
    classes: reading.Classes = None,
    consensus: reading.Consensus = None,
    decoding: Annotated[
        str | None, Option(help="of a pretrained model: exact or fast; chosen if not given", hidden=True)
    ] = None,
    engine: Annotated[str, Option(help="auto, openvino or torch")] = "auto",
    device: Annotated[str, Option(help="auto, cpu, cuda or mps")] = "auto",
    as_json: Annotated[bool, Option("--json", help="print the figures as JSON")] = False,
) -> None:
    """Score a classifier on labelled pictures spoiled by noise, blur, weather and compression, at five severities."""
    from neocog.api.evaluating.robustness import REPORT
    from neocog.api.evaluating.robustness import robustness as run_robustness

    told = Console()
    report = run_robustness(
        run,
        data,
        corruptions=corruptions,
        severities=reading.whole_numbers(severities, "severities"),
        seed=seed,
        output=output,
        part=part,
        model=model,
        download=download,
        strict=strict,
        decoding=decoding,
        engine=engine,
        device=device,
        **reading.options(columns, classes, consensus, quarantine, split, fold),
        progress=told,
    )
    for path, reason in report.skipped:
        told.say(f"skipped {path}: {reason}")
    if report.unknown_classes:
        told.say(
            f"warning: the model does not know {', '.join(report.unknown_classes)}; those pictures count as wrong"
        )
    if as_json:
        out_json(report.to_json())
        return
    out(report.table())
    for note in report.notes():
        told.say(note)
    if output:
        out(f"report  {output / REPORT}")
