"""The options of every verb that reads labelled data, so that they are worded and named once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

Data = Annotated[
    str,
    Argument(help="folder, table, archive, shards, - for a list on stdin, or builtin/NAME", metavar="DATA"),
]
Columns = Annotated[
    str, Option(help="a table's columns by role: path=..,label=..,part=..,group=..,annotator=..")
]
Classes = Annotated[Path | None, Option(help="file with a class name a line, in order, for a table")]
Consensus = Annotated[
    str | None, Option(help="majority or dawid-skene, where a table has several annotators")
]
Split = Annotated[Path | None, Option(help="manifest of data split, or a run: its split is taken again")]
Fold = Annotated[int | None, Option(help="of --split: the fold that judges")]
Quarantine = Annotated[
    Path | None, Option(help="leave out the pictures on this list, as data check writes it")
]
Strict = Annotated[bool, Option("--strict", help="an unreadable picture is an error, not skipped")]
