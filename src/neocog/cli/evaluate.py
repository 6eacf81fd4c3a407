"""neocog eval RUN DATA"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from neocog.cli.console import Console, out, out_json


def evaluate(
    run: Annotated[str, Argument(help="folder of a run, runs/last, or a pretrained model's name")],
    data: Annotated[str, Argument(help="folder, table, archive, - for a list on stdin, or builtin/NAME")],
    part: Annotated[str | None, Option(help="train, val or test where the data have such folders")] = None,
    model: Annotated[
        str | None,
        Option("-m", "--model", help="FILE.py:FUNCTION of a run that has one, to trust it on this machine"),
    ] = None,
    quarantine: Annotated[
        Path | None, Option(help="leave out the pictures on this list, as `data check` writes it")
    ] = None,
    strict: Annotated[
        bool, Option("--strict", help="an unreadable picture is an error, not skipped")
    ] = False,
    engine: Annotated[str, Option(help="auto, openvino or torch")] = "auto",
    device: Annotated[str, Option(help="auto, cpu, cuda or mps")] = "auto",
    columns: Annotated[
        str, Option(help="a table's columns by role: path=..,label=..,part=..,group=..,annotator=..")
    ] = "",
    classes: Annotated[
        Path | None, Option(help="file with a class name a line, in order, for a table")
    ] = None,
    consensus: Annotated[
        str | None, Option(help="majority or dawid-skene, where a table has several annotators")
    ] = None,
    as_json: Annotated[bool, Option("--json", help="print the figures as JSON")] = False,
) -> None:
    """Score a classifier on labelled pictures; labels are matched by name."""
    from neocog.api.verbs import evaluate as run_evaluate
    from neocog.data.reading import columns_from
    from neocog.draw.table import Table

    told = Console()
    scored = run_evaluate(
        run,
        data,
        part=part,
        model=model,
        engine=engine,
        device=device,
        columns=columns_from(columns),
        classes=classes,
        consensus=consensus,
        quarantine=quarantine,
        strict=strict,
        progress=told,
    )
    for path, reason in scored.skipped:
        told.say(f"skipped {path}: {reason}")
    if scored.unknown_classes:
        told.say(
            f"warning: the model does not know {', '.join(scored.unknown_classes)}; those pictures count as wrong"
        )
    if scored.trained_on:
        told.say(
            f"warning: {scored.trained_on:,} of these pictures trained the model; new ones may score lower"
        )
    if as_json:
        out_json(scored.to_json())
        return
    scores = scored.scores
    low, high = scores.top1_interval
    out(f"top-1 {scores.top1:.4f} (95 % interval {low:.4f} to {high:.4f}), top-5 {scores.top5:.4f}")
    left_out = f", in quarantine {len(scored.quarantined):,}" if scored.quarantined else ""
    out(f"scored {scores.n:,}, skipped {len(scored.skipped):,}{left_out}")
    rows = (
        (name, row.precision, row.recall, row.f1, row.n) for name, row in scores.per_class.items() if row.n
    )
    out(Table(("class", "precision", "recall", "F1", "pictures"), tuple(rows)))
