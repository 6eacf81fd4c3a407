"""What all views share: the options that say which network, and where the pictures go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from neocog.cli.console import Console, out, out_json
from neocog.cli.loading import Download
from neocog.errors import UserError

if TYPE_CHECKING:
    from neocog.api.see.seen import Seen

Model = Annotated[
    str,
    Argument(help="a model's name (timm: and torchvision: too), FILE.py:FUNCTION, or a run", metavar="MODEL"),
]
Picture = Annotated[
    str | None,
    Argument(help="a picture; one that neocog brings if not given", metavar="IMG", show_default=False),
]
Output = Annotated[
    Path | None,
    Option(
        "-o",
        "--output",
        help="folder for the page and the pictures; seen/VIEW if not given",
        show_default=False,
    ),
]
Weights = Annotated[Path | None, Option(help="of MODEL, from this file: .safetensors, .pth, .npz or .onnx")]
RunModel = Annotated[
    str | None,
    Option(
        "-m",
        "--model",
        help="FILE.py:FUNCTION of a run that has one, to trust it on this machine",
        hidden=True,
    ),
]
LayerNames = Annotated[
    list[str] | None,
    Option(
        "--layer",
        "--layers",
        metavar="NAME",
        help="by name; repeatable, or joined by commas; some that stand for all if not given",
        show_default=False,
    ),
]
Channel = Annotated[
    int | None,
    Option(help="feature of the layer, from 0 on; the strongest if not given", show_default=False),
]
At = Annotated[
    str | None,
    Option(
        metavar="Y,X",
        help="row and column of the unit in the layer's map, from 0 on, or a token's number; the strongest if not "
        "given",
        show_default=False,
    ),
]
Target = Annotated[
    str | None,
    Option(
        "--class",
        help="a class by name or number, in place of the likeliest",
        metavar="NAME|INDEX",
        show_default=False,
    ),
]
Seed = Annotated[int, Option(help="of what is drawn at random: orders, weights, noise")]
ImgSize = Annotated[int | None, Option(help="side of the network's input in pixels")]
AsJson = Annotated[
    bool, Option("--json", help="print the figures as JSON; pictures are written only with --output")
]


@dataclass(frozen=True)
class Network:
    """Which network, beside its name."""

    weights: Weights = None
    run_model: RunModel = None
    img_size: ImgSize = None
    download: Download = False

    def options(self) -> dict[str, Any]:
        """As the views' functions take them."""
        return {
            "weights": self.weights,
            "run_model": self.run_model,
            "img_size": self.img_size,
            "download": self.download,
        }


NETWORK = Network()


def place(text: str | None, flag: str, alone: bool = False) -> tuple[int, ...] | None:
    """`12,30` as (12, 30), and `5` as (5,) where a number `alone` may name a token. UserError in the name of `flag`."""
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts) or len(parts) not in ((1, 2) if alone else (2,)):
        other = ", or a token's number" if alone else ""
        raise UserError(f"{flag} is a row and a column from 0 on, such as 12,30{other}; got {text}")
    return tuple(map(int, parts))


def show(view: str, output: Path | None, as_json: bool, look: Callable[[Console], Seen]) -> None:
    """Look, write the page and say where it is; as JSON only where a folder was named.

    Whether the folder may be written into is asked before anything is computed. What cannot be read is said by name.
    """
    from neocog.api.see.seen import demand_place

    told = Console()
    folder = None if as_json and output is None else demand_place(output or Path("seen") / view)
    seen = look(told)
    for name, reason in seen.skipped:
        told.say(f"skipped {name}: {reason}")
    page = None if folder is None else seen.save(folder)
    if as_json:
        out_json(seen.to_json())
        if page:
            told.say(f"page  {page}")
    else:
        out(seen)
        out(f"page  {page}")
