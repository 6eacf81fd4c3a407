"""Random erasing (Zhong et al. 2020): a rectangle of each chosen picture is painted over."""

from __future__ import annotations

from math import log
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from neocog.data.augment.draws import Draws
from neocog.data.augment.geometry import ATTEMPTS


class Erasing(NamedTuple):
    """The paper's settings; its best variant paints noise."""

    probability: float = 0.5
    area: tuple[float, float] = (0.02, 0.4)
    """range of the rectangle's share of the picture"""
    ratio: tuple[float, float] = (0.3, 1 / 0.3)
    """range of height by width, drawn evenly in its logarithm"""
    noise: bool = True
    """every value drawn evenly from 0 to 255; else black"""


def erased(planes: Tensor, draws: Draws, erasing: Erasing) -> Tensor:
    """uint8 (n, channels, height, width). Of ten draws the first smaller than the picture is taken, else none."""
    n, channels, height, width = planes.shape
    boxes, found = erased_boxes(draws, (height, width), erasing)
    out = planes.clone()
    for row in found.nonzero()[:, 0].tolist():
        top, left, tall, wide = boxes[row].tolist()
        there = out[row, :, top : top + tall, left : left + wide]
        if erasing.noise:
            one = draws.rows(np.array([row])).octets("erase.noise", tall * wide * channels)
            there.copy_(one.view(channels, tall, wide))
        else:
            there.zero_()
    return out


def erased_boxes(draws: Draws, size: tuple[int, int], erasing: Erasing) -> tuple[Tensor, Tensor]:
    """Boxes int64 (n, 4), top, left, height, width, and whether each picture has one, bool (n,)."""
    area = draws.uniform("erase.area", ATTEMPTS, *erasing.area) * (size[0] * size[1])
    ratio = draws.uniform("erase.ratio", ATTEMPTS, log(erasing.ratio[0]), log(erasing.ratio[1])).exp()
    heights, widths = (area * ratio).sqrt().round().long(), (area / ratio).sqrt().round().long()
    fits = (heights < size[0]) & (widths < size[1])
    first = fits.long().argmax(1, keepdim=True)
    height, width = heights.gather(1, first)[:, 0], widths.gather(1, first)[:, 0]
    places = draws.uniform("erase.place", 2)
    top = (places[:, 0] * (size[0] - height + 1)).floor().long()
    left = (places[:, 1] * (size[1] - width + 1)).floor().long()
    found = fits.any(1) & draws.chance("erase.chance", erasing.probability)
    return torch.stack((top, left, height, width), 1), found
