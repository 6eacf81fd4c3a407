"""Colours of uint8 planes (n, 1 or 3 channels, height, width), changed as Pillow's ImageEnhance and ImageOps do.

Each takes one number per picture, a tensor (n,), and rounds as Pillow does, so results are Pillow's own.
"""

from __future__ import annotations

import torch
from torch import Tensor

from neocog.data.augment.draws import Draws
from neocog.errors import UserError

LUMA = (19595.0, 38470.0, 7471.0)  # Pillow's weights of red, green and blue, in 65536ths (ITU-R 601)
EIGENVALUES = (0.2175, 0.0188, 0.0045)
EIGENVECTORS = ((-0.5675, 0.7192, 0.4009), (-0.5808, -0.0045, -0.8140), (-0.5836, -0.6948, 0.4203))
"""Of the covariance of ImageNet's RGB values in 0..1; rows are red, green, blue (fb.resnet.torch, imagenet.lua)."""


def brightness(planes: Tensor, factor: Tensor) -> Tensor:
    """Towards black by 0, away from it above 1."""
    return _bytes(planes.float().mul_(each(factor, planes)))


def contrast(planes: Tensor, factor: Tensor) -> Tensor:
    """Towards the picture's mean grey by 0, away from it above 1."""
    sums = grey(planes).sum(3, dtype=torch.float32).double().sum((1, 2))  # whole numbers: no rounding
    mean = (sums / (planes.shape[2] * planes.shape[3]) + 0.5).floor()
    return _blended(planes, each(mean, planes), factor)


def saturation(planes: Tensor, factor: Tensor) -> Tensor:
    """Towards each pixel's grey by 0, away from it above 1; Pillow's `Color`."""
    return _blended(planes, grey(planes), factor)


def sharpness(planes: Tensor, factor: Tensor) -> Tensor:
    """Towards a smoothed picture by 0, away from it above 1; the border stays as it is."""
    exact = planes.float()
    rows = exact[:, :, :-2] + exact[:, :, 1:-1] + exact[:, :, 2:]
    sums = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]
    middle = exact[:, :, 1:-1, 1:-1]
    smooth = sums.add_(middle, alpha=4).mul_(1 / 13).add_(0.5).floor_()  # Pillow's SMOOTH
    middle.sub_(smooth).mul_(each(factor, planes)).add_(smooth)
    return _bytes(exact)


def posterize(planes: Tensor, bits: Tensor) -> Tensor:
    """Only the highest `bits` of each value, 0 to 8."""
    return planes & each(256 - 2 ** (8 - bits), planes).to(torch.uint8)


def solarize(planes: Tensor, threshold: Tensor) -> Tensor:
    """Values of at least `threshold` inverted."""
    below = planes.short() - each(threshold.float().ceil(), planes).short()
    return planes ^ ~(below >> 15).to(torch.uint8)  # the sign, in all bits


def solarize_add(planes: Tensor, amount: Tensor) -> Tensor:
    """Values below 128 made brighter by `amount`, at most to 255."""
    levels = planes.short()
    dark = (levels - 128) >> 15  # the sign, in all bits
    return (levels + (dark & each(amount, planes).short())).clamp_(max=255).to(torch.uint8)


def invert(planes: Tensor) -> Tensor:
    return ~planes


def autocontrast(planes: Tensor) -> Tensor:
    """The values of each channel stretched so that they reach from 0 to 255."""
    flat = planes.flatten(2)
    low, high = flat.amin(2).double()[..., None], flat.amax(2).double()[..., None]
    ramp = torch.arange(256, device=planes.device, dtype=torch.float64)
    scale = torch.full_like(low, 255) / (high - low).clamp(
        min=1
    )  # 255 / x would be 255 * (1 / x): rounded twice
    stretched = (ramp * scale - low * scale).clamp(0, 255).floor()
    return _looked_up(planes, torch.where(high > low, stretched, ramp))


def equalize(planes: Tensor) -> Tensor:
    """Each channel with a histogram as flat as a table of values makes it."""
    flat = planes.reshape(-1, planes.shape[2] * planes.shape[3])
    counts = torch.stack([torch.bincount(values, minlength=256) for values in flat])
    ramp = torch.arange(256, device=planes.device)
    last = torch.where(counts > 0, ramp, 0).amax(1, keepdim=True)
    step = (flat.shape[1] - counts.gather(1, last)) // 255
    before = counts.cumsum(1) - counts
    table = ((step // 2 + before) // step.clamp(min=1)).clamp(max=255)
    return _looked_up(planes, torch.where(step > 0, table, ramp).view(*planes.shape[:2], 256))


def hue(planes: Tensor, turn: Tensor) -> Tensor:
    """Colours turned about the grey axis by `turn` times 360 degrees in HSV, brightness and saturation kept."""
    if planes.shape[1] == 1:
        return planes
    rgb = planes.float()
    value, low = rgb.amax(1), rgb.amin(1)
    chroma = value - low
    red, green, blue = rgb.unbind(1)
    share = 1 / chroma.clamp(min=1)
    of_red, of_green, of_blue = (green - blue) * share, (blue - red) * share + 2, (red - green) * share + 4
    sixths = torch.where(value == red, of_red, torch.where(value == green, of_green, of_blue))
    sixths = sixths + 6 * turn.float().view(-1, 1, 1).to(planes.device)
    offsets = torch.tensor((5.0, 3.0, 1.0), device=planes.device).view(-1, 1, 1)
    around = (sixths[:, None] + offsets) % 6
    fall = torch.minimum(around, 4 - around).clamp_(0, 1)
    return (value[:, None] - chroma[:, None] * fall).round_().short().to(torch.uint8)


def lit(planes: Tensor, draws: Draws, std: float) -> Tensor:
    """AlexNet's colour noise: one colour added to each picture along the principal axes of ImageNet's colours.

    The sum of the three eigenvectors, each times its eigenvalue times a normal number of standard deviation `std`
    (Krizhevsky et al. 2012, section 4.1; 0.1 there), in units where white is 1.
    """
    if planes.shape[1] != 3:
        raise UserError(f"lighting needs pictures of 3 channels, got {planes.shape[1]}; set lighting to 0")
    alphas = draws.normal("lighting", 3) * std * torch.tensor(EIGENVALUES, dtype=torch.float64)
    colours = (255 * alphas @ torch.tensor(EIGENVECTORS, dtype=torch.float64).T).round()  # n, channels
    added = planes.short() + colours.short()[..., None, None].to(planes.device)
    return added.clamp_(0, 255).to(torch.uint8)


def grey(planes: Tensor) -> Tensor:
    """Brightness as Pillow's mode L, whole numbers in float32 (n, 1, height, width)."""
    if planes.shape[1] == 1:
        return planes.float()
    red, green, blue = (planes[:, i : i + 1].float() for i in range(3))
    sums = red.mul_(LUMA[0]).add_(green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2])
    return sums.add_(32768).mul_(2**-16).floor_()


def each(number: Tensor, planes: Tensor) -> Tensor:
    """One number per picture (n,) in a shape that meets (n, channels, height, width), as float32."""
    return number.float().view(-1, 1, 1, 1).to(planes.device)


def _blended(planes: Tensor, ground: Tensor, factor: Tensor) -> Tensor:
    """From `ground` at 0 through the picture at 1 and beyond, cut off below as Pillow's `blend`."""
    return _bytes(planes.float().sub_(ground).mul_(each(factor, planes)).add_(ground))


def _bytes(values: Tensor) -> Tensor:
    return values.clamp_(0, 255).short().to(torch.uint8)  # torch has no fast way from float to uint8


def _looked_up(planes: Tensor, tables: Tensor) -> Tensor:
    """Every value replaced by its entry in its channel's table (n, channels, 256)."""
    out = planes.new_empty(planes.shape)
    flat = planes.reshape(-1, planes.shape[2] * planes.shape[3])
    for target, values, table in zip(
        out.view(flat.shape), flat, tables.to(torch.uint8).view(-1, 256), strict=True
    ):
        torch.index_select(table, 0, values.int(), out=target)
    return out
