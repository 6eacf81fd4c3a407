"""What several views say in the same words."""

from __future__ import annotations

from pathlib import Path

from neocog.api.see.opened import View
from neocog.draw.text import size_text

DEAD = "A channel behind a rectifier is dead if it is 0 everywhere in each of these pictures."


def called(view: View) -> str:
    """A picture's name on a page; the figures have its whole path."""
    return Path(view.name).name


def as_it_gets(view: View) -> str:
    """What a picture on a page is."""
    size = size_text(view.pixels.shape[:2])
    return f"The picture as the network gets it, {size} pixels, in its own colours."
