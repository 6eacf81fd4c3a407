"""What a unit sees of a picture: the exact rectangle, and the patch of pixels in it."""

from __future__ import annotations

from collections.abc import Sequence

from neocog.inside.units import Layer, Window


def window_of(layer: Layer, at: tuple[int, ...]) -> Window:
    """The receptive field of a unit, beyond the picture's edge too; the whole picture where it is no smaller.

    Also of a vector, of tokens, and of a unit that sees nothing of the picture.
    """
    height, width = layer.size
    whole = Window(0, 0, height, width)
    if layer.kind != "maps":
        return whole
    window = layer.window(at)
    tall, wide = window.bottom - window.top, window.right - window.left
    inside = 0 < tall <= height and 0 < wide <= width and (tall, wide) != (height, width)
    return window if inside else whole


def alike(windows: Sequence[Window]) -> tuple[Window, ...]:
    """The same windows, grown at the bottom and right to the size of the largest, so that they can lie side by side."""
    tall = max(window.bottom - window.top for window in windows)
    wide = max(window.right - window.left for window in windows)
    return tuple(Window(w.top, w.left, w.top + tall, w.left + wide) for w in windows)
