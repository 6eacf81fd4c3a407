"""What the automatic policies choose from: operations with the strength that each number stands for."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

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


def _plain(change: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor, Sampling], Tensor]:
    return lambda pixels, _, __: change(pixels)


def _coloured(change: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor, Sampling], Tensor]:
    return lambda pixels, amounts, _: change(pixels, amounts)


def _times(most: float) -> Amount:
    return lambda share, _: share * most


def _factor(most: float) -> Amount:
    return lambda share, _: 1 + share * most


def _pixels(axis: int, most: float) -> Amount:
    """Whole pixels, a share of the picture's extent."""
    return lambda share, size: (share * (most * size[axis])).trunc()


def _nothing(share: Tensor, _: tuple[int, int]) -> Tensor:
    return share


IDENTITY = Operation("Identity", _plain(lambda pixels: pixels), _nothing)
AUTOCONTRAST = Operation("AutoContrast", _plain(colour.autocontrast), _nothing)
EQUALIZE = Operation("Equalize", _plain(colour.equalize), _nothing)
INVERT = Operation("Invert", _plain(colour.invert), _nothing)


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
        Operation("Brightness", _coloured(colour.brightness), amount, signed),
        Operation("Color", _coloured(colour.saturation), amount, signed),
        Operation("Contrast", _coloured(colour.contrast), amount, signed),
        Operation("Sharpness", _coloured(colour.sharpness), amount, signed),
    )


def posterization(amount: Amount) -> Operation:
    return Operation("Posterize", _coloured(colour.posterize), amount)


def solarization(amount: Amount) -> Operation:
    return Operation("Solarize", _coloured(colour.solarize), amount)


def _timm(posterize: Amount, solarize: Amount, enhance: Amount, signed: bool) -> tuple[Operation, ...]:
    add = Operation("SolarizeAdd", _coloured(colour.solarize_add), lambda share, _: (share * 110).trunc())
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
