"""Two pictures in one, with targets to match: mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019).

How much is mixed belongs to the picture (`Draws`); the partner is the picture before it in the batch, which is in
random order anyway. Targets are float32 (n, classes), rows that sum to 1.
"""

from __future__ import annotations

import torch
from torch import Tensor

from neocog.data.augment.draws import Draws


def soft_targets(labels: Tensor, classes: int, smoothing: float = 0.0) -> Tensor:
    """int64 (n,) -> float32 (n, classes): 1 at the label, with `smoothing` of it spread over all classes."""
    one = torch.nn.functional.one_hot(labels, classes).float()
    return one * (1 - smoothing) + smoothing / classes


def mixup(pixels: Tensor, targets: Tensor, draws: Draws, alpha: float) -> tuple[Tensor, Tensor]:
    """A share from Beta(alpha, alpha) of each picture and target, the rest from its partner.

    Pixels (n, height, width, channels), uint8 or float, become float32 of the same range.
    """
    kept = draws.beta("mixup", alpha).float()
    return _weighted(pixels.float(), kept), _weighted(targets, kept)


def cutmix(pixels: Tensor, targets: Tensor, draws: Draws, alpha: float) -> tuple[Tensor, Tensor]:
    """A box of each picture from its partner; the targets are mixed by area. Pixels keep their type."""
    boxes = cutmix_boxes(draws, (pixels.shape[1], pixels.shape[2]), alpha)
    out = pixels.clone()
    for target, partner, box in zip(out, pixels.roll(1, 0), boxes.tolist(), strict=True):
        top, left, height, width = box
        inside = slice(top, top + height), slice(left, left + width)
        target[inside] = partner[inside]
    kept = 1 - (boxes[:, 2] * boxes[:, 3]).float() / (pixels.shape[1] * pixels.shape[2])
    return out, _weighted(targets, kept)


def cutmix_boxes(draws: Draws, size: tuple[int, int], alpha: float) -> Tensor:
    """int64 (n, 4), top, left, height, width: sides of sqrt(1 - share) of the picture's about any pixel, cut off at
    the border; the share is from Beta(alpha, alpha)."""
    extent = torch.tensor(size)
    sides = ((1 - draws.beta("cutmix", alpha)).sqrt()[:, None] * extent).floor().long()
    middle = draws.integers("cutmix.place", 2, extent)
    low = (middle - sides // 2).clamp(min=0)
    high = torch.minimum(middle + sides // 2, extent)
    return torch.cat((low, high - low), 1)


def _weighted(values: Tensor, kept: Tensor) -> Tensor:
    """A share of each row, the rest from the row before; the first row's partner is the last."""
    share = kept.view(-1, *[1] * (values.ndim - 1)).to(values.device)
    return values * share + values.roll(1, 0) * (1 - share)
