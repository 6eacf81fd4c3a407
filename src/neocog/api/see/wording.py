"""What several views say in the same words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from neocog.api.see.opened import View
from neocog.draw.text import count, size_text

if TYPE_CHECKING:
    from neocog.inside.units import Layer

DEAD = "A channel behind a rectifier is dead if it is 0 everywhere in each of these pictures."


def called(view: View) -> str:
    """A picture's name on a page; the figures have its whole path."""
    return Path(view.name).name


def as_it_gets(view: View) -> str:
    """What a picture on a page is."""
    size = size_text(view.pixels.shape[:2])
    return f"The picture as the network gets it, {size} pixels, in its own colours."


def channels_of(layer: Layer) -> str:
    """How many channels a layer has, and at how many places."""
    sides = size_text(layer.shape[1:] if layer.kind == "maps" else layer.shape[:-1])
    where = {"maps": f" of {sides} places", "tokens": f" at {sides} tokens", "vector": ""}[layer.kind]
    return f"{count(layer.channels, 'channel')}{where}"
