"""The page on training names every flag that changes a recipe, as the command itself does."""

import re
from pathlib import Path

from neocog.cli.knobs import FLAGS, SPELLINGS

PAGE = Path(__file__).parents[1] / "docs" / "training.md"


def test_the_table_of_knobs_is_that_of_the_command() -> None:
    lines = PAGE.read_text("utf-8").partition("## Knobs")[2].splitlines()
    cells = [
        re.split(r"(?<!\\) ?\| ?", line)[1:3]
        for line in lines
        if line.startswith("| `--") or "| `-b`" in line
    ]
    ours = {" ".join(f"`{name}`" for name in flag.names): flag.help for flag in FLAGS}
    assert dict(cells) == ours | {f"`{other.name}`": other.help for other in SPELLINGS}
