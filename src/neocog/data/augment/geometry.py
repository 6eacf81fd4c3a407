"""Where pixels come from: random crops, mirrors, shifts, and the shears and turns of the automatic policies.

Pictures are uint8 planes (n, channels, height, width), as torch's own functions take them: in that order of memory
they are fastest.
"""

from __future__ import annotations

from math import log
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from neocog.data.augment.draws import Draws

ATTEMPTS = 10
SMALL = 4096  # pixels of a picture below which one indexing operation is faster than a copy per picture


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
        height = max(1, round(width / ratio[0]))
    elif width / height > ratio[1]:
        width = max(1, round(height * ratio[1]))
    return (size[0] - height) // 2, (size[1] - width) // 2, height, width


def cropped(planes: Tensor, boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """A box of each picture, (n, 4) of top, left, height and width, resized to `size`: bilinear, antialiased."""
    out = planes.new_empty((*planes.shape[:2], *size))
    for target, picture, box in zip(out, planes, boxes.tolist(), strict=True):
        top, left, height, width = box
        part = picture[None, :, top : top + height, left : left + width].contiguous()
        target.copy_(resized(part, size)[0])
    return out


def resized(planes: Tensor, size: tuple[int, int]) -> Tensor:
    """Whole pictures resized: bilinear, antialiased, within one grey level of Pillow."""
    if tuple(planes.shape[2:]) == size:
        return planes
    if planes.is_cuda:  # there is no 8-bit kernel
        return F.interpolate(planes.float(), size, mode="bilinear", antialias=True).round().to(torch.uint8)
    return F.interpolate(planes, size, mode="bilinear", antialias=True)


def mirrored(planes: Tensor, chosen: Tensor, axis: int = 3) -> Tensor:
    """The pictures of which `chosen`, bool (n,), is true seen in a mirror: left and right change places.

    With axis 2 top and bottom do.
    """
    rows = chosen.nonzero()[:, 0].to(planes.device)
    source = torch.arange(len(planes), device=planes.device)
    source[rows] = len(planes) + torch.arange(len(rows), device=planes.device)
    both = torch.cat((planes, planes.index_select(0, rows).flip(axis)))
    return both.index_select(0, source)  # torch's one fast way to pick pictures


def shifted(planes: Tensor, offsets: Tensor, fill: int | None = None) -> Tensor:
    """Every pixel comes from `offsets`, int64 (n, 2), rows below and columns right of it.

    Outside, the border is repeated, or all has the grey level `fill`: padding, then a crop (He et al. 2016, section
    4.2).
    """
    height, width = planes.shape[2:]
    down, across = (int(reach) for reach in offsets.abs().amax(0)) if len(offsets) else (0, 0)
    if fill is None:
        rows = torch.arange(-down, height + down, device=planes.device).clamp(0, height - 1)
        cols = torch.arange(-across, width + across, device=planes.device).clamp(0, width - 1)
        padded = planes.index_select(2, rows).index_select(3, cols)
    else:
        padded = F.pad(planes, (across, across, down, down), value=fill)
    return _windows(padded, offsets[:, 0] + down, offsets[:, 1] + across, (height, width))


def _windows(planes: Tensor, top: Tensor, left: Tensor, size: tuple[int, int]) -> Tensor:
    """A window of `size` of each picture."""
    if size[0] * size[1] < SMALL or planes.is_cuda:
        views = planes.unfold(2, size[0], 1).unfold(3, size[1], 1)
        return views[
            torch.arange(len(planes), device=planes.device), :, top.to(planes.device), left.to(planes.device)
        ]
    out = planes.new_empty((*planes.shape[:2], *size))
    for target, picture, y, x in zip(out, planes, top.tolist(), left.tolist(), strict=True):
        target.copy_(picture[:, y : y + size[0], x : x + size[1]])
    return out


def warped(planes: Tensor, matrices: Tensor, sampling: Sampling = PLAIN) -> Tensor:
    """Affine maps (n, 2, 3) from the result's (x, y, 1) to the picture's place, as Pillow's `transform` takes them.

    Coordinates are continuous: the middle of the first pixel is (0.5, 0.5).
    """
    height, width = planes.shape[2:]
    x, y = torch.arange(width) + 0.5, torch.arange(height)[:, None] + 0.5
    m = matrices.float()[..., None, None]
    across = m[:, 0, 0] * x + (m[:, 0, 1] * y + m[:, 0, 2])  # n, height, width
    down = m[:, 1, 0] * x + (m[:, 1, 1] * y + m[:, 1, 2])
    if sampling.filter == "bilinear":
        return _bilinear(planes, across, down, sampling.fill)
    padded = F.pad(planes, (1, 1, 1, 1), value=sampling.fill)  # where all that lies outside is read
    rows, cols = (down + 1).clamp_(0, height + 1).int(), (across + 1).clamp_(0, width + 1).int()
    out = planes.new_empty(planes.shape)
    places = rows.mul_(width + 2).add_(cols).flatten(1).to(planes.device)
    for target, picture, place in zip(out, padded, places, strict=True):
        for plane, source in zip(target, picture, strict=True):
            torch.index_select(source.view(-1), 0, place, out=plane.view(-1))
    return out


def _bilinear(planes: Tensor, across: Tensor, down: Tensor, fill: int) -> Tensor:
    height, width = planes.shape[2:]
    inside = (across >= 0) & (across < width) & (down >= 0) & (down < height)
    grid = across.new_empty((*across.shape, 2))  # filled so, it is three times as fast as a stack
    grid[..., 0], grid[..., 1] = across * (2 / width) - 1, down * (2 / height) - 1
    where = grid.to(planes.device)
    found = F.grid_sample(planes.float(), where, padding_mode="border", align_corners=False)
    shown = inside[:, None].to(planes.device, torch.float32)
    return found.sub_(fill).mul_(shown).add_(fill).short().to(torch.uint8)  # cut off, as Pillow does


def shear_x(planes: Tensor, level: Tensor, sampling: Sampling = PLAIN) -> Tensor:
    """A pixel comes from `level` (n,) times its distance from the top to the right of it."""
    matrices = _still(level)
    matrices[:, 0, 1] = level
    return warped(planes, matrices, sampling)


def shear_y(planes: Tensor, level: Tensor, sampling: Sampling = PLAIN) -> Tensor:
    """A pixel comes from `level` (n,) times its distance from the left below it."""
    matrices = _still(level)
    matrices[:, 1, 0] = level
    return warped(planes, matrices, sampling)


def translate_x(planes: Tensor, columns: Tensor, sampling: Sampling = PLAIN) -> Tensor:
    """A pixel comes from `columns` (n,), whole ones, to the right of it."""
    offsets = torch.stack((torch.zeros_like(columns), columns), 1)
    return shifted(planes, offsets.long(), sampling.fill)


def translate_y(planes: Tensor, rows: Tensor, sampling: Sampling = PLAIN) -> Tensor:
    """A pixel comes from `rows` (n,), whole ones, below it."""
    offsets = torch.stack((rows, torch.zeros_like(rows)), 1)
    return shifted(planes, offsets.long(), sampling.fill)


def rotate(planes: Tensor, degrees: Tensor, sampling: Sampling = PLAIN) -> Tensor:
    """The picture turned by `degrees` (n,) against the clock about its middle."""
    x, y = planes.shape[3] / 2, planes.shape[2] / 2
    cos, sin = degrees.deg2rad().cos(), degrees.deg2rad().sin()
    right = torch.stack((cos, -sin, x - x * cos + y * sin), 1)
    below = torch.stack((sin, cos, y - x * sin - y * cos), 1)
    return warped(planes, torch.stack((right, below), 1), sampling)


def _still(level: Tensor) -> Tensor:
    return torch.eye(2, 3, dtype=level.dtype).repeat(len(level), 1, 1)
