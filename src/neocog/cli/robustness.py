"""neocog robustness RUN DATA"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from neocog.cli import loading, reading
from neocog.cli.console import Console, out, out_json
from neocog.cli.groups import with_groups


@with_groups
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
    pictures: reading.Labelled = reading.LABELLED,
    strict: reading.Strict = False,
    trained: loading.Trained = loading.TRAINED,
    as_json: loading.AsJson = False,
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
        strict=strict,
        **trained.options(),
        **pictures.options(),
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
