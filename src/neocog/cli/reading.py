"""The options of every verb that reads labelled data, so that they are worded and named once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from neocog.errors import UserError

if TYPE_CHECKING:
    from neocog.data.reading import ReadingOptions

Data = Annotated[
    str,
    Argument(help="folder, table, archive, shards, - for a list on stdin, or builtin/NAME", metavar="DATA"),
]
Columns = Annotated[
    str, Option(help="a table's columns by role: path=..,label=..,part=..,group=..,annotator=..")
]
Classes = Annotated[
    Path | None, Option(help="file with a class name a line, in order, for a table", hidden=True)
]
Consensus = Annotated[
    str | None, Option(help="majority or dawid-skene, where a table has several annotators", hidden=True)
]
Part = Annotated[str | None, Option(help="train, val or test where the data have such folders")]
Split = Annotated[Path | None, Option(help="manifest of data split, or a run: its split is taken again")]
Fold = Annotated[int | None, Option(help="of --split: the fold that judges", hidden=True)]
Quarantine = Annotated[
    Path | None, Option(help="leave out the pictures on this list, as data check writes it")
]
Strict = Annotated[bool, Option("--strict", help="an unreadable picture is an error, not skipped")]


def options(
    columns: str,
    classes: Path | None,
    consensus: str | None,
    quarantine: Path | None,
    split: Path | None = None,
    fold: int | None = None,
) -> ReadingOptions:
    """What was said about reading the data, as the verbs' functions take it."""
    from neocog.data.reading import columns_from

    return {
        "columns": columns_from(columns),
        "classes": classes,
        "consensus": consensus,
        "split": split,
        "fold": fold,
        "quarantine": quarantine,
    }


@dataclass(frozen=True)
class Labelled:
    """How labelled data are read, and which of them."""

    part: Part = None
    split: Split = None
    fold: Fold = None
    quarantine: Quarantine = None
    columns: Columns = ""
    classes: Classes = None
    consensus: Consensus = None

    def options(self) -> dict[str, Any]:
        """As the verbs' functions take them."""
        read = options(self.columns, self.classes, self.consensus, self.quarantine, self.split, self.fold)
        return {"part": self.part, **read}


LABELLED = Labelled()


def whole_numbers(text: str, what: str) -> list[int]:
    """`1,3,5` as numbers; UserError in the name of `what` where it is something else."""
    try:
        return [int(number) for number in text.split(",")]
    except ValueError:
        raise UserError(f"{what} must be whole numbers joined by commas, got {text!r}") from None
