"""Colour jitter: brightness, contrast, saturation and hue changed by random amounts in random order (Howard 2013)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from neocog.data.augment import colour
from neocog.data.augment.draws import Draws
from neocog.data.augment.geometry import PLAIN
from neocog.data.augment.operations import Amount, Operation, applied, coloured


class Jitter(NamedTuple):
    """How far each may go: factors from max(0, 1 - x) to 1 + x, the hue up to `hue` of a full turn either way."""

    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0


def jittered(planes: Tensor, draws: Draws, jitter: Jitter) -> Tensor:
    """uint8 (n, channels, height, width); each picture has its own amounts and its own order of the four changes."""
    operations = _operations(jitter)
    order = draws.permutation("jitter.order", 4)
    order = torch.where(torch.tensor(jitter)[order] > 0, order, -1)
    amounts = draws.uniform("jitter.amount", 4)
    for turn in range(4):
        which = order[:, turn]
        share = amounts.gather(1, which.clamp(min=0)[:, None])[:, 0]
        planes = applied(planes, operations, which, share, PLAIN)
    return planes


def _operations(jitter: Jitter) -> list[Operation]:
    changes = (colour.brightness, colour.contrast, colour.saturation)
    factors = [_between(max(0.0, 1 - reach), 1 + reach) for reach in jitter[:3]]
    three = [Operation(f.__name__, coloured(f), amount) for f, amount in zip(changes, factors, strict=True)]
    return [*three, Operation("hue", coloured(colour.hue), _between(-jitter.hue, jitter.hue))]


def _between(low: float, high: float) -> Amount:
    return lambda share, _: low + (high - low) * share
