"""neocog calibrate RUN DATA"""

from __future__ import annotations

from typing import Annotated

from typer import Argument, Option

from neocog.cli import reading
from neocog.cli.console import Console, out, out_json


def calibrate(
    run: Annotated[str, Argument(help="folder of a run, or runs/last")],
    data: reading.Data,
    part: Annotated[str | None, Option(help="train, val or test where the data have such folders")] = None,
    split: reading.Split = None,
    fold: reading.Fold = None,
    model: Annotated[
        str | None,
        Option("-m", "--model", help="FILE.py:FUNCTION of a run that has one, to trust it on this machine"),
    ] = None,
    quarantine: reading.Quarantine = None,
    strict: reading.Strict = False,
    columns: reading.Columns = "",
    classes: reading.Classes = None,
    consensus: reading.Consensus = None,
    engine: Annotated[str, Option(help="auto, openvino or torch")] = "auto",
    device: Annotated[str, Option(help="auto, cpu, cuda or mps")] = "auto",
    as_json: Annotated[bool, Option("--json", help="print the figures as JSON")] = False,
) -> None:
    """Find out how sure a run may be, on labelled pictures that did not train, and store it in the run.

    Its probabilities come to mean what they say, and `predict --coverage` and `eval` can promise how often the true
    class is among the answers. Which class is the most probable does not change.
    """
    from neocog.api.evaluating.calibrate import calibrate as run_calibrate

    told = Console()
    found = run_calibrate(
        run,
        data,
        part=part,
        model=model,
        strict=strict,
        engine=engine,
        device=device,
        **reading.options(columns, classes, consensus, quarantine, split, fold),
        progress=told,
    )
    if found.left_out:
        told.say(
            f"left out {found.left_out:,} pictures that trained the run or show a class that it does not know"
        )
    if found.note:
        told.say(f"warning: {found.note}")
    if as_json:
        out_json(found.to_json())
        return
    out(found)
    out(f"coverage of up to {found.most:.4f} can be promised: neocog predict {run} PICTURES --coverage 0.95")
