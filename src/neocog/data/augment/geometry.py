"""Where pixels come from: random crops, mirrors, shifts, and the shears and turns of the automatic policies.

Pictures are uint8 (n, height, width, channels) throughout.
"""

from __future__ import annotations

from math import log
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from neocog.data.augment.draws import Draws

ATTEMPTS = 10


class Sampling(NamedTuple):
    """How a warped picture is read."""

    filter: Literal["nearest", "bilinear"] = "nearest"
    fill: int = 0
    """grey level of what lies outside of the picture"""


PLAIN = Sampling()


def area_boxes(
    draws: Draws, size: tuple[int, int], scale: tuple[float, float], ratio: tuple[float, float]
) -> Tensor:
    """Boxes of a random share of the area and random proportions, int64 (n, 4): top, left, height, width.

    `scale` is the range of the share, `ratio` that of width by height, drawn evenly in its logarithm. The first of
    ten draws that fits is taken, else the largest centred box of an allowed ratio (Szegedy et al. 2015, section 6;
    details as in torchvision's RandomResizedCrop).
    """
    area = draws.uniform("crop.area", ATTEMPTS, *scale) * (size[0] * size[1])
    aspect = draws.uniform("crop.ratio", ATTEMPTS, log(ratio[0]), log(ratio[1])).exp()
    widths, heights = (area * aspect).sqrt().round().long(), (area / aspect).sqrt().round().long()
    fits = (widths > 0) & (widths <= size[1]) & (heights > 0) & (heights <= size[0])
    first = fits.long().argmax(1, keepdim=True)
    found = fits.any(1)
    height, width = heights.gather(1, first)[:, 0], widths.gather(1, first)[:, 0]
    spare = _centred(size, ratio)
    height, width = torch.where(found, height, spare[2]), torch.where(found, width, spare[3])
    places = _places(draws, size, height, width)
    top, left = torch.where(found, places[0], spare[0]), torch.where(found, places[1], spare[1])
    return torch.stack((top, left, height, width), 1)


def jitter_boxes(draws: Draws, size: tuple[int, int], scale: tuple[float, float]) -> Tensor:
    """Square boxes for crops out of a resized picture, int64 (n, 4): top, left, height, width.

    `scale` is the range of the picture's shorter side in units of the crop's side: (256 / 224, 512 / 224) is a side of
    256 to 512 of which 224 are cut (Simonyan and Zisserman 2015, section 3.1). The box lies anywhere inside.
    """
    side = (min(size) / draws.uniform("crop.scale", 1, *scale)[:, 0]).round().long().clamp(1, min(size))
    return torch.stack((*_places(draws, size, side, side), side, side), 1)


def _places(draws: Draws, size: tuple[int, int], height: Tensor, width: Tensor) -> tuple[Tensor, Tensor]:
    """Top and left of boxes, evenly over all places inside."""
    places = draws.uniform("crop.place", 2)
    top = (places[:, 0] * (size[0] - height + 1)).floor().long()
    return top, (places[:, 1] * (size[1] - width + 1)).floor().long()


def _centred(size: tuple[int, int], ratio: tuple[float, float]) -> tuple[int, int, int, int]:
    height, width = size
    if width / height < ratio[0]:
        height = round(width / ratio[0])
    elif width / height > ratio[1]:
        width = round(height * ratio[1])
    return (size[0] - height) // 2, (size[1] - width) // 2, height, width


def cropped(pixels: Tensor, boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """A box of each picture, (n, 4) of top, left, height and width, resized to `size`: bilinear, antialiased."""
    out = pixels.new_empty((len(pixels), *size, pixels.shape[3]))
    for target, picture, box in zip(out, pixels, boxes.tolist(), strict=True):
        top, left, height, width = box
        target.copy_(resized(picture[None, top : top + height, left : left + width], size)[0])
    return out


def resized(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """Whole pictures resized: bilinear, antialiased, within one grey level of Pillow."""
    if tuple(pixels.shape[1:3]) == size:
        return pixels
    planes = pixels.permute(0, 3, 1, 2)
    if pixels.is_cuda:  # there is no 8-bit kernel
        planes = F.interpolate(planes.float(), size, mode="bilinear", antialias=True).round().to(torch.uint8)
    else:
        planes = F.interpolate(planes, size, mode="bilinear", antialias=True)
    return planes.permute(0, 2, 3, 1)


def mirrored(pixels: Tensor, chosen: Tensor, axis: int = 2) -> Tensor:
    """The pictures of which `chosen`, bool (n,), is true seen in a mirror: left and right change places.

    With axis 1 top and bottom do.
    """
    rows = chosen.nonzero()[:, 0].to(pixels.device)
    return pixels.index_copy(0, rows, pixels[rows].flip(axis))


def shifted(pixels: Tensor, offsets: Tensor, fill: int | None = None) -> Tensor:
    """Every pixel comes from `offsets`, int64 (n, 2), rows below and columns right of it.

    Outside, the border is repeated, or all has the grey level `fill`: padding, then a crop (He et al. 2016, section
    4.2).
    """
    n, height, width, channels = pixels.shape
    rows = torch.arange(height) + offsets[:, :1]
    cols = torch.arange(width) + offsets[:, 1:]
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((cols >= 0) & (cols < width))[:, None, :]
    index = rows.clamp(0, height - 1)[:, :, None] * width + cols.clamp(0, width - 1)[:, None, :]
    return _picked(pixels, index, None if fill is None else inside, fill or 0)


def warped(pixels: Tensor, matrices: Tensor, sampling: Sampling = PLAIN) -> Tensor:
    """Affine maps (n, 2, 3), from the result's (x, y, 1) to the picture's place, as Pillow's `transform`.

    Coordinates are continuous: the middle of the first pixel is (0.5, 0.5).
    """
    n, height, width, _ = pixels.shape
    x, y = torch.arange(width) + 0.5, torch.arange(height)[:, None] + 0.5
    m = matrices.float()[..., None, None]
    across = m[:, 0, 0] * x + (m[:, 0, 1] * y + m[:, 0, 2])  # n, height, width
    down = m[:, 1, 0] * x + (m[:, 1, 1] * y + m[:, 1, 2])
    inside = (across >= 0) & (across < width) & (down >= 0) & (down < height)
    if sampling.filter == "bilinear":
        mixed = _bilinear(pixels, across - 0.5, down - 0.5)
        return torch.where(inside[..., None].to(pixels.device), mixed, sampling.fill)
    index = down.clamp(0, height - 1).long() * width + across.clamp(0, width - 1).long()
    return _picked(pixels, index, inside, sampling.fill)


def _bilinear(pixels: Tensor, across: Tensor, down: Tensor) -> Tensor:
    n, height, width, channels = pixels.shape
    left, top = across.floor(), down.floor()
    right_share, low_share = (
        (place - place.floor())[..., None].to(pixels.device) for place in (across, down)
    )
    lines = []
    for y in (top, top + 1):
        row = y.clamp(0, height - 1).long() * width
        a, b = (_picked(pixels, row + x.clamp(0, width - 1).long()).float() for x in (left, left + 1))
        lines.append(a + (b - a) * right_share)
    mixed = lines[0] + (lines[1] - lines[0]) * low_share
    return mixed.round_().to(torch.uint8)


def _picked(pixels: Tensor, index: Tensor, inside: Tensor | None = None, fill: int = 0) -> Tensor:
    """Pixels by their place in their own picture, (n, height, width); `fill` where they are not `inside`."""
    n, height, width, channels = pixels.shape
    index = index + torch.arange(n).view(-1, 1, 1) * (height * width)
    flat = pixels.reshape(-1, channels)
    if inside is not None:  # one pixel more, at the end
        flat = torch.cat((flat, flat.new_full((1, channels), fill)))
        index = torch.where(inside, index, n * height * width)
    return flat.index_select(0, index.view(-1).to(pixels.device)).view(n, *index.shape[1:], channels)


def shear_x(pixels: Tensor, level: Tensor, sampling: Sampling = PLAIN) -> Tensor:
    """A pixel comes from `level` (n,) times its distance from the top to the right of it."""
    matrices = _still(level)
    matrices[:, 0, 1] = level
    return warped(pixels, matrices, sampling)


def shear_y(pixels: Tensor, level: Tensor, sampling: Sampling = PLAIN) -> Tensor:
    """A pixel comes from `level` (n,) times its distance from the left below it."""
    matrices = _still(level)
    matrices[:, 1, 0] = level
    return warped(pixels, matrices, sampling)


def translate_x(pixels: Tensor, columns: Tensor, sampling: Sampling = PLAIN) -> Tensor:
    """A pixel comes from `columns` (n,), whole ones, to the right of it."""
    offsets = torch.stack((torch.zeros_like(columns), columns), 1)
    return shifted(pixels, offsets.long(), sampling.fill)


def translate_y(pixels: Tensor, rows: Tensor, sampling: Sampling = PLAIN) -> Tensor:
    """A pixel comes from `rows` (n,), whole ones, below it."""
    offsets = torch.stack((rows, torch.zeros_like(rows)), 1)
    return shifted(pixels, offsets.long(), sampling.fill)


def rotate(pixels: Tensor, degrees: Tensor, sampling: Sampling = PLAIN) -> Tensor:
    """The picture turned by `degrees` (n,) against the clock about its middle."""
    x, y = pixels.shape[2] / 2, pixels.shape[1] / 2
    cos, sin = degrees.deg2rad().cos(), degrees.deg2rad().sin()
    right = torch.stack((cos, -sin, x - x * cos + y * sin), 1)
    below = torch.stack((sin, cos, y - x * sin - y * cos), 1)
    return warped(pixels, torch.stack((right, below), 1), sampling)


def _still(level: Tensor) -> Tensor:
    return torch.eye(2, 3, dtype=level.dtype).repeat(len(level), 1, 1)
