"""What one operation makes of the numbers under its window: convolution, linear layer, pool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, inf, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from neocog.analysis.kinds import ADAPTIVE_POOLS, AVERAGE_POOLS, IDENTITIES, MAX_POOLS, RESHAPING
from neocog.analysis.op import Op, Trace
from neocog.analysis.window import groups_of, windows_of
from neocog.inside.sums.calls import Made
from neocog.inside.sums.steps import Step

Array = NDArray[np.float64]
MAXIMUM = {kind for kind in (*MAX_POOLS, *ADAPTIVE_POOLS) if "max_pool2d" in kind}
AVERAGE = {kind for kind in (*AVERAGE_POOLS, *ADAPTIVE_POOLS) if "avg_pool2d" in kind}
POOLING = MAXIMUM | AVERAGE
SUMS = {"conv2d", "linear", *POOLING}


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


def arithmetic_of(plain: Trace, i: int, made: Made, channel: int, at: tuple[int, ...]) -> Arithmetic:
    """Operation `i` of a trace, one of `SUMS`, for a channel at a place: that of maps, of tokens, or none."""
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
    rows, columns = (taps(op, axis, at[axis], x.shape[1 + axis]) for axis in (0, 1))
    window, inside = _cut(_array(x[list(channels)]), rows, columns, 0.0)
    return Arithmetic(
        op.kind, op.layer, window, inside, (int(rows[0]), int(columns[0])), _spacing(rows, columns), channels,
        _array(weight[channel]), _bias(made, channel), float(made.out[(0, channel, *at)]),
    )  # fmt: skip


def _pool(op: Op, made: Made, channel: int, at: tuple[int, ...]) -> Arithmetic:
    x = made.arg(0, "input")[0]
    rows, columns = (taps(op, axis, at[axis], x.shape[1 + axis]) for axis in (0, 1))
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


def taps(op: Op, axis: int, index: int, length: int) -> NDArray[np.int64]:
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


def _bias(made: Made, channel: int) -> float:
    bias = made.arg(2, "bias")
    return 0.0 if bias is None else float(bias[channel])


def _array(tensor: Tensor) -> Any:
    return tensor.double().cpu().numpy()
