"""The views of a picture that papers average over when they judge: positions exactly as described there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from neocog.data.augment.geometry import resized
from neocog.errors import UserError

GOOGLENET_SIDES = (256, 288, 320, 352)
VGG_SIDES = (256, 384, 512)
GRID = 5


@dataclass(frozen=True)
class View:
    """A box of the picture resized so that its shorter side is `side`, perhaps seen in a mirror."""

    side: int
    top: int
    left: int
    extent: int
    """of the square box, in pixels of the resized picture"""
    mirrored: bool = False

    @property
    def box(self) -> tuple[int, int, int, int]:
        """left, top, right, bottom"""
        return self.left, self.top, self.left + self.extent, self.top + self.extent


def scaled_size(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Height and width with the shorter side `side`, the longer rounded down as torchvision does."""
    height, width = size
    return (side, side * width // height) if height <= width else (side * height // width, side)


def centre(size: tuple[int, int], side: int, extent: int) -> tuple[View, ...]:
    """The middle square of a picture of `size`, height and width, once it is resized."""
    return tuple(_views([_middle(scaled_size(size, side), extent)], side, extent, mirror=False))


def five(size: tuple[int, int], side: int, extent: int) -> tuple[View, ...]:
    """Four corners and the middle."""
    return tuple(_views(_corners(scaled_size(size, side), extent), side, extent, mirror=False))


def ten(size: tuple[int, int], side: int, extent: int) -> tuple[View, ...]:
    """Four corners and the middle, then the same in a mirror.

    AlexNet takes them out of the middle square of 256 (Krizhevsky et al. 2012, section 4.1): its `size` is square.
    """
    return tuple(_views(_corners(scaled_size(size, side), extent), side, extent))


def googlenet(
    size: tuple[int, int], extent: int = 224, sides: Sequence[int] = GOOGLENET_SIDES
) -> tuple[View, ...]:
    """144 views: 4 sizes, 3 squares, of each the corners, the middle and all of it, and mirrors.

    The squares are the left, middle and right one, of tall pictures the top, middle and bottom one (Szegedy et al.
    2015, section 7).
    """
    return tuple(
        view for side in sides for square in _squares(size, side) for view in _of_square(square, side, extent)
    )


def _squares(size: tuple[int, int], side: int) -> list[tuple[int, int]]:
    """Top and left of the three squares."""
    height, width = scaled_size(size, side)
    top, left = _middle((height, width), side)
    wide = width >= height
    return [(0, 0), (top, left), (0, width - side) if wide else (height - side, 0)]


def _of_square(square: tuple[int, int], side: int, extent: int) -> list[View]:
    places = [(square[0] + top, square[1] + left) for top, left in _corners((side, side), extent)]
    return [*_views(places, side, extent), *_views([square], side, side)]


def vgg(size: tuple[int, int], extent: int = 224, sides: Sequence[int] = VGG_SIDES) -> tuple[View, ...]:
    """150 views: 3 sizes, a regular grid of 5 by 5 places, and mirrors (Simonyan and Zisserman 2015, section 3.2)."""
    views: list[View] = []
    for side in sides:
        _check(side, extent)
        height, width = scaled_size(size, side)
        tops, lefts = (
            [round(i * (free - extent) / (GRID - 1)) for i in range(GRID)] for free in (height, width)
        )
        views += _views([(top, left) for top in tops for left in lefts], side, extent)
    return tuple(views)


def _views(places: Sequence[tuple[int, int]], side: int, extent: int, mirror: bool = True) -> list[View]:
    """A view for each place, top and left; then all of them in a mirror."""
    return [
        View(side, *place, extent, flip)
        for flip in ((False, True) if mirror else (False,))
        for place in places
    ]


def _corners(size: tuple[int, int], extent: int) -> list[tuple[int, int]]:
    """Top left, top right, bottom left, bottom right, middle."""
    middle = _middle(size, extent)
    low, right = size[0] - extent, size[1] - extent
    return [(0, 0), (0, right), (low, 0), (low, right), middle]


def _middle(size: tuple[int, int], extent: int) -> tuple[int, int]:
    _check(min(size), extent)
    return round((size[0] - extent) / 2), round((size[1] - extent) / 2)


def _check(side: int, extent: int) -> None:
    if not 1 <= extent <= side:
        raise UserError(
            f"a crop must lie inside the resized picture of shorter side {side}, got one of {extent}"
        )


def cut(pixels: Tensor, views: Sequence[View], extent: int) -> Tensor:
    """The views of each picture: uint8 (n, height, width, channels) -> (n, views, extent, extent, channels).

    A view of another extent is resized. `views` must be made for the pictures' height and width.
    """
    out = pixels.new_empty((len(pixels), len(views), pixels.shape[3], extent, extent))
    for side in sorted({view.side for view in views}):
        (whole,) = scale_pyramid(pixels, [side])
        for i, view in enumerate(views):
            if view.side == side:
                rows, cols = (
                    slice(view.top, view.top + view.extent),
                    slice(view.left, view.left + view.extent),
                )
                planes = resized(whole[:, rows, cols].permute(0, 3, 1, 2), (extent, extent))
                out[:, i] = planes.flip(3) if view.mirrored else planes
    return out.permute(0, 1, 3, 4, 2)


def scale_pyramid(pixels: Tensor, sides: Sequence[int]) -> list[Tensor]:
    """The pictures at several sizes of their shorter side, for networks that run over whole pictures.

    ResNet's are 224, 256, 384, 480 and 640 (He et al. 2016, section 3.4).
    """
    planes = pixels.permute(0, 3, 1, 2).contiguous()
    size = (pixels.shape[1], pixels.shape[2])
    return [resized(planes, scaled_size(size, side)).permute(0, 2, 3, 1) for side in sides]
