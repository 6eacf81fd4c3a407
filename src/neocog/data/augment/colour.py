"""Colours of uint8 pictures (n, height, width, 1 or 3 channels), changed as Pillow's ImageEnhance and ImageOps do.

Each takes one number per picture, a tensor (n,), and rounds as Pillow does, so results are Pillow's own.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from neocog.data.augment.draws import Draws
from neocog.errors import UserError

LUMA = (19595.0, 38470.0, 7471.0)  # Pillow's weights of red, green and blue, in 65536ths (ITU-R 601)
EIGENVALUES = (0.2175, 0.0188, 0.0045)
EIGENVECTORS = ((-0.5675, 0.7192, 0.4009), (-0.5808, -0.0045, -0.8140), (-0.5836, -0.6948, 0.4203))
"""Of the covariance of ImageNet's RGB values in 0..1; rows are red, green, blue (fb.resnet.torch, imagenet.lua)."""


def brightness(pixels: Tensor, factor: Tensor) -> Tensor:
    """Towards black by 0, away from it above 1."""
    return _bytes(pixels.float().mul_(_each(factor, pixels)))


def contrast(pixels: Tensor, factor: Tensor) -> Tensor:
    """Towards the picture's mean grey by 0, away from it above 1."""
    mean = (grey(pixels).mean((1, 2)) + 0.5).floor()
    return _blended(pixels, mean.view(-1, 1, 1, 1), factor)


def saturation(pixels: Tensor, factor: Tensor) -> Tensor:
    """Towards each pixel's grey by 0, away from it above 1; Pillow's `Color`."""
    return _blended(pixels, grey(pixels)[..., None], factor)


def sharpness(pixels: Tensor, factor: Tensor) -> Tensor:
    """Towards a smoothed picture by 0, away from it above 1; the border stays as it is."""
    n, height, width, channels = pixels.shape
    if min(height, width) < 3:
        return pixels
    exact = pixels.permute(0, 3, 1, 2).reshape(-1, 1, height, width).float()
    sums = F.avg_pool2d(exact, 3, 1, divisor_override=1) + 4 * exact[:, :, 1:-1, 1:-1]
    smooth = exact.clone()
    smooth[:, :, 1:-1, 1:-1] = (sums / 13 + 0.5).floor()
    planes = smooth.view(n, channels, height, width)
    return _blended(pixels, planes.permute(0, 2, 3, 1), factor)


def posterize(pixels: Tensor, bits: Tensor) -> Tensor:
    """Only the highest `bits` of each value, 0 to 8."""
    return pixels & _each(256 - 2 ** (8 - bits), pixels).to(torch.uint8)


def solarize(pixels: Tensor, threshold: Tensor) -> Tensor:
    """Values of at least `threshold` inverted."""
    return pixels ^ (pixels >= _each(threshold.float().ceil(), pixels)).to(torch.uint8) * 255


def solarize_add(pixels: Tensor, amount: Tensor) -> Tensor:
    """Values below 128 made brighter by `amount`, at most to 255."""
    return torch.where(pixels < 128, _bytes(pixels.float() + _each(amount, pixels)), pixels)


def invert(pixels: Tensor) -> Tensor:
    return ~pixels


def autocontrast(pixels: Tensor) -> Tensor:
    """The values of each channel stretched so that they reach from 0 to 255."""
    planes = pixels.permute(0, 3, 1, 2).flatten(2)
    low, high = planes.amin(2).double()[..., None], planes.amax(2).double()[..., None]
    ramp = torch.arange(256, device=pixels.device, dtype=torch.float64)
    scale = 255 / (high - low).clamp(min=1)
    stretched = (ramp * scale - low * scale).clamp(0, 255).floor()
    return _looked_up(planes, torch.where(high > low, stretched, ramp), pixels)


def equalize(pixels: Tensor) -> Tensor:
    """Each channel with a histogram as flat as a table of values makes it."""
    planes = pixels.permute(0, 3, 1, 2).flatten(2).contiguous()
    counts = torch.stack([torch.bincount(plane, minlength=256) for plane in planes.view(-1, planes.shape[2])])
    ramp = torch.arange(256, device=pixels.device)
    last = torch.where(counts > 0, ramp, 0).amax(1, keepdim=True)
    step = (planes.shape[2] - counts.gather(1, last)) // 255
    before = counts.cumsum(1) - counts
    table = ((step // 2 + before) // step.clamp(min=1)).clamp(max=255)
    return _looked_up(planes, torch.where(step > 0, table, ramp).view(*planes.shape[:2], 256), pixels)


def hue(pixels: Tensor, turn: Tensor) -> Tensor:
    """Colours turned about the grey axis by `turn` times 360 degrees in HSV, brightness and saturation kept."""
    if pixels.shape[3] == 1:
        return pixels
    rgb = pixels.permute(0, 3, 1, 2).float()
    value, low = rgb.amax(1), rgb.amin(1)
    chroma = value - low
    red, green, blue = rgb.unbind(1)
    of_red, of_green = (green - blue) / chroma.clamp(min=1), 2 + (blue - red) / chroma.clamp(min=1)
    of_blue = 4 + (red - green) / chroma.clamp(min=1)
    sixths = torch.where(value == red, of_red, torch.where(value == green, of_green, of_blue))
    sixths = sixths + 6 * turn.float().view(-1, 1, 1).to(pixels.device)
    offsets = torch.tensor((5.0, 3.0, 1.0), device=pixels.device).view(-1, 1, 1)
    around = (sixths[:, None] + offsets) % 6  # n, channels, height, width
    share = torch.minimum(around, 4 - around).clamp(0, 1)
    return (value[:, None] - chroma[:, None] * share).round().to(torch.uint8).permute(0, 2, 3, 1)


class Jitter(NamedTuple):
    """Ranges: factors from max(0, 1 - x) to 1 + x, the hue turned by up to `hue` of a full turn either way."""

    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0


def jittered(pixels: Tensor, draws: Draws, jitter: Jitter) -> Tensor:
    """Brightness, contrast, saturation and hue changed by random amounts, in a random order for each picture."""
    order = draws.permutation("jitter.order", 4)
    amounts = draws.uniform("jitter.amount", 4)
    changes = (brightness, contrast, saturation, hue)
    for turn in range(4):
        for which, (change, reach) in enumerate(zip(changes, jitter, strict=True)):
            low, high = (-reach, reach) if change is hue else (max(0, 1 - reach), 1 + reach)
            rows = (order[:, turn] == which).nonzero()[:, 0]
            if reach and len(rows):
                values = low + (high - low) * amounts[rows, which]
                there = rows.to(pixels.device)
                pixels = pixels.index_copy(0, there, change(pixels[there], values))
    return pixels


def lit(pixels: Tensor, draws: Draws, std: float) -> Tensor:
    """AlexNet's colour noise: one colour added to each picture along the principal axes of ImageNet's colours.

    The sum of the three eigenvectors, each times its eigenvalue times a normal number of standard deviation `std`
    (Krizhevsky et al. 2012, section 4.1; 0.1 there), in units where white is 1.
    """
    if pixels.shape[3] != 3:
        raise UserError(f"lighting needs pictures of 3 channels, got {pixels.shape[3]}; set lighting to 0")
    alphas = draws.normal("lighting", 3) * std * torch.tensor(EIGENVALUES, dtype=torch.float64)
    colours = 255 * alphas @ torch.tensor(EIGENVECTORS, dtype=torch.float64).T  # n, channels
    added = pixels.float() + colours.float()[:, None, None, :].to(pixels.device)
    return added.round_().clamp_(0, 255).to(torch.uint8)


def grey(pixels: Tensor) -> Tensor:
    """Brightness as Pillow's mode L, whole numbers in float32 (n, height, width)."""
    if pixels.shape[3] == 1:
        return pixels[..., 0].float()
    weights = torch.tensor(LUMA, device=pixels.device)
    return (pixels.float() @ weights).add_(32768).mul_(1 / 65536).floor_()


def _blended(pixels: Tensor, ground: Tensor, factor: Tensor) -> Tensor:
    """From `ground` at 0 through the picture at 1 and beyond, cut off below as Pillow's `blend`."""
    return _bytes((pixels.float() - ground).mul_(_each(factor, pixels)).add_(ground))


def _bytes(values: Tensor) -> Tensor:
    return values.clamp_(0, 255).to(torch.uint8)


def _each(number: Tensor, pixels: Tensor) -> Tensor:
    return number.float().view(-1, 1, 1, 1).to(pixels.device)


def _looked_up(planes: Tensor, tables: Tensor, pixels: Tensor) -> Tensor:
    """Every value of planes (n, channels, p) replaced by its entry in its channel's table (n, channels, 256)."""
    tables = tables.to(torch.uint8)
    out = torch.stack(
        [
            torch.stack([table.index_select(0, plane.int()) for plane, table in zip(*pair, strict=True)])
            for pair in zip(planes, tables, strict=True)
        ]
    )
    n, height, width, channels = pixels.shape
    return out.view(n, channels, height, width).permute(0, 2, 3, 1)
