"""What the numbers of a tensor see of the picture: exact integer intervals, and the affine triple beside them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.int32]
NOTHING = 1 << 30  # a bound of the empty interval: more than any pixel, so that a minimum ignores it


@dataclass(frozen=True)
class Affine:
    """Position i reads the `size` pixels from i * stride - padding on, whether or not they lie in the picture."""

    size: int
    stride: int
    padding: int

    def through(self, kernel: int, stride: int, padding: int, dilation: int) -> Affine:
        """What a window over such positions sees (Dumoulin and Visin 2016; Araujo et al. 2019, equation 2)."""
        size = self.size + dilation * (kernel - 1) * self.stride
        return Affine(size, self.stride * stride, self.padding + padding * self.stride)

    def union(self, other: Affine) -> Affine | None:
        """What a sum or a concatenation of two branches sees, position by position; None where they drift apart."""
        if self.stride != other.stride:
            return None
        before = max(self.padding, other.padding)
        after = max(self.size - self.padding, other.size - other.padding)
        return Affine(before + after, self.stride, before)

    def centred_as(self, other: Affine) -> bool:
        """Whether the same position of both looks at the same place."""
        return self.size - 2 * self.padding == other.size - 2 * other.padding


@dataclass(frozen=True, eq=False)
class Field:
    """The pixels that each number of a tensor depends on, along each axis of the picture.

    `bounds` holds two arrays an axis: the first pixel, and minus the last one, so that what several numbers see
    together is a minimum everywhere. Each array has the tensor's rank; a side is 1 where nothing differs along it.
    """

    bounds: tuple[Array, ...]
    places: tuple[frozenset[int], ...]
    """for each axis of the picture, the tensor's sides along which its positions lie"""
    affine: tuple[Affine | None, ...]
    """for each axis; None where no such triple holds"""
    counts: tuple[int, ...]
    """positions along each axis"""
    aligned: bool = True
    """whether all branches that were joined look at the same place"""
    cause: str = ""
    """the operation that made every position see everything"""
    exact: bool = True
    """False behind an operation without a rule: the interval then is an upper bound"""

    @property
    def axes(self) -> int:
        return len(self.places)

    def low(self, axis: int) -> Array:
        return self.bounds[2 * axis]

    def high(self, axis: int) -> Array:
        return -self.bounds[2 * axis + 1]

    def is_map(self, rank: int) -> bool:
        """Whether the tensor's last sides are the picture's axes, as a window needs them."""
        return self.places == tuple(frozenset({rank - self.axes + axis}) for axis in range(self.axes))

    @property
    def uniform(self) -> bool:
        """Whether all numbers see the same."""
        return all(bound.size == 1 for bound in self.bounds)


def whole(size: Sequence[int], rank: int) -> Field:
    """The field of the picture itself: each pixel sees itself. `size` is of its axes; they are the last sides."""
    bounds: list[Array] = []
    for axis, side in enumerate(size):
        shape = [1] * rank
        shape[rank - len(size) + axis] = side
        pixels = np.arange(side, dtype=np.int32).reshape(shape)
        bounds += [pixels, -pixels]
    places = tuple(frozenset({rank - len(size) + axis}) for axis in range(len(size)))
    return Field(tuple(bounds), places, tuple(Affine(1, 1, 0) for _ in size), tuple(size))


def compact(bound: Array) -> Array:
    """`bound` with each side cut to 1 along which nothing differs."""
    for side, length in enumerate(bound.shape):
        if length > 1:
            first = bound[(slice(None),) * side + (slice(0, 1),)]
            if (bound == first).all():
                bound = first
    return bound


def least(bounds: Iterable[Array]) -> Array:
    """The union of intervals, number by number, with torch's broadcasting."""
    return reduce(np.minimum, bounds)


def mixed(bound: Array, sides: Iterable[int]) -> Array:
    """What the numbers along `sides` see together; the sides stay, with length 1."""
    axes = tuple(side for side in sides if bound.shape[side] > 1)
    return bound.min(axis=axes, keepdims=True) if axes else bound


def slid(bound: Array, side: int, taps: NDArray[np.int64], valid: NDArray[np.bool_]) -> Array:
    """What windows along `side` see: output i reads the inputs `taps[i]`, of which those `valid` exist."""
    outputs = len(taps)
    if bound.shape[side] == 1:
        if valid.any(axis=1).all():
            return bound
        length = int(taps[valid].max(initial=0)) + 1
        bound = np.broadcast_to(bound, (*bound.shape[:side], length, *bound.shape[side + 1 :]))
    flat = np.moveaxis(bound, side, -1)
    seen = np.where(valid, flat[..., np.where(valid, taps, 0)], NOTHING).min(axis=-1)
    assert seen.shape[-1] == outputs
    return np.moveaxis(seen.astype(np.int32), -1, side)
