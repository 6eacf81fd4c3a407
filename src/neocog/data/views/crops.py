"""Where on a resized picture the crops of the papers lie: boxes in whole pixels."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

Extent = tuple[int, int]
"""height and width"""


class Box(NamedTuple):
    """A part of a picture, in pixels."""

    top: int
    left: int
    height: int
    width: int


Places = Callable[[Extent, Extent, Extent], list[Box]]
"""(the resized picture, the edges that it was resized to, the crop) -> boxes. A picture has at least its edges,
and equals them in one direction."""

GRID = 5


def five(picture: Extent, edges: Extent, crop: Extent) -> list[Box]:
    """Top left, top right, bottom left, bottom right, middle: torchvision's FiveCrop.

    Krizhevsky, Sutskever, Hinton, "ImageNet Classification with Deep Convolutional Neural Networks" (2012), section
    4.1, take them from the middle square of the picture; torchvision, as here, from all of it.
    """
    below, beside = picture[0] - crop[0], picture[1] - crop[1]
    corners = [(0, 0), (0, beside), (below, 0), (below, beside)]
    return [Box(*corner, *crop) for corner in corners] + [middle(picture, crop)]


def grid(picture: Extent, edges: Extent, crop: Extent) -> list[Box]:
    """Five by five, evenly from edge to edge, row by row.

    Simonyan, Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition" (2015), section 3.2.
    """
    tops, lefts = (
        [round(i * (have - want) / (GRID - 1)) for i in range(GRID)]
        for have, want in zip(picture, crop, strict=True)
    )
    return [Box(top, left, *crop) for top in tops for left in lefts]


def squares(picture: Extent, edges: Extent, crop: Extent) -> list[Box]:
    """Of three squares the four corners, the middle and all of it: 18 boxes, of which three are larger than a crop.

    The squares are the left, middle and right one, of upright pictures the top, middle and bottom one: Szegedy et
    al., "Going Deeper with Convolutions" (2015), section 7. For a crop that is no square they have its proportions.
    """
    last = Box(picture[0] - edges[0], picture[1] - edges[1], *edges)
    return [
        box
        for square in (Box(0, 0, *edges), middle(picture, edges), last)
        for box in [*_inside(square, five(edges, edges, crop)), square]
    ]


def middle(picture: Extent, crop: Extent) -> Box:
    """torchvision's CenterCrop."""
    top, left = (round((have - want) / 2) for have, want in zip(picture, crop, strict=True))
    return Box(top, left, *crop)


def _inside(part: Box, boxes: list[Box]) -> list[Box]:
    """Boxes of a part of the picture as boxes of the picture."""
    return [box._replace(top=part.top + box.top, left=part.left + box.left) for box in boxes]
