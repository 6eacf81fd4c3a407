"""The layer that class activation maps are of where none is named: the last maps, or what the last attention reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from neocog.analysis.capture import Call, Place, capture
from neocog.analysis.twin import on_meta, picture
from neocog.errors import UserError
from neocog.inside.tokens import patches_of
from neocog.inside.units import Layer

ATTENTION = ("scaled_dot_product_attention", "multi_head_attention_forward", "softmax")


@dataclass(frozen=True, eq=False)
class Maps:
    """A layer whose numbers have places on the picture."""

    name: str
    place: Place
    grid: tuple[int, int]
    """rows and columns"""
    tokens: NDArray[np.int64] | None = None
    """(rows, columns): which token each place is, where the layer gives (tokens, channels)"""
    channels_last: bool = False

    def placed(self, given: Tensor) -> NDArray[np.float64]:
        """What the layer gave for one picture, or a gradient of it, as (channels, rows, columns)."""
        if self.tokens is not None:
            given = given[torch.from_numpy(self.tokens)]
        if self.tokens is not None or self.channels_last:
            given = given.permute(2, 0, 1)
        return np.asarray(given.double().numpy())


class Put(NamedTuple):
    """What a module gave."""

    place: Place
    tensor: Tensor
    when: int


class Grid(NamedTuple):
    """A convolution's output of more than one position."""

    sides: tuple[int, int]
    when: int


@dataclass
class _Events:
    """What happens in a forward, in order."""

    puts: list[Put] = field(default_factory=list)
    grids: list[Grid] = field(default_factory=list)
    norms: list[tuple[Tensor, int]] = field(default_factory=list)
    """what each layer norm reads"""
    attended: int = -1
    """when the last attention was computed"""
    now: int = 0

    def note(self, kind: str, call: Call) -> Any:
        out = call.run()
        self.now += 1
        if kind == "conv2d" and out.shape[2] * out.shape[3] > 1:
            self.grids.append(Grid((out.shape[2], out.shape[3]), self.now))
        elif kind == "layer_norm":
            self.norms.append((call.args[0], self.now))
        elif kind in ATTENTION and (kind != "softmax" or out.dim() > 2):  # that of the classes is none
            self.attended = self.now
        return out


def last_maps(net: nn.Module, size: Sequence[int]) -> Maps:
    """Where `net` still knows places on a picture of `size` (channels, height, width), as late as possible.

    Behind the last convolution with more than one position: the last module that puts out maps of this height and
    width, so that a residual sum or a concatenation is whole, and a pooling is not yet done. Where attention comes
    after that: the tokens that the last attention's layer norm reads. Behind the last attention the class token alone
    counts, and the norm makes the tokens of plain background as long as all others. Tokens that are no patches are
    left out. UserError where there is neither.
    """
    events = _events(net, size)
    if not events.grids:
        raise UserError(
            "a class activation map needs a convolution with more than one position; use `see occlusion`"
        )
    grid = events.grids[-1]
    if events.attended > grid.when:
        return _read_by_attention(events, net, size)
    puts = [put for put in events.puts if put.when >= grid.when and _is_map(put.tensor, grid.sides)]
    if not puts:
        raise UserError("the last maps are no module's output; name a layer with --layer")
    return Maps(puts[-1].place.module, puts[-1].place, grid.sides)


def maps_of(layer: Layer, net: nn.Module, size: Sequence[int]) -> Maps:
    """The layer that was named. UserError where its numbers have no places."""
    if layer.kind == "maps":
        return Maps(layer.name, layer.place, (layer.shape[1], layer.shape[2]))
    if layer.kind == "vector":
        raise UserError(f"a class activation map needs maps or tokens, {layer.name} gives {layer.kind}s")
    return _of_tokens(layer.place, layer.shape[0], net, size, layer.name)


def _read_by_attention(events: _Events, net: nn.Module, size: Sequence[int]) -> Maps:
    puts = [put for put in events.puts if put.when < events.attended and put.tensor.dim() in (3, 4)]
    norms = [given for given, when in events.norms if when < events.attended]
    put = next((put for read in reversed(norms) for put in reversed(puts) if put.tensor is read), None)
    if put is None:
        raise UserError("what the last attention reads is no module's output; name a layer with --layer")
    shape = put.tensor.shape
    if put.tensor.dim() == 4:
        return Maps(put.place.module, put.place, (shape[1], shape[2]), channels_last=True)
    return _of_tokens(put.place, shape[1], net, size)


def _of_tokens(place: Place, count: int, net: nn.Module, size: Sequence[int], name: str = "") -> Maps:
    patches = patches_of(net, size, count)
    called = name or place.module
    if patches is None:
        raise UserError(
            f"{called} has {count} tokens, where on the picture they lie cannot be told; name a layer with maps"
        )
    return Maps(called, place, patches.grid, patches.tokens)


def _is_map(tensor: Tensor, sides: tuple[int, int]) -> bool:
    return tensor.dim() == 4 and tuple(tensor.shape[2:]) == sides


def _events(net: nn.Module, size: Sequence[int]) -> _Events:
    """One forward on the meta device, where nothing is computed."""
    twin, events = on_meta(net), _Events()
    handlers = {kind: _noting(events, kind) for kind in ("conv2d", "layer_norm", *ATTENTION)}
    hooks = [module.register_forward_hook(_putting(events, name)) for name, module in twin.named_modules()]
    with torch.no_grad(), capture(twin, (), handlers) as seen:
        seen.run(picture(twin, size))
    for hook in hooks:
        hook.remove()
    return events


def _noting(events: _Events, kind: str) -> Callable[[Call], Any]:
    return lambda call: events.note(kind, call)


def _putting(events: _Events, name: str) -> Callable[..., None]:
    calls = 0

    def put(_: nn.Module, __: Any, out: Any) -> None:
        nonlocal calls
        if isinstance(out, Tensor) and name:
            events.puts.append(Put(Place(name, calls), out, events.now))
        calls += 1

    return put
