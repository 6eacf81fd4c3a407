"""One number of a network as arithmetic: what is read, what it is multiplied with, the sum, and what becomes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil, floor, inf, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from neocog.analysis.kinds import (
    ADAPTIVE_POOLS,
    AVERAGE_POOLS,
    IDENTITIES,
    MAX_POOLS,
    RESHAPING,
)
from neocog.analysis.op import Op, Trace
from neocog.analysis.trace import trace
from neocog.analysis.window import groups_of, windows_of
from neocog.errors import UserError
from neocog.inside.calls import Made, made_by
from neocog.inside.units import BEHIND, Layer

Array = NDArray[np.float64]
MAXIMUM = {kind for kind in (*MAX_POOLS, *ADAPTIVE_POOLS) if "max_pool2d" in kind}
AVERAGE = {kind for kind in (*AVERAGE_POOLS, *ADAPTIVE_POOLS) if "avg_pool2d" in kind}
POOLING = MAXIMUM | AVERAGE
SUMS = {"conv2d", "linear", *POOLING}
BETWEEN = BEHIND | IDENTITIES | {"local_response_norm"}
"""what may stand between a layer and the pool that reads it"""


@dataclass(frozen=True)
class Step:
    """What is done to the sum on its way to the unit's value."""

    kind: str
    """torch's name of it"""
    words: str
    """the formula with its numbers, for x"""
    value: float
    """by that formula, from the step before"""
    tensor: float
    """what the network has there"""


@dataclass(frozen=True, eq=False)
class Arithmetic:
    """A window of numbers and what is made of them; arrays are (channels, rows, columns), or (1, 1, numbers)."""

    kind: str
    """torch's name: conv2d, linear, max_pool2d and so on"""
    layer: str
    """the module that computes it"""
    window: Array
    """what is read; where it lies in the padding 0, for a maximum minus infinity"""
    inside: NDArray[np.bool_]
    """(rows, columns): what is not padding"""
    first: tuple[int, int]
    """row and column, in the map that is read, of the window's first number; may be negative"""
    spacing: tuple[int, int]
    """rows and columns from one number of the window to the next: the dilation"""
    channels: tuple[int, ...]
    """numbers of the map's channels that are read"""
    kernel: Array | None
    """what the window is multiplied with; None of a maximum"""
    bias: float
    tensor: float
    """what the network has"""
    steps: tuple[Step, ...] = ()

    @property
    def products(self) -> Array:
        """Number by number; of a maximum the window itself."""
        return self.window if self.kernel is None else self.window * self.kernel

    @property
    def total(self) -> float:
        """The sum of products and bias, or the maximum, in double precision."""
        return float(self.window.max()) if self.kernel is None else float(self.products.sum() + self.bias)

    @property
    def difference(self) -> float:
        """How far that is from what the network has."""
        return abs(self.total - self.tensor)

    @property
    def winner(self) -> tuple[int, int] | None:
        """Row and column in the window of a maximum's number, the first of equal ones; None of a sum."""
        if self.kernel is not None:
            return None
        row, column = np.unravel_index(int(self.window[0].argmax()), self.window.shape[1:])
        return int(row), int(column)

    @property
    def value(self) -> float:
        """The unit's, by this arithmetic."""
        return self.steps[-1].value if self.steps else self.total

    @property
    def unit(self) -> float:
        """The unit's, as the network has it."""
        return self.steps[-1].tensor if self.steps else self.tensor


@dataclass(frozen=True, eq=False)
class Pooled:
    """What a pool makes of a unit that it reads."""

    arithmetic: Arithmetic
    at: tuple[int, int]
    """row and column of the pool's number"""
    place: tuple[int, int]
    """row and column of the unit in that window"""
    windows: int
    """in how many of the pool's windows the unit lies"""
    wins: int
    """in how many of them it is the largest; 0 of an average"""


@dataclass(frozen=True, eq=False)
class Computed:
    """A unit's arithmetic, and that of the pool behind it where there is one."""

    arithmetic: Arithmetic
    pooled: Pooled | None = None


def computed(net: nn.Module, x: Tensor, layer: Layer, channel: int, at: tuple[int, ...] = ()) -> Computed:
    """The arithmetic of a unit of `layer` on `x` (1, channels, height, width).

    `at` is (row, column) of maps, (token,) of tokens, () of a vector. UserError where the layer's units are no single
    sum or maximum, as those of a block are not.
    """
    plain = trace(net, tuple(x.shape[1:]))
    chain = _chain(plain, layer)
    pool = _next_pool(plain, layer)
    made = made_by(net, x, plain, chain if pool is None else [*chain, pool])
    found = _arithmetic(plain, chain[0], made[chain[0]], channel, at)
    found = replace(found, steps=_steps(plain, chain, made, found.total, (channel, at)))
    if pool is None or len(at) != 2:
        return Computed(found)
    return Computed(found, _pooled(plain, pool, made[pool], channel, (at[0], at[1])))


def _chain(plain: Trace, layer: Layer) -> list[int]:
    """The operation that sums or takes a maximum, and those behind it to the units' values."""
    i, chain = layer.op, [layer.op]
    while plain.ops[i].kind not in SUMS:
        op = plain.ops[i]
        if op.kind not in BEHIND | IDENTITIES or len(op.inputs) != 1 or op.inputs[0] == 0:
            raise UserError(
                f"the units of {layer.name} come from {op.kind}, not from one convolution, linear layer or pool; "
                "name one of those (`neocog summary MODEL` lists them)"
            )
        i = op.inputs[0]
        chain.insert(0, i)
    return chain


def _next_pool(plain: Trace, layer: Layer) -> int | None:
    """The pool that alone reads the layer, past norms and non-linearities."""
    i = layer.op
    while layer.kind == "maps":
        readers = [j for j, op in enumerate(plain.ops) if i in op.inputs]
        if len(readers) != 1:
            return None
        i = readers[0]
        if plain.ops[i].kind in POOLING:
            return i
        if plain.ops[i].kind not in BETWEEN or len(plain.ops[i].inputs) != 1:
            return None
    return None


def _arithmetic(plain: Trace, i: int, made: Made, channel: int, at: tuple[int, ...]) -> Arithmetic:
    op = plain.ops[i]
    if op.kind == "linear":
        return _linear(plain, op, made, channel, at)
    return _convolution(op, made, channel, at) if op.kind == "conv2d" else _pool(op, made, channel, at)


def _linear(plain: Trace, op: Op, made: Made, channel: int, at: tuple[int, ...]) -> Arithmetic:
    window = _array(made.arg(0, "input")[(0, *at)])
    kernel = _array(made.arg(1, "weight")[channel])
    shape = _flattened(plain, op, window.size)
    channels = tuple(range(shape[0]))
    tensor = float(made.out[(0, *at, channel)])
    inside = np.ones(shape[1:], bool)
    return Arithmetic(
        op.kind, op.layer, window.reshape(shape), inside, (0, 0), (1, 1), channels, kernel.reshape(shape),
        _bias(made, channel), tensor,
    )  # fmt: skip


def _flattened(plain: Trace, op: Op, numbers: int) -> tuple[int, int, int]:
    """(channels, height, width) of the map that a linear layer reads as one row; else one row."""
    source = plain.ops[op.inputs[0]]
    while len(source.shape) != 4 and source.kind in RESHAPING | IDENTITIES and source.inputs:
        source = plain.ops[source.inputs[0]]
    if len(source.shape) == 4 and prod(source.shape[1:]) == numbers:
        return source.shape[1], source.shape[2], source.shape[3]
    return 1, 1, numbers


def _convolution(op: Op, made: Made, channel: int, at: tuple[int, ...]) -> Arithmetic:
    x, weight = made.arg(0, "input")[0], made.arg(1, "weight")
    reads = weight.shape[1]
    group = channel // (len(weight) // groups_of(op))
    channels = tuple(range(group * reads, (group + 1) * reads))
    rows, columns = (_taps(op, axis, at[axis], x.shape[1 + axis]) for axis in (0, 1))
    window, inside = _cut(_array(x[list(channels)]), rows, columns, 0.0)
    return Arithmetic(
        op.kind, op.layer, window, inside, (int(rows[0]), int(columns[0])), _spacing(rows, columns), channels,
        _array(weight[channel]), _bias(made, channel), float(made.out[(0, channel, *at)]),
    )  # fmt: skip


def _pool(op: Op, made: Made, channel: int, at: tuple[int, ...]) -> Arithmetic:
    x = made.arg(0, "input")[0]
    rows, columns = (_taps(op, axis, at[axis], x.shape[1 + axis]) for axis in (0, 1))
    window, inside = _cut(
        _array(x[channel : channel + 1]), rows, columns, -inf if op.kind in MAXIMUM else 0.0
    )
    kernel = None
    if op.kind in AVERAGE:
        kernel = np.full(window.shape, 1 / _divisor(op, rows, columns, x.shape[1:], inside))
    return Arithmetic(
        op.kind, op.layer, window, inside, (int(rows[0]), int(columns[0])), _spacing(rows, columns), (channel,),
        kernel, 0.0, float(made.out[(0, channel, *at)]),
    )  # fmt: skip


def _taps(op: Op, axis: int, index: int, length: int) -> NDArray[np.int64]:
    """Positions along an axis of the map that output `index` reads, those in the padding too."""
    if op.kind in ADAPTIVE_POOLS:
        outputs = op.shape[2 + axis]
        return np.arange(floor(index * length / outputs), ceil((index + 1) * length / outputs))
    window = windows_of(op)[axis]
    return index * window.stride - window.padding + window.dilation * np.arange(window.kernel)


def _divisor(
    op: Op,
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    size: Sequence[int],
    inside: NDArray[np.bool_],
) -> int:
    """What an average divides by: a number given, the padding too, or only what there is."""
    override = None if op.kind in ADAPTIVE_POOLS else op.arg(6, "divisor_override", None)
    if override:
        return int(override)
    if op.kind in ADAPTIVE_POOLS or not op.arg(5, "count_include_pad", True):
        return int(inside.sum())
    ends = (size[axis] + windows_of(op)[axis].padding for axis in (0, 1))  # a window rounded up ends there
    return prod(int((taps < end).sum()) for taps, end in zip((rows, columns), ends, strict=True))


def _spacing(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> tuple[int, int]:
    down, across = (int(taps[1] - taps[0]) if len(taps) > 1 else 1 for taps in (rows, columns))
    return down, across


def _cut(
    maps: Array, rows: NDArray[np.int64], columns: NDArray[np.int64], ground: float
) -> tuple[Array, NDArray[np.bool_]]:
    """The numbers at `rows` and `columns` of (channels, height, width), `ground` where there are none."""
    there = [(taps >= 0) & (taps < side) for taps, side in zip((rows, columns), maps.shape[1:], strict=True)]
    inside = there[0][:, None] & there[1]
    picked = maps[:, np.where(there[0], rows, 0)[:, None], np.where(there[1], columns, 0)]
    return np.where(inside, picked, ground), inside


def _steps(
    plain: Trace, chain: Sequence[int], made: dict[int, Made], total: float, unit: tuple[int, tuple[int, ...]]
) -> tuple[Step, ...]:
    channel, at = unit
    steps: list[Step] = []
    x = total
    for _, i in pairwise(chain):
        kind = plain.ops[i].kind
        if kind in IDENTITIES:
            continue
        out = made[i].out
        tensor = float(out[(0, *at, channel)] if out.dim() == 3 else out[(0, channel, *at)])
        words, value = _step(kind, made[i], channel, x)
        x = tensor if value is None else value
        steps.append(Step(kind, words, x, tensor))
    return tuple(steps)


CLAMPED = {"relu": (0.0, inf), "relu6": (0.0, 6.0)}
FORMULAS = {
    "sigmoid": "1 / (1 + exp(−x))", "tanh": "tanh x", "silu": "x / (1 + exp(−x))", "gelu": "x Φ(x)",
    "hardswish": "x min(max(x + 3, 0), 6) / 6", "mish": "x tanh(ln(1 + exp x))", "softplus": "ln(1 + exp x)",
}  # fmt: skip


def _step(kind: str, made: Made, channel: int, x: float) -> tuple[str, float | None]:
    """The formula of a step and what it makes of `x`; None where only the network is asked."""
    if kind in CLAMPED:
        low, high = CLAMPED[kind]
        return ("max(0, x)" if high == inf else f"min(max(0, x), {high:g})"), min(max(x, low), high)
    if kind == "batch_norm":
        return _batch_norm(made, channel, x)
    if kind in ("add", "mul"):
        other = _factor(made, channel)
        if other is not None:
            return (f"x + {other:.4g}", x + other) if kind == "add" else (f"x × {other:.4g}", x * other)
    return FORMULAS.get(kind, f"{kind} of x"), None


def _factor(made: Made, channel: int) -> float | None:
    """What is added to the maps or multiplied with them: a number, or one for each channel."""
    one, other = made.args[:2] if len(made.args) > 1 else (None, None)
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        less = one if one.numel() < other.numel() else other
        count = less.numel()
        alone = count == 1 or (less.dim() >= 3 and less.shape[-3] == count)
        return float(less.reshape(-1)[channel if count > 1 else 0]) if alone else None
    number = other if isinstance(one, Tensor) else one
    return float(number) if isinstance(number, int | float) and not made.kwargs else None


def _batch_norm(made: Made, channel: int, x: float) -> tuple[str, float | None]:
    mean, variance = made.arg(1, "running_mean"), made.arg(2, "running_var")
    if made.arg(5, "training", False) or mean is None or variance is None:
        return "batch_norm of x", None
    weight, bias = made.arg(3, "weight"), made.arg(4, "bias")
    scale = (1.0 if weight is None else float(weight[channel])) / (
        float(variance[channel]) + float(made.arg(7, "eps", 1e-5))
    ) ** 0.5
    middle, shift = float(mean[channel]), 0.0 if bias is None else float(bias[channel])
    return f"(x − {middle:.4g}) × {scale:.4g} + {shift:.4g}", (x - middle) * scale + shift


def _pooled(plain: Trace, i: int, made: Made, channel: int, at: tuple[int, int]) -> Pooled | None:
    """Of the pool's windows that hold the unit the first that it wins, else the first."""
    op = plain.ops[i]
    size = made.arg(0, "input").shape[2:]
    found = []
    for row in range(op.shape[2]):
        rows = _taps(op, 0, row, size[0])
        if at[0] not in rows:
            continue
        for column in range(op.shape[3]):
            columns = _taps(op, 1, column, size[1])
            if at[1] in columns:
                place = int(rows.tolist().index(at[0])), int(columns.tolist().index(at[1]))
                found.append(((row, column), place, _pool(op, made, channel, (row, column))))
    if not found:
        return None
    won = [one for one in found if one[2].winner == one[1]]
    where, place, arithmetic = (won or found)[0]
    return Pooled(arithmetic, where, place, len(found), len(won))


def _bias(made: Made, channel: int) -> float:
    bias = made.arg(2, "bias")
    return 0.0 if bias is None else float(bias[channel])


def _array(tensor: Tensor) -> Any:
    return tensor.double().cpu().numpy()
