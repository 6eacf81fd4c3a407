"""Kernel, stride, padding and dilation of the operations that slide a window over a map."""

from __future__ import annotations

from dataclasses import dataclass

from neocog.analysis.kinds import CONVOLUTIONS, MAX_POOLS, POOLS, POWER_POOLS, TRANSPOSED
from neocog.analysis.op import Op
from neocog.analysis.sizes import per_axis


@dataclass(frozen=True)
class Window:
    """What output i reads along one axis: `kernel` inputs, `dilation` apart, from i * stride - padding on."""

    kernel: int
    stride: int = 1
    padding: int = 0
    """at the start; what is added at the end only decides how many positions there are"""
    dilation: int = 1

    @property
    def span(self) -> int:
        """Inputs from the first to the last that it reads."""
        return self.dilation * (self.kernel - 1) + 1


def windows_of(op: Op) -> tuple[Window, ...]:
    """The window of a convolution (plain or transposed) or a pool, axis by axis; () for every other operation."""
    if op.kind in CONVOLUTIONS or op.kind in TRANSPOSED:
        return _convolution(op)
    if op.kind in POOLS:
        return _pool(op)
    return ()


def groups_of(op: Op) -> int:
    """Groups of a convolution, plain or transposed; their arguments stand in the same place."""
    return int(op.arg(6, "groups", 1))


def _convolution(op: Op) -> tuple[Window, ...]:
    plain = op.kind in CONVOLUTIONS
    axes = CONVOLUTIONS[op.kind] if plain else TRANSPOSED[op.kind]
    kernels = op.arg(1, "weight").shape[2:]
    strides = per_axis(op.arg(3, "stride", 1), axes)
    dilations = per_axis(op.arg(5, "dilation", 1) if plain else op.arg(7, "dilation", 1), axes)
    padding = op.arg(4, "padding", 0)
    if padding == "same":  # torch puts the odd one at the end
        paddings = tuple(d * (k - 1) // 2 for k, d in zip(kernels, dilations, strict=True))
    else:
        paddings = per_axis(0 if padding == "valid" else padding, axes)
    return tuple(map(Window, kernels, strides, paddings, dilations))


def _pool(op: Op) -> tuple[Window, ...]:
    axes, shift = POOLS[op.kind], int(op.kind in POWER_POOLS)
    kernel = op.arg(1 + shift, "kernel_size")
    kernels = per_axis(kernel, axes)
    stride = op.arg(2 + shift, "stride", None)
    strides = kernels if stride is None or stride == () or stride == [] else per_axis(stride, axes)
    paddings = (0,) * axes if shift else per_axis(op.arg(3, "padding", 0), axes)
    dilated = op.kind in MAX_POOLS
    dilations = per_axis(op.arg(4, "dilation", 1), axes) if dilated else (1,) * axes
    return tuple(map(Window, kernels, strides, paddings, dilations))
