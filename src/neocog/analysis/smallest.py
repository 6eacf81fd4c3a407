"""The smallest picture that a network takes, found by trying."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from neocog.analysis.trace import DoesNotRun, trace

LARGEST = 1024  # pixels a side: what needs more is not looked for


def smallest_size(net: nn.Module, size: Sequence[int]) -> tuple[int, ...] | None:
    """The least square side from `size` upward at which `net` runs, as (channels, side, ...); None up to 1,024 pixels.

    By doubling, then by halving the gap; it takes for granted that what runs at one size runs at larger ones.
    """
    channels, low = size[0], max(size[1:])
    high = low
    while not _runs(net, channels, high, len(size) - 1):
        low, high = high, 2 * high
        if high > LARGEST:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        if _runs(net, channels, middle, len(size) - 1):
            high = middle
        else:
            low = middle
    return (channels, *(high,) * (len(size) - 1))


def _runs(net: nn.Module, channels: int, side: int, axes: int) -> bool:
    try:
        trace(net, (channels, *(side,) * axes))
    except DoesNotRun:
        return False
    return True
