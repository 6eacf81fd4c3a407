"""A size at which a network runs, found by trying, for a person who gave another."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import torch
from torch import nn

from neocog.analysis.failure import DoesNotRun
from neocog.analysis.trace import record
from neocog.analysis.twin import on_meta, picture
from neocog.errors import UserError
from neocog.models.head import Headed

LARGEST = 1024  # pixels a side: what needs more is not looked for

Fit = Callable[[Sequence[int]], int]
"""-1 where sides are too small, 0 where the network runs, 1 where they are too large"""


def explained(net: nn.Module, size: Sequence[int], error: DoesNotRun) -> DoesNotRun:
    """`error` with the layer that cannot read pictures of `size` and the least size that would do, where there is one.

    A network of ours refuses a size before its layers see it; here they are asked.
    """
    bare = _unguarded(net)
    own = bare and _failure(bare, size)
    message = str(own or error)
    enough = fitting_size(net, size, message=f"{message} {error}")
    shown = "" if enough is None else f"; {'x'.join(map(str, enough))} would do"
    return DoesNotRun(f"{message}{shown}", (own or error).too_large)


def fitting_size(net: nn.Module, size: Sequence[int], message: str = "") -> tuple[int, ...] | None:
    """A size near `size`, (channels, side, ...), at which `net` runs; None up to 1,024 pixels a side.

    Where `size` is too small, its short sides grow to the least that does. Where it is too large, the least square
    that runs. Both take for granted that what is between two sizes that run, runs. Else a square of a side that
    `message` mentions: networks that take one size only say which.
    """
    fit, sides = _fit(net, size[0]), size[1:]
    start = fit(sides)
    if start == 0:
        return tuple(size)
    grown = None if start > 0 else _search(lambda s: fit([max(s, side) for side in sides]), min(sides))
    if grown is not None:
        return (size[0], *(max(grown, side) for side in sides))
    mentioned = sorted({int(n) for n in re.findall(r"\d+", message) if 0 < int(n) <= LARGEST})
    square = _search(lambda s: fit([s] * len(sides)), 0, max(sides) if start > 0 else None)
    squares = [*([square] if square else []), *mentioned]
    side = next((s for s in squares if fit([s] * len(sides)) == 0), None)
    return None if side is None else (size[0], *(side,) * len(sides))


def _search(fit: Callable[[int], int], low: int, high: int | None = None) -> int | None:
    """The least side above `low`, which is too small, that fits: by doubling to `high`, then by halving the gap."""
    best = None
    if high is None:
        high = max(2 * low, 1)
        while (found := fit(high)) < 0:
            low, high = high, 2 * high
            if high > LARGEST:
                return None
        best = high if found == 0 else None
    while high - low > 1:
        middle = (low + high) // 2
        found = fit(middle)
        low, high = (middle, high) if found < 0 else (low, middle)
        best = middle if found == 0 else best
    return best


def _fit(net: nn.Module, channels: int) -> Fit:
    twin, bare = on_meta(net).eval(), _unguarded(net)

    def fit(sides: Sequence[int]) -> int:
        error = _failure(twin, (channels, *sides))
        if error is None:
            return 0
        layers = bare and _failure(bare, (channels, *sides))
        return 1 if (layers or error).too_large else -1

    return fit


def _failure(twin: nn.Module, size: Sequence[int]) -> DoesNotRun | None:
    """What `twin`, a network on the meta device, says about pictures of `size`; None where it runs."""
    try:
        with torch.no_grad():
            record(twin, picture(twin, size), type(twin).__name__)
    except DoesNotRun as error:
        return error
    except UserError as error:  # it decides on values
        return DoesNotRun(str(error))
    return None


def _unguarded(net: nn.Module) -> Headed | None:
    """A network of ours on the meta device that leaves it to its layers what sizes they take."""
    twin = on_meta(net).eval()
    if not isinstance(twin, Headed):
        return None
    twin.min_size, twin.max_size = 1, None
    return twin
