"""neocog calibrate RUN DATA"""

from __future__ import annotations

from typing import Annotated

from typer import Argument

from neocog.cli import loading, reading
from neocog.cli.console import Console, out, out_json
from neocog.cli.groups import with_groups


@with_groups
def calibrate(
    run: Annotated[str, Argument(help="folder of a run, or runs/last")],
    data: reading.Data,
    pictures: reading.Labelled = reading.LABELLED,
    strict: reading.Strict = False,
    trained: loading.Run = loading.RUN,
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
        strict=strict,
        **trained.options(),
        **pictures.options(),
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
