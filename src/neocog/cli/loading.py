"""The options of every verb that loads a classifier, so that they are worded and named once."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any

from typer import Option

Model = Annotated[
    str | None,
    Option("-m", "--model", help="FILE.py:FUNCTION of a run that has one, to trust it on this machine"),
]
Download = Annotated[
    bool, Option("--download", help="fetch published weights or a built-in data set over the network")
]
Decoding = Annotated[
    str | None, Option(help="of a pretrained model: exact or fast; chosen if not given", hidden=True)
]
Engine = Annotated[str, Option(help="auto, openvino or torch")]
Device = Annotated[str, Option(help="auto, cpu, cuda or mps")]
AsJson = Annotated[bool, Option("--json", help="print the figures as JSON")]


@dataclass(frozen=True)
class Machine:
    """What computes."""

    engine: Engine = "auto"
    device: Device = "auto"

    def options(self) -> dict[str, Any]:
        """As the verbs' functions take them."""
        return asdict(self)


@dataclass(frozen=True)
class Run(Machine):
    """A run, and what computes its answers."""

    model: Model = None


@dataclass(frozen=True)
class Trained(Run):
    """A run or a published network."""

    download: Download = False
    decoding: Decoding = None


RUN, TRAINED = Run(), Trained()
