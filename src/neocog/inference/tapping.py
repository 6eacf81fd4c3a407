"""A network that gives what chosen layers put out, each as one vector, side by side."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from neocog.errors import UserError
from neocog.models.head import MirrorMean, run_once

GEM_POWER = 3.0
"""Radenović, Tolias, Chum, "Fine-tuning CNN image retrieval with no human annotation" (2018), section 3.2"""
SMALLEST = 1e-6  # of what GeM takes the power of, as in the authors' code: a power of 0 has no slope


def gem(x: Tensor) -> Tensor:
    """Generalised mean over the last axis: between the mean (power 1) and the maximum; what is negative counts as 0."""
    return x.clamp(min=SMALLEST).pow(GEM_POWER).mean(-1).pow(1 / GEM_POWER)


OVER_POSITIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": lambda x: x.mean(-1),
    "max": lambda x: x.amax(-1),
    "gem": gem,
}
"""(batch, dim, positions) -> (batch, dim)"""


Place = tuple[str, bool]
"""a module, and whether what it reads is meant"""


@dataclass(frozen=True)
class Tap:
    """A layer that is read."""

    key: str
    """what the caller calls it"""
    module: str
    """of `named_modules()`; nothing for the network itself"""
    pooling: str
    read: bool = False
    """whether what the module reads is meant, not what it gives"""

    @property
    def place(self) -> Place:
        return self.module, self.read


def pooled(x: Tensor, pooling: str) -> Tensor:
    """A layer's output as (batch, features): maps (batch, dim, rows, columns) are pooled over positions.

    Tokens (batch, tokens, dim) are pooled over tokens; `token` takes the first one, the class token; vectors stay.
    The result shares no memory with `x`, into which a later layer may write.
    """
    if x.dim() == 2 or pooling == "flat":
        return x.flatten(1).clone()
    if pooling == "token":
        return x[:, 0].clone()
    positions = x.transpose(1, 2) if x.dim() == 3 else x.flatten(2)
    return OVER_POSITIONS[pooling](positions)


class _Read(Exception):
    """Every layer has been read."""


class Tapped(nn.Module):
    """(batch, channels, height, width) -> (batch, sum of `widths`): the layers of `taps`, pooled, in their order.

    A layer that is called several times gives its last output. What comes behind the last layer read is not computed.
    Several threads may call it at once.
    """

    def __init__(self, net: nn.Module, taps: Sequence[Tap], input_size: tuple[int, int, int]):
        """`input_size` is (channels, height, width); the network is run once, and its modules get hooks."""
        super().__init__()
        shapes, self._calls = _observed(net, [tap.place for tap in taps], input_size)
        self.widths = tuple(_width(tap, shapes[tap.place], net) for tap in taps)
        self.net, self._taps, self._local = net, tuple(taps), threading.local()
        for place in shapes:
            _hook(net, place, partial(self._read, place))

    def forward(self, x: Tensor) -> Tensor:
        self._local.calls, self._local.rows = Counter(), {}
        with suppress(_Read):
            self.net(x)
        rows = self._local.rows
        return torch.cat([rows[tap] for tap in self._taps], 1)

    def _read(self, place: Place, tensor: Tensor) -> None:
        calls, rows = self._local.calls, self._local.rows
        calls[place] += 1
        if calls[place] == self._calls[place]:
            rows.update({tap: pooled(tensor, tap.pooling) for tap in self._taps if tap.place == place})
        # a tracer must leave each module in order; its converter leaves out what nothing depends on
        if len(rows) == len(set(self._taps)) and not torch.jit.is_tracing():  # type: ignore[attr-defined, no-untyped-call]
            raise _Read


@dataclass
class Tapping:
    """Builds tapped networks, and knows how wide their layers are once one has been built."""

    whole: Callable[[], nn.Module]
    """the network with its last layer, fresh at each call"""
    taps: tuple[Tap, ...]
    input_size: tuple[int, int, int]
    mirrored: bool = False
    """whether the mean over a picture and its mirror image is taken, as some runs do"""
    _widths: list[tuple[int, ...]] = field(default_factory=list)

    def module(self) -> nn.Module:
        """(batch, channels, height, width) -> (batch, all layers side by side)."""
        tapped = Tapped(self.whole(), self.taps, self.input_size)
        self._widths.append(tapped.widths)
        return MirrorMean(tapped) if self.mirrored else tapped

    @cached_property
    def widths(self) -> tuple[int, ...]:
        if not self._widths:
            self.module()
        return self._widths[0]


def _hook(net: nn.Module, place: Place, seen: Callable[[Any], None]) -> RemovableHandle:
    """Call `seen` with what passes at `place`, at each call of the module."""
    module, read = net.get_submodule(place[0]), place[1]
    if read:
        return module.register_forward_pre_hook(lambda _, inputs: seen(inputs[0]))
    return module.register_forward_hook(lambda _, __, output: seen(output))


def _observed(
    net: nn.Module, places: Sequence[Place], input_size: tuple[int, int, int]
) -> tuple[dict[Place, tuple[int, ...]], Counter[Place]]:
    """Shape of what passed last at each place, and how often something did, in one forward."""
    last: dict[Place, object] = {}
    calls: Counter[Place] = Counter()

    def note(place: Place, tensor: object) -> None:
        calls[place] += 1
        last[place] = tuple(tensor.shape) if isinstance(tensor, Tensor) else type(tensor).__name__

    handles = [_hook(net, place, partial(note, place)) for place in set(places)]
    try:
        run_once(net, torch.zeros(1, *input_size))
    finally:
        for handle in handles:
            handle.remove()
    shapes: dict[Place, tuple[int, ...]] = {}
    for place in places:
        name, shape = place[0], last.get(place)
        if shape is None:
            raise UserError(f"the layer {name} takes no part in a forward; name another one")
        if not isinstance(shape, tuple) or len(shape) < 2:
            raise UserError(f"the layer {name} must give one tensor with a row a picture, it gave {shape}")
        shapes[place] = shape
    return shapes, calls


def _width(tap: Tap, shape: tuple[int, ...], net: nn.Module) -> int:
    prefix = getattr(net, "prefix", getattr(net, "num_prefix_tokens", 1))  # ours, timm's
    if tap.pooling == "token" and (len(shape) != 3 or not prefix):
        given = (
            "maps" if len(shape) == 4 else "a vector" if len(shape) == 2 else "tokens without a class token"
        )
        raise UserError(
            f"token pooling needs tokens with a class token, the layer {tap.key} gives {given}; "
            "use --pooling mean or flat"
        )
    return int(pooled(torch.zeros(shape), tap.pooling).shape[1])
