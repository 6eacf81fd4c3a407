"""What the units of a layer make of a picture, the strongest of them, and layers that stand for a whole network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from neocog.analysis.capture import capture
from neocog.errors import UserError
from neocog.inside.tokens import Patches
from neocog.inside.units import Layer


@dataclass(frozen=True)
class Unit:
    """One unit of a layer, and what it puts out."""

    channel: int
    at: tuple[int, ...]
    """(row, column) of maps, (token,) of tokens, () of a vector"""
    value: float


def activations(net: nn.Module, x: Tensor, layers: Sequence[Layer]) -> list[NDArray[np.float32]]:
    """What each layer puts out on `x` (1, channels, height, width), without the batch."""
    with capture(net, [layer.place for layer in layers]) as seen, torch.no_grad():
        seen.run(x)
        return [seen[layer.place][0].float().cpu().numpy() for layer in layers]


def as_maps(layer: Layer, values: NDArray[np.float32], patches: Patches | None = None) -> NDArray[np.float32]:
    """A layer's activations as (channels, rows, columns).

    Tokens that stand for no patch are left out; without a grid tokens are one row, and a vector is maps of one unit.
    """
    if layer.kind == "maps":
        return values
    if layer.kind == "vector":
        return values[:, None, None]
    if patches is None:
        return values.T[:, None, :]
    return np.moveaxis(values[patches.tokens], -1, 0)


def strongest(
    layer: Layer,
    values: NDArray[np.float32],
    channel: int | None = None,
    at: tuple[int, ...] | None = None,
) -> Unit:
    """The unit that puts out the most, among those of one channel or one place where these are given.

    Of equal ones, as a ceiling makes them, that nearest to the middle, and of these the first. UserError for a channel
    or place that the layer does not have, and where numbers are not finite.
    """
    demand_unit(layer, channel, at)
    by_channel = values if layer.kind == "maps" else np.moveaxis(values, -1, 0)
    channels = range(layer.channels) if channel is None else [channel]
    kept = by_channel[list(channels)]
    if at is not None:
        place_of_all: tuple[Any, ...] = (slice(None), *at)
        kept = kept[place_of_all]
    which = peak_of(kept, f"the layer {layer.name}")
    place = which[1:] if at is None else at
    return Unit(channels[which[0]], place, float(kept[which]))


def peak_of(values: NDArray[np.float32], what: str = "a layer") -> tuple[int, ...]:
    """Where the largest number of (channels, ...) is; of equal ones that nearest to the middle of its map.

    UserError where `what` gives numbers that are not finite; minus infinity stands for what was taken out.
    """
    if np.isnan(values).any() or np.isposinf(values).any():
        raise UserError(
            f"{what} gives numbers that are not finite; the weights may have diverged, take an earlier epoch, RUN@N"
        )
    equal = np.argwhere(values == values.max())
    middle = np.array([(side - 1) / 2 for side in values.shape[1:]])
    nearest = np.square(equal[:, 1:] - middle).sum(axis=1).argmin()
    return tuple(map(int, equal[nearest]))


def demand_unit(layer: Layer, channel: int | None, at: tuple[int, ...] | None) -> None:
    """UserError unless the layer has this channel and this place."""
    if channel is not None and not 0 <= channel < layer.channels:
        raise UserError(
            f"{layer.name} has channels 0 to {layer.channels - 1}, got {channel}; `neocog see maps` shows them"
        )
    sides = layer.shape[1:] if layer.kind == "maps" else layer.shape[:-1]
    if at is None:
        return
    if len(at) != len(sides):
        has = {0: "no places", 1: f"tokens 0 to {(sides or (1,))[0] - 1}"}.get(len(sides), "rows and columns")
        raise UserError(f"{layer.name} has {has}, got {','.join(map(str, at))}; leave --at out or mend it")
    for index, side, name in zip(at, sides, ((), ("token",), ("row", "column"))[len(at)], strict=True):
        if not 0 <= index < side:
            size = "x".join(map(str, sides))
            raise UserError(
                f"{layer.name} has {size} units a channel, {name} {index} is outside; take 0 to {side - 1}"
            )


def by_stage(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Layers that stand for all: of maps the last one of each size, at most seven, and three of the tokens.

    Where that is fewer than three, the first, the middle and the last.
    """
    every = [layer for layer in layers if layer.kind == "maps"]
    maps = [layer for layer in every if max(layer.shape[1:]) > 1] or every
    tokens = [layer for layer in layers if layer.kind == "tokens"]
    last = {layer.shape[1:]: layer for layer in maps}
    chosen = list(last.values()) if len(last) > 2 else spread(maps, 3)
    chosen = spread(chosen, 7) + spread(tokens, 3)
    return tuple(sorted(chosen, key=lambda layer: layer.op))


def spread(layers: Sequence[Layer], count: int) -> list[Layer]:
    """`count` of them, or all if these are fewer: the first, the last, and evenly between."""
    if len(layers) <= count:
        return list(layers)
    return [layers[round(i * (len(layers) - 1) / (count - 1))] for i in range(count)]
