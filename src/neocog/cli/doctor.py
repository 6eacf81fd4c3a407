"""neocog doctor"""

from __future__ import annotations

import sys
from typing import Annotated

from typer import Option

from neocog.cli.console import out, out_json


def doctor(as_json: Annotated[bool, Option("--json", help="print a JSON list")] = False) -> None:
    """Say what this installation can do and what it lacks."""
    from neocog.api.doctor import doctor as examine

    found = examine()
    if as_json:
        out_json(found.to_json())
    else:
        out(found)
    sys.exit(1 if any(row["well"] is False for row in found) else 0)
