"""neocog bench MODEL|RUN"""

from __future__ import annotations

from typing import Annotated

from typer import Argument, Option

from neocog.cli.console import out, out_json


def bench(
    model: Annotated[str, Argument(help="a model's name, or the folder of a run")],
    batch_size: Annotated[
        list[int] | None, Option("-b", "--batch-size", help="may be given several times")
    ] = None,
    engine: Annotated[str, Option(help="all, openvino or torch")] = "all",
    seconds: Annotated[float, Option(help="of measuring per figure")] = 1.0,
    as_json: Annotated[bool, Option("--json", help="print the figures as JSON")] = False,
) -> None:
    """Measure pictures per second, latency and memory per engine and batch size."""
    from neocog.api.bench import bench as run_bench

    measured = run_bench(model, batch_sizes=batch_size or (1, 8, 32), engine=engine, seconds=seconds)
    if as_json:
        out_json(measured.to_json())
    else:
        out(measured.table)
        out(f"{measured.model} on {measured.processor}, random pixels, without decoding")
