"""Parts of a picture that views of units show: a window on it, what lies under it, words for both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from neocog.api.see.opened import Opened, View
from neocog.api.see.wording import as_it_gets, called
from neocog.draw.gallery import Plate
from neocog.draw.text import size_text
from neocog.draw.tiles import Box, Pixels, cut, enlarged, outlined, rgb
from neocog.errors import UserError

if TYPE_CHECKING:
    from neocog.inside.units import Layer, Window

SIDE = 448
"""pixels of a picture's longer side on the page, at least"""
LINE = 2
"""of a frame, around what it holds"""
WHITE, DARK = (255, 255, 255), (20, 24, 28)
SMALL, ARM = 40, 30
"""pixels up to which a frame is small, and of an arm that points at it"""


def framed(pixels: Pixels, boxes: Sequence[Box]) -> Pixels:
    """The picture, enlarged where it is small, with frames around rectangles given in its pixels.

    A frame is white between two dark lines, to be seen on any ground; arms point at one that is small.
    """
    shown = enlarged(rgb(pixels), SIDE)
    factor = shown.shape[0] // pixels.shape[0]
    for top, left, bottom, right in boxes:
        inner = top * factor, left * factor, bottom * factor, right * factor
        for around, (wide, colour) in enumerate(((LINE + 2, DARK), (LINE + 1, WHITE), (1, DARK))):
            shown = outlined(shown, _grown(inner, wide), colour, LINE if around == 1 else 1)
        if max(inner[2] - inner[0], inner[3] - inner[1]) < SMALL:
            shown = _pointed(shown, _grown(inner, LINE + 2))
    return shown


def _grown(box: Box, by: int) -> Box:
    return box[0] - by, box[1] - by, box[2] + by, box[3] + by


def _pointed(pixels: Pixels, box: Box) -> Pixels:
    """With four arms that point at the box."""
    top, left, bottom, right = box
    row, column = (top + bottom) // 2, (left + right) // 2
    arms = (
        (top - ARM, column - 1, top - 4, column + 1),
        (bottom + 4, column - 1, bottom + ARM, column + 1),
        (row - 1, left - ARM, row + 1, left - 4),
        (row - 1, right + 4, row + 1, right + ARM),
    )
    for arm in arms:
        pixels = outlined(outlined(pixels, _grown(arm, 1), DARK, 2), arm, WHITE, 2)
    return pixels


def one_or_both(down: int, across: int) -> str:
    """A side, stride or padding down and across: one number where they are the same."""
    return str(down) if down == across else size_text((down, across))


def covers(window: Window, view: View) -> bool:
    """Whether the whole picture lies in the window."""
    height, width = view.pixels.shape[:2]
    return window.top <= 0 and window.left <= 0 and window.bottom >= height and window.right >= width


def window_words(window: Window, view: View) -> str:
    """Size and place of a window on the picture, and how much of it lies outside."""
    height, width = view.pixels.shape[:2]
    size = f"{size_text((window.bottom - window.top, window.right - window.left))} pixels"
    place = f"rows {window.top} to {window.bottom - 1}, columns {window.left} to {window.right - 1}"
    if covers(window, view):
        return (
            f"{size}, {place}: the whole picture and more" if window.top < 0 else f"{size}: the whole picture"
        )
    inside = window.top >= 0 and window.left >= 0 and window.bottom <= height and window.right <= width
    return f"{size}, {place}" + ("" if inside else "; what lies outside the picture is padding")


def window_plates(view: View, window: Window, unit: str) -> tuple[Plate, ...]:
    """The picture with the window outlined, and what lies under it, enlarged."""
    whole = Plate(
        name="picture",
        title=called(view),
        caption=f"{as_it_gets(view)} Framed is the receptive field of {unit}, which follows exactly from kernels, "
        f"strides and paddings: {window_words(window, view)}.",
        pixels=framed(view.pixels, [window]),
    )
    if covers(window, view):
        return (whole,)
    patch = rgb(cut(view.pixels, window))
    under = enlarged(patch, 320)
    inner = Plate(
        name="window",
        title="Under the window",
        caption="The pixels in the frame, enlarged without smoothing, in their own colours; grey is outside "
        "the picture.",
        pixels=under,
    )
    return whole, inner


def with_places(network: Opened, names: Sequence[str], refusal: Callable[[Layer], str]) -> tuple[Layer, ...]:
    """The layers of these names, or some of each size; UserError with `refusal` for a vector, which has no places."""
    from neocog.inside.strongest import by_stage

    if not names:
        network.maps()  # says what is missing
        return by_stage(network.layers)
    found = tuple(network.layer(name) for name in dict.fromkeys(names))
    for layer in found:
        if layer.kind == "vector":
            raise UserError(refusal(layer))
    return found
