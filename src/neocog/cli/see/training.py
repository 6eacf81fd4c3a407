"""neocog see training RUN [DATA]"""

from __future__ import annotations

from typing import Annotated

from typer import Argument, Option

from neocog.cli import loading, reading
from neocog.cli.groups import with_groups
from neocog.cli.see.shared import AsJson, Output, RunModel, show


@with_groups
def training(
    run: Annotated[str, Argument(help="folder of a run, runs/last, or RUN@EPOCH of a kept epoch")],
    data: Annotated[
        str | None,
        Argument(
            help="labelled pictures; those that judged the run if not given",
            metavar="DATA",
            show_default=False,
        ),
    ] = None,
    pictures: Annotated[int, Option("-n", "--pictures", help="looked at, as many of each class")] = 128,
    points: Annotated[int, Option(help="of each slice through the loss, an odd number")] = 15,
    grid: Annotated[
        int, Option(help="draw the loss over two directions at GRID x GRID points; 0 for none")
    ] = 0,
    seed: Annotated[int, Option(help="of the random directions")] = 0,
    labelled: reading.Labelled = reading.LABELLED,
    strict: reading.Strict = False,
    output: Output = None,
    model: RunModel = None,
    download: loading.Download = False,
    as_json: AsJson = False,
) -> None:
    """How a run learned: curves, the loss around its weights, dead and saturated units, gradients, batch norm."""
    from neocog.api.see.learning.training import training as see

    show(
        "training",
        output,
        as_json,
        lambda told: see(
            run,
            data,
            pictures=pictures,
            points=points,
            grid=grid,
            seed=seed,
            strict=strict,
            run_model=model,
            download=download,
            **labelled.options(),
            progress=told,
        ),
    )
