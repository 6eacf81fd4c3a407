"""neocog calibrate RUN DATA"""

from __future__ import annotations

from typing import Annotated

from typer import Argument

from neocog.cli import loading, reading
from neocog.cli.console import Console, out, out_json


def calibrate(
    run: Annotated[str, Argument(help="folder of a run, or runs/last")],
    data: reading.Data,
    part: reading.Part = None,
    split: reading.Split = None,
    fold: reading.Fold = None,
    model: loading.Model = None,
    quarantine: reading.Quarantine = None,
    strict: reading.Strict = False,
    columns: reading.Columns = "",
    classes: reading.Classes = None,
    consensus: reading.Consensus = None,
    engine: loading.Engine = "auto",
    device: loading.Device = "auto",
    as_json: loading.AsJson = False,
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
