"""The effective receptive field: how much each pixel of given pictures moves the middle of a layer's map."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from neocog.analysis.capture import Captured, Place, capture
from neocog.analysis.receptive_field import extent, receptive_fields
from neocog.analysis.trace import trace
from neocog.errors import UserError, unknown

TOGETHER = 8  # pictures in one forward and backward
HELD = 0.95


@dataclass(frozen=True)
class EffectiveField:
    """The mean influence of each pixel on the middle unit of a layer, and how wide it is."""

    influence: NDArray[np.float64] = field(repr=False)
    """mean |gradient| over pictures and colours: (height, width)"""
    centre: tuple[int, ...]
    """the unit's row and column in the layer's map, or its number among tokens"""
    mean: tuple[float, float]
    """the middle of the influence, in pixels down and across"""
    deviation: tuple[float, float]
    """its standard deviation along each axis, in pixels"""
    theoretical: tuple[tuple[int, int], tuple[int, int]]
    """first and last pixel that the unit can depend on, along each axis"""
    share: float
    """of the theoretical field: the fewest of its pixels that hold 95 % of the influence"""


def effective_field(
    net: nn.Module, pictures: Tensor, layer: str, generator: torch.Generator | None = None
) -> EffectiveField:
    """The effective receptive field of the middle unit of `layer`, a module's name, on `pictures`, a batch.

    Luo et al., "Understanding the effective receptive field in deep convolutional neural networks" (2016), section 2:
    the gradient of the unit with respect to each pixel, here its absolute value, averaged over pictures. All channels
    of the unit are added up; with a `generator` each with a sign drawn from it, picture by picture, so that channels
    do not cancel in the same way everywhere. Of a layer that is called several times it is that of the last call. The
    network is taken in evaluation and left as it was. UserError where the layer has no map of two axes, or no pixel
    moves it.
    """
    if layer not in dict(net.named_modules()):
        raise unknown("layer", layer, [name for name, _ in net.named_modules() if name])
    if pictures.ndim != 4 or not len(pictures):
        raise UserError(
            f"pictures must be (batch, channels, height, width), at least one; got {tuple(pictures.shape)}"
        )
    place, centre, theoretical = _theoretical(net, tuple(pictures.shape[1:]), layer)
    return effective_field_at(net, pictures, place, centre, theoretical, generator)


def effective_field_at(
    net: nn.Module,
    pictures: Tensor,
    place: Place,
    unit: tuple[int, ...],
    theoretical: tuple[tuple[int, int], tuple[int, int]],
    generator: torch.Generator | None = None,
) -> EffectiveField:
    """The effective receptive field of the unit at (row, column) of maps, of (token,), or () of a vector, at `place`.

    `theoretical` are the first and last pixel along each axis that it can depend on. UserError where no pixel moves
    it.
    """
    total = torch.zeros(pictures.shape[2:], dtype=torch.float64)
    with capture(net, [place]) as seen:
        for start in range(0, len(pictures), TOGETHER):
            total += _gradients(seen, pictures[start : start + TOGETHER], unit, generator)
    influence = (total / (len(pictures) * pictures.shape[1])).numpy()
    if not influence.sum() > 0:
        raise UserError(
            f"no pixel of these pictures moves the middle of {place.module}; give others, or a trained network"
        )
    mean, deviation = zip(*(_spread(influence.sum(axis=1 - axis)) for axis in (0, 1)), strict=True)
    return EffectiveField(influence, unit, mean, deviation, theoretical, _share(influence, theoretical))


def _theoretical(
    net: nn.Module, size: tuple[int, ...], layer: str
) -> tuple[Place, tuple[int, int], tuple[tuple[int, int], tuple[int, int]]]:
    """The last call of a layer, the middle unit of its map, and the pixels that this can depend on."""
    plain = trace(net, size)
    given = [op for module, op in plain.returned if module == layer]
    last = given[-1] if given else None
    shape = () if last is None else plain.ops[last].shape
    seen = None if last is None else receptive_fields(plain)[last]
    if seen is None or len(shape) != 4:
        raise UserError(
            f"{layer} must make (batch, channels, height, width), got {shape}; take a layer before it"
        )
    centre = shape[2] // 2, shape[3] // 2
    ends = [
        tuple(int(bound[centre[axis]]) for bound in extent(seen, axis, 2 + axis, shape[2 + axis]))
        for axis in (0, 1)
    ]
    return Place(layer, len(given) - 1), centre, ((ends[0][0], ends[0][1]), (ends[1][0], ends[1][1]))


def _gradients(
    seen: Captured, pictures: Tensor, unit: tuple[int, ...], generator: torch.Generator | None
) -> Tensor:
    """|gradient| of the unit at each pixel, added up over pictures and colours."""
    with torch.enable_grad():
        x = pictures.detach().clone().requires_grad_()
        seen.run(x)
        out = seen[seen.places[0]]
        before: tuple[slice | int, ...] = (slice(None),) * (1 if out.dim() == 3 else 2)
        values = out[before + unit]  # pictures, channels
        signs = torch.ones(values.shape)
        if generator is not None:
            signs = torch.randint(2, values.shape, generator=generator, device=generator.device) * 2.0 - 1
        (gradient,) = torch.autograd.grad((values * signs.to(values)).sum(), x)
    return gradient.abs().sum(dim=(0, 1)).double().cpu()


def _spread(profile: NDArray[np.float64]) -> tuple[float, float]:
    """Mean and standard deviation of a position, weighted by a profile."""
    weights, places = profile / profile.sum(), np.arange(len(profile))
    mean = float(weights @ places)
    return mean, float(weights @ (places - mean) ** 2) ** 0.5


def _share(influence: NDArray[np.float64], field: tuple[tuple[int, int], tuple[int, int]]) -> float:
    (top, bottom), (left, right) = field
    falling = np.sort(influence[top : bottom + 1, left : right + 1], axis=None)[::-1]
    held = np.cumsum(falling) >= HELD * influence.sum() * (1 - 1e-12)
    return (int(held.argmax()) + 1) / falling.size if held.any() else 1.0
