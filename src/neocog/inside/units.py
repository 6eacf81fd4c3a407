"""The layers of any network whose units can be looked at: where each is read, what each unit sees of the picture."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from torch import nn

from neocog.analysis.capture import Place
from neocog.analysis.field import Field
from neocog.analysis.kinds import ACTIVATIONS, IDENTITIES, NORMS, POINTWISE
from neocog.analysis.op import Op, Trace
from neocog.analysis.receptive_field import extent, receptive_fields
from neocog.analysis.trace import trace
from neocog.errors import UserError, nearest, unknown
from neocog.models.layer_names import MODULE, find_layer, paper_names

WEIGHTED = ("conv2d", "linear")
RANKS = {"conv2d": (4,), "linear": (2, 3)}
"""sides of what they give; a linear layer on maps whose channels come last gives no maps as they are meant here"""
BEHIND = POINTWISE | IDENTITIES | (NORMS - {"local_response_norm"})
"""what still belongs to the units of a layer: its norm, factors, and its non-linearity"""


class Window(NamedTuple):
    """A rectangle of pixels, ends excluded; it may lie beyond the picture, whose padding the unit reads there."""

    top: int
    left: int
    bottom: int
    right: int

    def within(self, size: Sequence[int]) -> Window:
        """The part inside a picture of `size` (height, width)."""
        top, left = max(self.top, 0), max(self.left, 0)
        return Window(top, left, max(top, min(self.bottom, size[0])), max(left, min(self.right, size[1])))


@dataclass(frozen=True, eq=False)
class Layer:
    """Units of one kind side by side: a channel is one feature, at every position."""

    name: str
    """a paper's where there is one, else that of the module with the weights; or as the user called it"""
    place: Place
    """where the units' activations are read: behind norm and non-linearity"""
    shape: tuple[int, ...]
    """without the batch: (channels, height, width), (tokens, channels) or (channels,)"""
    size: tuple[int, int]
    """height and width of the picture"""
    weights: str = ""
    """the convolution or linear layer that computes them; nothing where there is no single one"""
    op: int = 0
    """place in the trace"""
    field: Field | None = None
    """what each unit sees"""

    @property
    def kind(self) -> str:
        """`maps`, `tokens` or `vector`."""
        return {3: "maps", 2: "tokens", 1: "vector"}[len(self.shape)]

    @property
    def channels(self) -> int:
        return self.shape[0] if self.kind == "maps" else self.shape[-1]

    def window(self, at: tuple[int, ...] = ()) -> Window:
        """The pixels that the unit at row and column `at` of a map reads, beyond the picture's edge too.

        Of tokens and vectors, wherever the unit is, it is what all of them see; of maps too where no place is given.
        """
        if self.field is None or len(self.field.places) != 2:
            return Window(0, 0, *self.size)
        ends = [self._ends(axis, at[axis] if at and self.kind == "maps" else None) for axis in (0, 1)]
        return Window(ends[0][0], ends[1][0], ends[0][1] + 1, ends[1][1] + 1)

    def reads(self, at: tuple[int, ...]) -> Window:
        """The pixels inside the picture on which the unit at row and column `at` of a map depends, exactly.

        It may be less than the part of `window` that lies inside: what a pool rounded off is in no window. Of tokens
        and vectors it is that part.
        """
        if self.kind != "maps" or self.field is None or not self.field.is_map(len(self.shape) + 1):
            return self.window(at).within(self.size)
        ends = []
        for axis in (0, 1):
            low, high = extent(self.field, axis, 2 + axis, self.shape[1 + axis])
            ends.append((int(low[at[axis]]), int(high[at[axis]]) + 1))
        return Window(ends[0][0], ends[1][0], ends[0][1], ends[1][1])

    def _ends(self, axis: int, index: int | None) -> tuple[int, int]:
        assert self.field is not None
        rank = len(self.shape) + 1
        affine = self.field.affine[axis]
        if affine is not None and index is not None and self.field.is_map(rank):
            first = index * affine.stride - affine.padding
            return first, first + affine.size - 1
        if index is not None and self.field.is_map(rank):
            low, high = extent(self.field, axis, 2 + axis, self.shape[1 + axis])
            return int(low[index]), int(high[index])
        return int(self.field.low(axis).min()), int(self.field.high(axis).max())


def index_of(sides: int, channel: int, at: tuple[int, ...]) -> tuple[int, ...]:
    """Where a unit is in what its layer gives for one picture, which has `sides` sides; of tokens channels are last."""
    return (*at, channel) if sides == 2 else (channel, *at)


def layers_of(net: nn.Module, model: str, size: Sequence[int]) -> tuple[Layer, ...]:
    """The layers with units of `net`, called `model`, on a picture of `size` (channels, height, width), in order.

    These are its convolutions and linear layers, each read behind its norm and non-linearity, as far as modules give
    them, those that compute them or those around; linear layers on tokens only where a non-linearity follows, as in an
    MLP. A module that convolves and goes on itself, as layers of the Neocognitron do, is read at its own end. What no
    module gives alone, or as one of several tensors, is left out, and what no pixel reaches, as a class token before it
    has looked. UserError where the network cannot be traced.
    """
    plain = trace(net, size)
    reader = _Reader(plain)
    fields = receptive_fields(plain)
    papers = {module: name for name, module in reversed(paper_names(model, net).items())}
    found = []
    for i, op in enumerate(plain.ops):
        if op.kind not in WEIGHTED or not op.from_picture or len(op.shape) not in RANKS[op.kind]:
            continue
        if op.shape[0] != 1:  # windows of a picture, or tokens before pictures
            continue
        behind, activated = reader.behind(i)
        place = reader.places.get(behind)
        if place is None and op.kind == "conv2d":
            behind, place = reader.whole(i)
        if place is None or (len(op.shape) == 3 and not activated) or _blind(fields[behind]):
            continue
        name = papers.get(place.module, op.layer)
        found.append(_layer(name, place, plain, behind, fields[behind], op.layer))
    return numbered(sorted({layer.place: layer for layer in found}.values(), key=lambda layer: layer.op))


def numbered(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """The same, each under a name of its own: what a module gives when it is called again is called `NAME (2)`."""
    counts: Counter[str] = Counter()
    named = []
    for layer in layers:
        counts[layer.name] += 1
        n = counts[layer.name]
        named.append(layer if n == 1 else replace(layer, name=f"{layer.name} ({n})"))
    return tuple(named)


def layer_of(net: nn.Module, model: str, size: Sequence[int], name: str) -> Layer:
    """The layer called `name`: one of `layers_of`, else a module by a paper's name, its own, or `module:` and its own.

    UserError with the nearest names where there is none, and for a module that gives neither maps, tokens nor a vector.
    """
    layers = layers_of(net, model, size)
    found = next((layer for layer in layers if layer.name == name), None)
    if found is not None:
        return found
    modules = [module for module, _ in net.named_modules() if module]
    known = list(dict.fromkeys([*(layer.name for layer in layers), *paper_names(model, net), *modules]))
    if name.removeprefix(MODULE) not in known and not nearest(name, known):
        raise UserError(
            f"unknown layer {name!r} of {model}; there are {', '.join(layer.name for layer in layers)}"
        )
    if name.removeprefix(MODULE) not in known:
        raise unknown("layer", name, known)
    module = find_layer(net, model, name).module
    plain = trace(net, size)
    given = [op for called, op in plain.returned if called == module]
    last = given[-1] if given else None
    if last is None or len(plain.ops[last].shape) not in (2, 3, 4):
        other = "no single tensor" if given else "nothing"
        what = other if last is None else plain.ops[last].shape
        raise UserError(f"{name} must give maps, tokens or a vector, it gives {what}; name another layer")
    seen = receptive_fields(plain)[last]
    if _blind(seen):
        raise UserError(f"no pixel of the picture reaches {name}; name another layer")
    # the last of its calls by its number, so that a forward may end there
    return _layer(name, Place(module, len(given) - 1), plain, last, seen)


def _blind(seen: Field | None) -> bool:
    """Whether it is known that not a single pixel counts."""
    return seen is not None and bool(seen.low(0).min() > seen.high(0).max())


def _layer(name: str, place: Place, plain: Trace, at: int, seen: Field | None, weights: str = "") -> Layer:
    height, width = plain.ops[0].shape[2:]
    return Layer(name, place, plain.ops[at].shape[1:], (height, width), weights, at, seen)


def source_of(ops: Sequence[Op], i: int) -> int | None:
    """What operation `i` makes its tensor from, constants and parameters aside; None of a join."""
    read = [source for source in ops[i].inputs if ops[source].from_picture]
    return read[0] if len(read) == 1 else None


class _Reader:
    """Finds where in a network an operation of its trace can be read."""

    def __init__(self, plain: Trace):
        self.ops = plain.ops
        self.readers: dict[int, list[int]] = defaultdict(list)
        for i, op in enumerate(plain.ops):
            for source in op.inputs:
                self.readers[source].append(i)
        self.given: dict[str, list[int | None]] = defaultdict(list)
        """module -> the operation whose tensor each of its calls gave"""
        self.places: dict[int, Place] = {}
        """operation -> the module, the innermost one, that gave its tensor; never the network itself"""
        for module, given in plain.returned:
            if module and given is not None:
                self.places.setdefault(given, Place(module, len(self.given[module])))
            self.given[module].append(given)

    def behind(self, i: int) -> tuple[int, bool]:
        """The last operation that still belongs to the units of operation `i`, and whether one was a non-linearity."""
        last, read, activated = i, i, False
        while len(self.readers[i]) == 1:
            i = self.readers[i][0]
            op = self.ops[i]
            if op.kind not in BEHIND or op.shape != self.ops[last].shape or source_of(self.ops, i) is None:
                break
            last, activated = i, activated or op.kind in ACTIVATIONS
            if i in self.places:
                read = i
                if activated:
                    break
        return read, activated

    def whole(self, i: int) -> tuple[int, Place | None]:
        """What the module that calls operation `i` in its own forward makes of it, if that has the same shape."""
        layer = self.ops[i].layer
        given = self.given[layer][0] if layer and len(self.given[layer]) == 1 else None
        if given is None or (self.ops[given].layer, self.ops[given].shape) != (layer, self.ops[i].shape):
            return i, None
        return given, Place(layer, 0)
