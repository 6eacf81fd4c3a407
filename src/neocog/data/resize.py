"""Antialiased resizing in exact arithmetic: one result on every machine, within a grey level of Pillow's.

The weights are whole numbers of 15 or 16 bits, divided by a power of two. So every partial sum of weighted pixels
is a multiple of that power below 2**24 of them, which float32 holds without rounding: whatever order, width of
vector or number of threads a matrix product takes, it gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from threading import local

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Box = tuple[float, float, float, float]
"""left, top, right, bottom"""

CHUNK = 192  # lines between the two passes: few enough for the processor's cache, many enough for a matrix product
KEPT = 1 << 22  # floats that a thread keeps as scratch memory; where more is needed, it is not kept
VECTOR = 16  # numbers along a row that a matrix product makes at once on most processors
STEEPEST = 64  # source pixels per result pixel; beyond it Pillow resizes, so that matrices stay small


@dataclass(frozen=True)
class Kernel:
    """A filter: how much a source pixel at some distance counts, up to `support` result pixels away."""

    support: float
    weight: Callable[[Doubles], Doubles]
    signed: bool
    """has negative lobes, so that a sum can leave 0..255"""

    @property
    def bits(self) -> int:
        """Of a weight: 255 times the sum of a row's magnitudes (1, or below 2 with lobes) stays below 2**24."""
        return 15 if self.signed else 16


def _triangle(x: Doubles) -> Doubles:
    return np.asarray(np.maximum(0, 1 - np.abs(x)))


def _cubic(x: Doubles, a: float = -0.5) -> Doubles:
    """Keys, "Cubic convolution interpolation for digital image processing" (1981); a as in Pillow."""
    x = np.abs(x)
    near, far = ((a + 2) * x - (a + 3)) * x * x + 1, (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def _lanczos(x: Doubles, lobes: int = 3) -> Doubles:
    return np.where(np.abs(x) < lobes, np.sinc(x) * np.sinc(x / lobes), 0)


KERNELS = {
    "bilinear": Kernel(1, _triangle, signed=False),
    "bicubic": Kernel(2, _cubic, signed=True),
    "lanczos": Kernel(3, _lanczos, signed=True),
}


def resize(
    pixels: Pixels,
    box: Box,
    size: tuple[int, int],
    interpolation: str,
    columns_first: bool = False,
    chunk: int = CHUNK,
) -> Pixels:
    """The part of `pixels` (height, width, channels) in `box` as (*size, channels), as Pillow's `resize` has it.

    The filter reaches beyond the box where there are pixels, so that a box is a resize of the whole and a crop
    after it. `interpolation` is `nearest` or one of `KERNELS`. Sums are rounded to 0..255 between the two passes,
    which shows where a filter has negative lobes: `columns_first` chooses the order, see `tall`. `chunk` lines are
    worked on at a time: it bounds memory and changes nothing else.
    """
    height, width, channels = pixels.shape
    left, top, right, bottom = box
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        raise ValueError(f"box must lie in the picture of {width} x {height} pixels, got {box}")
    if (bottom - top, right - left) == size and left == int(left) and top == int(top):
        return np.ascontiguousarray(pixels[int(top) : int(bottom), int(left) : int(right)])
    if interpolation == "nearest":
        rows, columns = _nearest(height, top, bottom, size[0]), _nearest(width, left, right, size[1])
        return pixels[rows[:, None], columns]
    if max((right - left) / size[1], (bottom - top) / size[0]) > STEEPEST:
        return _by_pillow(pixels, box, size, interpolation, columns_first)
    down = _bands(height, top, bottom, size[0], interpolation)
    across = _interleaved(width, left, right, size[1], interpolation, channels)
    flat = pixels.reshape(height, width * channels)
    # where no sum leaves 0..255 the cheaper order differs by rounding alone
    signed = KERNELS[interpolation].signed
    work = _down_first if columns_first or not signed else _across_first
    result = work(flat, down, across, chunk, signed)
    return np.ascontiguousarray(result[: size[0], : size[1] * channels]).reshape(*size, channels)


def tall(before: tuple[int, int], after: tuple[int, int]) -> bool:
    """Whether Pillow 13 resizes a picture of `before` to `after` (height, width) column by column, then row by row.

    Earlier ones, and torchvision on tensors, always take the rows first.
    """
    return before[0] > after[0] and before[0] - after[0] > 2 * (before[1] - after[1])


@dataclass(frozen=True)
class _Bands:
    """One axis of a resize: each band of result lines is a matrix times the source lines that it mixes."""

    starts: tuple[int, ...]
    """the first source line of each band"""
    matrices: Floats
    """(bands, result lines, source lines); with these two exchanged for the axis along a row"""
    lines: int
    """result lines of a band"""
    reach: int
    """source lines of a band"""

    @property
    def span(self) -> tuple[int, int]:
        """The source lines that count at all."""
        return self.starts[0], self.starts[-1] + self.reach

    def __iter__(self) -> Iterator[tuple[int, int, Floats]]:
        """The first result line, the first source line and the matrix of each band."""
        for i, (start, matrix) in enumerate(zip(self.starts, self.matrices, strict=True)):
            yield i * self.lines, start, matrix


class _Scratch(local):
    """Memory that a thread keeps from one picture to the next: pages fresh from the system cost more than the sums."""

    def __init__(self) -> None:
        self._kept: Floats = np.empty(0, np.float32)

    def arrays(self, *shapes: tuple[int, int]) -> list[Floats]:
        """Arrays of these shapes, whose content means nothing, until the thread's next call."""
        ends = np.cumsum([prod(shape) for shape in shapes]).tolist()
        memory = self._kept if ends[-1] <= len(self._kept) else np.empty(ends[-1], np.float32)
        if len(memory) <= KEPT:
            self._kept = memory
        return [
            memory[end - prod(shape) : end].reshape(shape) for end, shape in zip(ends, shapes, strict=True)
        ]


SCRATCH = _Scratch()


def _down_first(flat: Pixels, down: _Bands, across: _Bands, chunk: int, signed: bool) -> Pixels:
    left, right = across.span
    result = np.empty((len(down.starts) * down.lines, len(across.starts) * across.lines), np.uint8)
    bands = list(down)
    step = min(max(1, chunk // down.lines), len(bands))
    source, lines, sums = SCRATCH.arrays(
        (down.reach, right - left),
        (step * down.lines, right - left),
        (step * down.lines, result.shape[1]),
    )
    for i in range(0, len(bands), step):
        part = bands[i : i + step]
        first, total = part[0][0], len(part) * down.lines
        for row, start, matrix in part:
            np.copyto(source, flat[start : start + down.reach, left:right])
            np.matmul(matrix, source, out=lines[row - first : row - first + down.lines])
        _round(lines[:total], signed)
        _along(lines[:total], across, sums[:total])
        _to_bytes(sums[:total], signed, result[first : first + total])
    return result


def _across_first(flat: Pixels, down: _Bands, across: _Bands, chunk: int, signed: bool) -> Pixels:
    left, right = across.span
    top, bottom = down.span
    height, width = len(down.starts) * down.lines, len(across.starts) * across.lines
    step = min(chunk, bottom - top)
    source, lines, sums = SCRATCH.arrays((step, right - left), (step, width), (height, width))
    sums.fill(0)
    for first in range(top, bottom, chunk):
        last = min(first + chunk, bottom)
        np.copyto(source[: last - first], flat[first:last, left:right])
        _along(source[: last - first], across, lines[: last - first])
        _round(lines[: last - first], signed)
        for row, start, matrix in down:
            low, high = max(first, start), min(last, start + down.reach)
            if low < high:
                part = matrix[:, low - start : high - start] @ lines[low - first : high - first]
                sums[row : row + down.lines] += part
    result = np.empty(sums.shape, np.uint8)
    _to_bytes(sums, signed, result)
    return result


def _along(lines: Floats, across: _Bands, sums: Floats) -> None:
    """Each line, which starts where `across` does, filtered along itself into `sums`."""
    left = across.starts[0]
    for column, start, matrix in across:
        source = lines[:, start - left : start - left + across.reach]
        np.matmul(source, matrix, out=sums[:, column : column + across.lines])


def _round(sums: Floats, signed: bool) -> None:
    """To whole grey levels, halves up, in place."""
    sums += 0.5
    np.floor(sums, out=sums)
    if signed:
        np.clip(sums, 0, 255, out=sums)


def _to_bytes(sums: Floats, signed: bool, result: Pixels) -> None:
    """`_round` into bytes; a cast cuts what floor would."""
    sums += 0.5
    if signed:
        np.clip(sums, 0, 255, out=sums)
    np.copyto(result, sums, casting="unsafe")


@lru_cache(maxsize=64)
def _interleaved(
    extent: int, low: float, high: float, size: int, interpolation: str, channels: int
) -> _Bands:
    """The bands for an axis along which the channels of each pixel lie side by side."""
    lines = max(1, VECTOR // channels)
    bands = _bands(extent, low, high, size, interpolation, lines)
    spread = np.zeros((len(bands.starts), bands.reach, channels, bands.lines, channels), np.float32)
    for channel in range(channels):
        spread[:, :, channel, :, channel] = bands.matrices.swapaxes(1, 2)
    reach, width = bands.reach * channels, lines * channels
    starts = tuple(start * channels for start in bands.starts)
    return _Bands(starts, spread.reshape(-1, reach, width), width, reach)


@lru_cache(maxsize=64)
def _bands(
    extent: int, low: float, high: float, size: int, interpolation: str, lines: int | None = None
) -> _Bands:
    """The bands of one axis; None takes as many result lines to a band as is fastest for whole rows of a picture."""
    first, weights = _weights(extent, low, high, size, interpolation)
    taps = weights.shape[1]
    lines = lines or (8 if taps <= 10 else 4)  # wide bands need fewer calls, narrow ones hold fewer zeros
    count = -(-size // lines)
    starts = first[::lines]
    ends = np.minimum(first[np.minimum(np.arange(1, count + 1) * lines, size) - 1] + taps, extent)
    reach = int((ends - starts).max())
    starts = np.minimum(starts, extent - reach)
    places = first - np.repeat(starts, lines)[:size]
    # weights beyond the last source line are zero
    matrix = np.zeros((count * lines, reach + taps), np.float32)
    matrix[np.arange(size)[:, None], places[:, None] + np.arange(taps)] = weights
    matrices = np.ascontiguousarray(matrix[:, :reach]).reshape(count, lines, reach)
    return _Bands(tuple(starts.tolist()), matrices, lines, reach)


def _weights(
    extent: int, low: float, high: float, size: int, interpolation: str
) -> tuple[NDArray[np.int64], Doubles]:
    """The first source line (size) of each result line and the weights (size, taps) of those from there on.

    Which lines count, and how much, is as in Pillow's `precompute_coeffs` (src/libImaging/Resample.c).
    """
    kernel = KERNELS[interpolation]
    scale = (high - low) / size
    stretch = max(scale, 1.0)
    reach = kernel.support * stretch
    centre = low + (np.arange(size) + 0.5) * scale
    first = np.maximum(centre - reach + 0.5, 0).astype(np.int64)
    last = np.minimum((centre + reach + 0.5).astype(np.int64), extent)
    places = first[:, None] + np.arange(int((last - first).max()))
    weights = kernel.weight((places - centre[:, None] + 0.5) / stretch) * (places < last[:, None])
    shares = weights.cumsum(axis=1) / weights.sum(axis=1, keepdims=True)
    # rounding the running sums keeps each row's total at 1, and errors from adding up
    whole = np.rint(shares * 2.0**kernel.bits)
    return first, np.diff(whole, axis=1, prepend=0) / 2.0**kernel.bits


def _nearest(extent: int, low: float, high: float, size: int) -> NDArray[np.int64]:
    """Source line of each result line; a single-precision box and places added up one by one decide ties as Pillow."""
    start, scale = float(np.float32(low)), float(np.float32(high) - np.float32(low)) / size
    places = np.cumsum(np.r_[start + scale / 2, np.full(size - 1, scale)])
    return np.minimum(places.astype(np.int64), extent - 1)


def _by_pillow(
    pixels: Pixels, box: Box, size: tuple[int, int], interpolation: str, columns_first: bool
) -> Pixels:
    """Two passes of Pillow's own whole-number arithmetic, an axis each."""
    left, top, right, bottom = box
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    method = Image.Resampling[interpolation.upper()]
    for down in (columns_first, not columns_first):
        if down:
            image = image.resize((image.width, size[0]), method, (0, top, image.width, bottom))
        else:
            image = image.resize((size[1], image.height), method, (left, 0, right, image.height))
    return np.asarray(image).reshape(*size, pixels.shape[2])
