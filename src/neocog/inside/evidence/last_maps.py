"""The layer that class activation maps are of where none is named: the last maps, or what the last attention reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from neocog.analysis.capture import Place
from neocog.analysis.field import Field
from neocog.analysis.op import Trace
from neocog.analysis.receptive_field import receptive_fields
from neocog.analysis.trace import trace
from neocog.errors import UserError
from neocog.inside.tokens import Patches, patches_of
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
    """What a module gives for one picture."""

    place: Place
    op: int
    shape: tuple[int, ...]
    seen: Field | None
    """what its numbers see of the picture"""

    def lies(self, *sides: int) -> bool | None:
        """Whether positions on the picture lie along these of its sides and no other; None where nothing tells."""
        places = {side for some in self.seen.places for side in some} if self.seen is not None else None
        return places == set(sides) if places else None


def last_maps(net: nn.Module, size: Sequence[int]) -> Maps:
    """Where `net` still knows places on a picture of `size` (channels, height, width), as late as possible.

    Behind the last convolution with more than one position: the last module that puts out maps of this height and
    width, so that a residual sum or a concatenation is whole, and a pooling is not yet done. Where attention comes
    after that: the tokens that it reads, before its layer norm. Behind the last attention the class token alone counts,
    and the norm makes the tokens of plain background as long as all others. Where the maps go on as tokens
    without attention, as in an MLP-Mixer: the last of these. Whether channels come first or last, the sides tell along
    which places lie. Tokens that are no patches are left out; where nothing
    tells which patches they are, it is the last maps. UserError where there are none.
    """
    plain = trace(net, size)
    grids = [i for i, op in enumerate(plain.ops) if op.kind == "conv2d" and prod(op.shape[2:]) > 1]
    if not grids:
        raise UserError(
            "a class activation map needs a convolution with more than one position; use `see occlusion`"
        )
    puts = _puts(plain)
    attended = [i for i, op in enumerate(plain.ops) if op.kind in ATTENTION and len(op.shape) > 2]
    attends = bool(attended) and attended[-1] > grids[-1]
    behind = _read(plain, puts, attended[-1]) if attends else _tokens_behind(puts, grids[-1])
    found = _in_places(behind, net, size)
    sides = plain.ops[grids[-1]].shape[2:]
    maps = [put for put in puts if put.op >= grids[-1] and len(put.shape) == 4 and put.shape[2:] == sides]
    if found is None and not maps:
        raise UserError("the last maps are no module's output; name a layer with --layer")
    return found or Maps(maps[-1].place.module, maps[-1].place, (sides[0], sides[1]))


def maps_of(layer: Layer, net: nn.Module, size: Sequence[int]) -> Maps:
    """The layer that was named. UserError where its numbers have no places."""
    if layer.kind == "maps":
        return Maps(layer.name, layer.place, (layer.shape[1], layer.shape[2]))
    if layer.kind == "vector":
        raise UserError(f"a class activation map needs maps or tokens, {layer.name} gives {layer.kind}s")
    patches = patches_of(net, size, layer.shape[0])
    if patches is None:
        raise UserError(
            f"{layer.name} has {layer.shape[0]} tokens, where on the picture they lie cannot be told; name a layer "
            "with maps"
        )
    return Maps(layer.name, layer.place, patches.grid, patches.tokens)


def _puts(plain: Trace) -> list[Put]:
    """What modules give, in the order in which their calls end; not of the network itself."""
    calls: Counter[str] = Counter()
    fields = receptive_fields(plain)
    found = []
    for module, op in plain.returned:
        if module and op is not None and plain.ops[op].from_picture and plain.ops[op].shape[:1] == (1,):
            found.append(Put(Place(module, calls[module]), op, plain.ops[op].shape, fields[op]))
        calls[module] += 1
    return found


def _read(plain: Trace, puts: Sequence[Put], attended: int) -> list[Put]:
    """What attention reads, as far as modules give it: before its layer norms, or sums where it has no such norm."""
    norms, sums, seen, waiting = list[int](), list[int](), set[int](), [attended]
    while waiting:
        i = waiting.pop()
        op = plain.ops[i]
        read = [j for j in op.inputs if plain.ops[j].from_picture]
        if op.kind == "add" and len(read) > 1:
            sums.append(i)
            continue
        norms += read if op.kind == "layer_norm" else []
        waiting += set(read) - seen
        seen.update(read)
    given = {put.op: put for put in puts if len(put.shape) in (3, 4)}
    return [given[i] for i in (*sorted(norms, reverse=True), *sorted(sums, reverse=True)) if i in given]


def _tokens_behind(puts: Sequence[Put], grid: int) -> list[Put]:
    """The tokens that modules give behind the last convolution, the last ones first.

    Flattened maps are none: their places come last, behind the channels.
    """
    return [put for put in reversed(puts) if put.op > grid and len(put.shape) == 3 and put.lies(1)]


def _in_places(puts: Sequence[Put], net: nn.Module, size: Sequence[int]) -> Maps | None:
    """The first of these whose numbers have places: in rows and columns, or tokens that are known to be patches.

    Where nothing tells which sides are places, channels are last, as attention has them.
    """
    told: dict[int, Patches | None] = {}
    for put in puts:
        last = put.lies(1) if len(put.shape) == 3 else put.lies(1, 2)
        if len(put.shape) == 4 and last is not False:
            return Maps(put.place.module, put.place, (put.shape[1], put.shape[2]), channels_last=True)
        if len(put.shape) == 4 and put.lies(2, 3):
            return Maps(put.place.module, put.place, (put.shape[2], put.shape[3]))
        if last is False:
            continue
        rows = put.shape[1]
        if rows not in told:
            told[rows] = patches_of(net, size, rows)
        patches = told[rows]
        if patches is not None and patches.tokens.size > 1:  # a lone token, as of a class, has no places
            return Maps(put.place.module, put.place, patches.grid, patches.tokens)
    return None
