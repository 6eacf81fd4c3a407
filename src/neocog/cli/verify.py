"""neocog verify RUN"""

from __future__ import annotations

import sys
from typing import Annotated

from typer import Argument

from neocog.cli import loading
from neocog.cli.console import out, out_json


def verify(
    run: Annotated[str, Argument(help="folder of a run, or runs/last")],
    model: loading.Model = None,
    as_json: loading.AsJson = False,
) -> None:
    """Replay a run's self-test: does it still compute what it computed when it was made?"""
    from neocog.api.verify import verify as run_verify

    verdict = run_verify(run, model=model)
    if as_json:
        out_json(verdict.to_json())
    else:
        out(verdict.table())
        same = "still computes the same" if verdict.ok else "computes something else"
        out(
            f"{run} {same}: {verdict.pictures} photographs, tolerance {verdict.tolerance:.0e}; its files are undamaged"
        )
    sys.exit(0 if verdict.ok else 1)
