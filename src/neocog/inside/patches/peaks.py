"""The largest activation of every channel in each picture: of all layers in one forward, and back from there."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from neocog.analysis.capture import LAST
from neocog.inside.back.rules import Rule, traced_back
from neocog.inside.units import Layer, index_of

AT_ONCE = 9
"""pictures that are traced back together"""


class _Read(Exception):
    """Every layer has been read."""


class Peaks(nn.Module):
    """(batch, channels, height, width) -> (batch, sum of the layers' channels): the largest number of each channel.

    Of maps that is the largest over all positions, of tokens over all tokens; a vector stays. The layers lie side by
    side in their order. Any engine can run it, and several threads at once. What comes behind the last layer is not
    computed.
    """

    def __init__(self, net: nn.Module, layers: Sequence[Layer]):
        """`net` gets hooks, and is not for anything else afterwards."""
        super().__init__()
        self.net, self._local = net, threading.local()
        self._wanted: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for i, layer in enumerate(layers):
            self._wanted[layer.place.module].append((i, layer.place.call))
        self._count = len(layers)
        self._stops = all(layer.place.call != LAST for layer in layers)
        for module in self._wanted:
            hook = partial(self._hooked, module)
            net.get_submodule(module).register_forward_hook(lambda _, __, out, hook=hook: hook(out))

    def forward(self, x: Tensor) -> Tensor:
        self._local.calls, self._local.rows = Counter(), {}
        with suppress(_Read):
            self.net(x)
        rows = self._local.rows
        return torch.cat([rows[i] for i in range(self._count)], 1)

    def _hooked(self, module: str, out: Tensor) -> None:
        calls, rows = self._local.calls, self._local.rows
        for i, call in self._wanted[module]:
            if call in (calls[module], LAST):
                rows[i] = largest(out)
        calls[module] += 1
        # a tracer must leave each module in order; its converter leaves out what nothing depends on
        if self._stops and len(rows) == self._count and not torch.jit.is_tracing():  # type: ignore[attr-defined, no-untyped-call]
            raise _Read


def largest(x: Tensor) -> Tensor:
    """Of each channel: maps (batch, channels, rows, columns), tokens (batch, tokens, channels) or a vector.

    The result shares no memory with `x`, into which a later layer may write.
    """
    if x.dim() == 4 and x.device.type == "cpu":
        return F.max_pool2d(x, x.shape[2:]).flatten(1)  # on CPUs no slower than amax
    if x.dim() == 4:
        return x.amax((2, 3))
    return x.amax(1) if x.dim() == 3 else x.clone()


@dataclass(frozen=True, eq=False)
class Units:
    """Of each picture the unit of one channel that is the most active, and what leads back from it to the pixels."""

    at: tuple[tuple[int, ...], ...]
    """(row, column) of maps, (token,) of tokens, () of a vector"""
    values: NDArray[np.float32]
    """(n,), activations"""
    back: NDArray[np.float32]
    """(n, channels, height, width), in the units of the network's input"""


def strongest_units(net: nn.Module, x: Tensor, layer: Layer, channel: int, rule: Rule) -> Units:
    """In each picture of `x` (n, channels, height, width), which are run again; of equal units the first."""
    parts = [_strongest(net, some, layer, channel, rule) for some in torch.split(x, AT_ONCE)]
    return Units(
        tuple(at for part in parts for at in part.at),
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.back for part in parts]),
    )


def _strongest(net: nn.Module, x: Tensor, layer: Layer, channel: int, rule: Rule) -> Units:
    found: list[tuple[int, ...]] = []
    values: list[float] = []

    def start(activation: Tensor) -> Tensor:
        seed = torch.zeros_like(activation)
        for i, one in enumerate(activation):
            units = one[..., channel] if one.dim() == 2 else one[channel]
            at = tuple(map(int, np.unravel_index(int(units.cpu().numpy().argmax()), units.shape)))
            unit = index_of(one.dim(), channel, at)
            seed[(i, *unit)] = one[unit]
            found.append(at)
            values.append(float(one[unit]))
        return seed

    back = traced_back(net, x, layer.place, start, rule).finite
    return Units(tuple(found), np.array(values, np.float32), back)
