"""What the automatic policies choose from: operations with the strength that each number stands for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from neocog.data.augment import colour, geometry
from neocog.data.augment.geometry import Sampling

Amount = Callable[[Tensor, tuple[int, int]], Tensor]
"""share of the full strength (n,), negative for the other direction, and (height, width) -> the operation's number"""


class Operation(NamedTuple):
    name: str
    apply: Callable[[Tensor, Tensor, Sampling], Tensor]
    """pictures, numbers (n,), sampling"""
    amount: Amount
    signed: bool = False
    """whether it goes either way"""


def applied(
    planes: Tensor, operations: Sequence[Operation], which: Tensor, shares: Tensor, sampling: Sampling
) -> Tensor:
    """Operation number `which` (n,) on each picture, with a share of its full strength (n,); -1 is none.

    Each operation is run once, on all the pictures that drew it.
    """
    size = (planes.shape[2], planes.shape[3])
    order = which.argsort(stable=True)
    shares, drawn = shares[order], planes.index_select(0, order.to(planes.device))
    counts = torch.bincount(which + 1, minlength=len(operations) + 1).tolist()
    parts, start = [drawn[: counts[0]]], counts[0]
    for operation, count in zip(operations, counts[1:], strict=True):
        if count:
            own = slice(start, start + count)
            parts.append(operation.apply(drawn[own], operation.amount(shares[own], size), sampling))
            start += count
    return torch.cat(parts).index_select(0, order.argsort().to(planes.device))


def plain(change: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor, Sampling], Tensor]:
    return lambda planes, _, __: change(planes)


def coloured(change: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor, Sampling], Tensor]:
    return lambda planes, amounts, _: change(planes, amounts)


def _times(most: float) -> Amount:
    return lambda share, _: share * most


def _factor(most: float) -> Amount:
    return lambda share, _: 1 + share * most


def _pixels(axis: int, most: float) -> Amount:
    """Whole planes, a share of the picture's extent."""
    return lambda share, size: (share * (most * size[axis])).trunc()


def _nothing(share: Tensor, _: tuple[int, int]) -> Tensor:
    return share


IDENTITY = Operation("Identity", plain(lambda planes: planes), _nothing)
AUTOCONTRAST = Operation("AutoContrast", plain(colour.autocontrast), _nothing)
EQUALIZE = Operation("Equalize", plain(colour.equalize), _nothing)
INVERT = Operation("Invert", plain(colour.invert), _nothing)


def shears(most: float) -> tuple[Operation, ...]:
    return (
        Operation("ShearX", geometry.shear_x, _times(most), signed=True),
        Operation("ShearY", geometry.shear_y, _times(most), signed=True),
    )


def translations(across: Amount, down: Amount) -> tuple[Operation, ...]:
    return (
        Operation("TranslateX", geometry.translate_x, across, signed=True),
        Operation("TranslateY", geometry.translate_y, down, signed=True),
    )


def rotation(amount: Amount) -> Operation:
    return Operation("Rotate", geometry.rotate, amount, signed=True)


def enhancements(amount: Amount, signed: bool = True) -> tuple[Operation, ...]:
    return (
        Operation("Brightness", coloured(colour.brightness), amount, signed),
        Operation("Color", coloured(colour.saturation), amount, signed),
        Operation("Contrast", coloured(colour.contrast), amount, signed),
        Operation("Sharpness", coloured(colour.sharpness), amount, signed),
    )


def posterization(amount: Amount) -> Operation:
    return Operation("Posterize", coloured(colour.posterize), amount)


def solarization(amount: Amount) -> Operation:
    return Operation("Solarize", coloured(colour.solarize), amount)


def _timm(posterize: Amount, solarize: Amount, enhance: Amount, signed: bool) -> tuple[Operation, ...]:
    add = Operation("SolarizeAdd", coloured(colour.solarize_add), lambda share, _: (share * 110).trunc())
    return (
        *(AUTOCONTRAST, EQUALIZE, INVERT, rotation(_times(30)), posterization(posterize)),
        *(solarization(solarize), add, *enhancements(enhance, signed), *shears(0.3)),
        *translations(_pixels(1, 0.45), _pixels(0, 0.45)),
    )


RANDAUGMENT = (
    IDENTITY,
    *shears(0.3),
    *translations(_pixels(1, 150 / 331), _pixels(0, 150 / 331)),
    rotation(_times(30)),
    *enhancements(_factor(0.9)),
    posterization(lambda share, _: 8 - (share * 4).round()),
    solarization(lambda share, _: 255 - 255 * share),
    AUTOCONTRAST,
    EQUALIZE,
)
TRIVIALAUGMENT = (
    IDENTITY,
    *shears(0.99),
    *translations(lambda share, _: (share * 32).trunc(), lambda share, _: (share * 32).trunc()),
    rotation(_times(135)),
    *enhancements(_factor(0.99)),
    posterization(lambda share, _: 8 - (share * 6).round()),
    solarization(lambda share, _: 255 - 255 * share),
    AUTOCONTRAST,
    EQUALIZE,
)
AUGMIX = (
    AUTOCONTRAST,
    EQUALIZE,
    posterization(lambda share, _: 4 - (share * 4).trunc()),
    rotation(lambda share, _: (share * 30).trunc()),
    solarization(lambda share, _: 256 - (share * 256).trunc()),
    *shears(0.3),
    *translations(_pixels(1, 1 / 3), _pixels(0, 1 / 3)),
)
"""Without the operations that occur in ImageNet-C, as in the paper."""
TIMM = _timm(
    lambda share, _: (share * 4).trunc(),
    lambda share, _: (share * 256).trunc(),
    lambda share, _: share * 1.8 + 0.1,
    signed=False,
)
TIMM_INCREASING = _timm(
    lambda share, _: 4 - (share * 4).trunc(),
    lambda share, _: 256 - (share * 256).trunc(),
    lambda share, _: (1 + share * 0.9).clamp(min=0.1),
    signed=True,
)
