"""The feature map that answers a picture most, and a network that tells of its maps beside its logits."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from neocog.analysis.capture import LAST, Place, capture
from neocog.errors import UserError
from neocog.inside.answers import answers
from neocog.inside.evidence.gradients import OUTPUT
from neocog.inside.strongest import Unit, strongest
from neocog.inside.units import Layer


@dataclass(frozen=True, eq=False)
class StrongestMap:
    """Of a layer's maps the one that answers a whole picture most: that with the largest mean."""

    layer: Layer
    unit: Unit
    """its strongest, with what that answers before a ceiling cuts it off"""
    values: NDArray[np.float32]
    """(rows, columns)"""
    classes: int
    """of the network"""


def strongest_map(net: nn.Module, x: Tensor, layer: Layer) -> StrongestMap:
    """Of `layer`, which gives maps, for one picture `x` (1, channels, height, width)."""
    with capture(net, [layer.place, OUTPUT]) as seen, torch.no_grad():
        seen.run(x)
        values, logits = seen[layer.place][0].numpy(), seen[OUTPUT]
    _demand_classes(logits)
    channel = int(values.mean(axis=(1, 2)).argmax())
    unit = strongest(layer, answers(net, x, layer.place)[0].numpy(), channel)
    return StrongestMap(layer, unit, values[channel], logits.shape[1])


class Watched(nn.Module):
    """(batch, channels, height, width) -> (batch, classes + channels of a layer): logits, and the mean of each map.

    Zeiler and Fergus, "Visualizing and understanding convolutional networks" (2014), section 4.2, record the total
    activation of a map, which is its mean times the number of its places. Any engine can run it, and several threads
    at once. UserError for a network that does not give (batch, classes).
    """

    def __init__(self, net: nn.Module, place: Place):
        """`net` gets a hook, and is not for anything else afterwards."""
        super().__init__()
        self.net, self._call, self._local = net, place.call, threading.local()
        net.get_submodule(place.module).register_forward_hook(lambda _, __, out: self._put(out))

    def forward(self, x: Tensor) -> Tensor:
        self._local.calls = 0
        logits: Tensor = self.net(x)
        _demand_classes(logits)
        return torch.cat([logits, self._local.means], 1)

    def _put(self, out: Tensor) -> None:
        if self._call in (self._local.calls, LAST):
            self._local.means = out.mean((2, 3))
        self._local.calls += 1


def _demand_classes(logits: Tensor) -> None:
    if logits.dim() != 2:
        raise UserError(f"the network must give (batch, classes), it gives {tuple(logits.shape)}")
