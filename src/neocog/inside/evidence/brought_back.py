"""Units of a layer brought back to the pixels, and whether what comes back can be believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from neocog.inside.back.rules import Rule, reconstruct
from neocog.inside.evidence.sanity import partial_rank_correlation
from neocog.inside.strongest import Unit, activations, strongest
from neocog.inside.units import Layer, index_of


@dataclass(frozen=True, eq=False)
class Back:
    """What comes back from one unit."""

    activation: float
    """of the unit"""
    pixels: NDArray[np.float32]
    """(channels, height, width), in the units of the network's input"""
    support: float | None
    """the share of its absolute sum on pixels that the unit depends on; None where nothing comes back"""
    rank: float | None
    """partial rank correlation with what comes back in a network with other weights; None where that says nothing"""


def strongest_channels(layer: Layer, values: NDArray[np.float32], most: int) -> list[Unit]:
    """Of up to `most` channels the unit that answers most, the strongest first, as `strongest` finds it among the rest.

    `values` are a layer's without the batch. Only units above 0.
    """
    rest, found = np.array(values), list[Unit]()
    while len(found) < min(most, layer.channels):
        unit = strongest(layer, rest)
        if not unit.value > 0:
            break
        found.append(unit)
        _of_channel(layer, rest, unit.channel)[...] = -np.inf
    return found


def brought_back(
    net: nn.Module, x: Tensor, layer: Layer, units: Sequence[Unit], rule: Rule, other: nn.Module | None = None
) -> list[Back]:
    """Back from each of the `units` of one picture `x` (1, channels, height, width), all others set to zero.

    In the `other` network, which has learned nothing, the unit in the same place is brought back by the same rule, as
    Adebayo et al., "Sanity checks for saliency maps" (2018), section 3, do with a class; where it is silent, that of
    the next channel that is not: drawn at random, one channel is like another. Near the middle of its window more ways
    lead to a unit than at the edge, whatever the weights; so what the two owe to the distance from there is taken out.
    """
    if not units:
        return []
    given, back = _traced(net, x, layer, units, rule)
    others: list[NDArray[np.float32] | None] = [None] * len(units)
    if other is not None:
        others = _of_the_other(other, x, layer, units, rule)
    return [
        Back(value, pixels, _support(layer, unit, pixels), _rank(layer, unit, pixels, beside))
        for unit, value, pixels, beside in zip(units, given, back, others, strict=True)
    ]


def _traced(
    net: nn.Module, x: Tensor, layer: Layer, units: Sequence[Unit], rule: Rule
) -> tuple[list[float], NDArray[np.float32]]:
    """The units' activations, and what comes back from each: (units, channels, height, width)."""
    channels, places = [unit.channel for unit in units], [unit.at for unit in units]
    traced = reconstruct(net, x.expand(len(units), *x.shape[1:]), layer.place, channels, places, rule)
    where = [index_of(len(layer.shape), unit.channel, unit.at) for unit in units]
    given = [float(activation[index]) for activation, index in zip(traced.activation, where, strict=True)]
    return given, traced.finite


def _of_the_other(
    other: nn.Module, x: Tensor, layer: Layer, units: Sequence[Unit], rule: Rule
) -> list[NDArray[np.float32] | None]:
    """What comes back there from each unit, or from what stands for it; None where its whole place is silent."""
    (values,) = activations(other, x, [layer])
    stand_ins = [_stand_in(layer, values, unit) for unit in units]
    active = list(dict.fromkeys(unit for unit in stand_ins if unit is not None))
    if not active:
        return [None] * len(units)
    back = dict(zip(active, _traced(other, x, layer, active, rule)[1], strict=True))
    return [None if unit is None else back[unit] for unit in stand_ins]


def _stand_in(layer: Layer, values: NDArray[np.float32], unit: Unit) -> Unit | None:
    """The unit's own channel, or the next that is active in its place, the first after the last."""
    there = values[:, unit.at[0], unit.at[1]] if layer.kind == "maps" else values[unit.at]
    active = np.flatnonzero(there > 0)
    if not len(active):
        return None
    channel = int(active[np.searchsorted(active, unit.channel) % len(active)])
    return Unit(channel, unit.at, float(there[channel]))


def _of_channel(layer: Layer, values: NDArray[np.float32], channel: int) -> NDArray[np.float32]:
    return values[channel] if layer.kind == "maps" else values[..., channel : channel + 1]


def _support(layer: Layer, unit: Unit, pixels: NDArray[np.float32]) -> float | None:
    total = float(np.abs(pixels).sum(dtype=np.float64))
    return float(np.abs(_within(layer, unit, pixels)).sum(dtype=np.float64)) / total if total else None


def _rank(
    layer: Layer, unit: Unit, pixels: NDArray[np.float32], other: NDArray[np.float32] | None
) -> float | None:
    if other is None:
        return None
    both = [np.asarray(_within(layer, unit, one), np.float64) for one in (pixels, other)]
    away = np.broadcast_to(_from_the_middle(layer, unit), both[0].shape)
    return partial_rank_correlation(both[0], both[1], away)


def _from_the_middle(layer: Layer, unit: Unit) -> NDArray[np.float64]:
    """How far each pixel that the unit depends on is from the middle of its window."""
    window = layer.window(unit.at)
    top, left, bottom, right = layer.reads(unit.at)
    rows = np.arange(top, bottom) - (window.top + window.bottom - 1) / 2
    columns = np.arange(left, right) - (window.left + window.right - 1) / 2
    return np.asarray(np.hypot(rows[:, None], columns))


def _within(layer: Layer, unit: Unit, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    top, left, bottom, right = layer.reads(unit.at)
    return pixels[:, top:bottom, left:right]
