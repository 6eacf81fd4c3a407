"""Networks that come with this package, each a whole bundle, as if it were a run. Imports no torch."""

from __future__ import annotations

from pathlib import Path

SHIPPED = {"edge_net": Path(__file__).parent / "edge_net"}
"""model -> the folder of its bundle, as `neocog.bundle` reads it"""


def is_shipped(folder: Path | None) -> bool:
    """Whether this is the folder of a network that comes with this package."""
    return folder is not None and folder.resolve() in {own.resolve() for own in SHIPPED.values()}


def default_model() -> str:
    """The network that is looked into where none is named: its first layer has edges and spots of colour."""
    return "edge_net"
