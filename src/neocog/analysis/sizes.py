"""How many positions an operation has: the closed forms of torch's documentation, and shapes that follow from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def conv_size(size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    """Positions of a convolution along one axis: floor((n + p - d (k - 1) - 1) / s) + 1, zero or less where none fits.

    Dumoulin and Visin, "A guide to convolution arithmetic" (2016), relationship 15.
    """
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def pool_size(
    size: int, kernel: int, stride: int, padding: int = 0, dilation: int = 1, ceil_mode: bool = False
) -> int:
    """Positions of a pool along one axis. Rounded up, the last window must still start inside the padded map."""
    room = size + 2 * padding - dilation * (kernel - 1) - 1
    if not ceil_mode:
        return room // stride + 1
    positions = -(-room // stride) + 1
    return positions - ((positions - 1) * stride >= size + padding)


def transposed_size(
    size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1, extra: int = 0
) -> int:
    """Positions of a transposed convolution along one axis; `extra` is torch's output_padding."""
    return (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + extra + 1


def broadcast(*shapes: Sequence[int]) -> tuple[int, ...] | None:
    """The shape of a sum of tensors of these shapes; None where they do not go together."""
    rank = max(map(len, shapes))
    sides = [
        set(column) - {1} for column in zip(*((1,) * (rank - len(s)) + tuple(s) for s in shapes), strict=True)
    ]
    if any(len(side) > 1 for side in sides):
        return None
    return tuple(side.pop() if side else 1 for side in sides)


def per_axis(value: Any, axes: int) -> tuple[int, ...]:
    """One number for all axes, or one each, as torch's functions take them."""
    values = tuple(value) if isinstance(value, Sequence) else (value,)
    return tuple(int(v) for v in (values * axes if len(values) == 1 else values))
