"""neocog reproduce [NAME]"""

from __future__ import annotations

import sys
from typing import Annotated

from typer import Argument, Option

from neocog.cli.console import out, out_json


def reproduce(
    name: Annotated[str | None, Argument(help="what to reproduce; left out: a list of what can be")] = None,
    as_json: Annotated[bool, Option("--json", help="print every cell as JSON")] = False,
) -> None:
    """Recompute what the lecture prints, ours beside it: match, misprint or mismatch."""
    from neocog.api.reproduce import experiments
    from neocog.api.reproduce import reproduce as run_reproduce

    if name is None:
        listed = experiments()
        out_json(listed.to_json()) if as_json else out(listed)
        return
    found = run_reproduce(name)
    out_json(found.to_json()) if as_json else out(found)
    sys.exit(0 if found.ok else 1)
