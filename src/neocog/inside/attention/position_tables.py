"""What a network adds to its tokens to tell where they are, and how alike positions are by it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call

from neocog.analysis.capture import Call, capture

Floats = NDArray[np.float64]
PICTURES = 2  # what differs between pictures tells tokens from the table that is added to all


@dataclass(frozen=True, eq=False)
class Table:
    """A vector for each position."""

    values: Floats
    """(tokens, numbers), as they are added: interpolated where the network itself does that"""
    parameters: tuple[tuple[str, tuple[int, ...]], ...]
    """name and shape of those that it comes from; none where it is computed, as sines and cosines are"""


class _Found(Exception):
    """The table has been seen."""


def position_table(net: nn.Module, size: Sequence[int]) -> Table | None:
    """What `net` adds to its tokens on a picture of `size` (channels, height, width), whatever it calls that.

    It is the first tensor (tokens, numbers), the same for every picture, that is added to tokens; None where there
    is none.
    """
    own = {name: p.detach().requires_grad_(p.is_floating_point()) for name, p in net.named_parameters()}
    dtype = next((p.dtype for p in own.values() if p.is_floating_point()), torch.float32)
    device = next((p.device for p in own.values()), torch.device("cpu"))
    seen: list[Tensor] = []

    def added(call: Call) -> Any:
        first, second = (*call.args, *call.kwargs.values())[:2]
        table = _table(first, second) if _table(first, second) is not None else _table(second, first)
        if table is not None:
            seen.append(table)
            raise _Found
        return call.run()

    with torch.enable_grad(), capture(net, handlers={"add": added}), suppress(_Found):
        functional_call(net, own, (torch.zeros(PICTURES, *size, dtype=dtype, device=device),))
    if not seen:
        return None
    return Table(seen[0].detach().double().cpu().numpy(), _sources(seen[0], own))


def _table(tokens: object, other: object) -> Tensor | None:
    """`other` as (tokens, numbers) where it is the same for all pictures that `tokens` are of."""
    if not isinstance(tokens, Tensor) or not isinstance(other, Tensor) or tokens.dim() != 3:
        return None
    table = other[None] if other.dim() == 2 else other
    if table.dim() != 3 or table.shape[2] != tokens.shape[2]:
        return None
    for batch in (0, 1):
        shared = table.shape[batch] == 1 or table.stride(batch) == 0
        same = table.shape[1 - batch] == tokens.shape[1 - batch] > 1
        if tokens.shape[batch] == PICTURES and shared and same:
            return table.select(batch, 0)
    return None


def _sources(table: Tensor, own: dict[str, Tensor]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Those of the parameters that the table depends on."""
    if not table.requires_grad:
        return ()
    slopes = torch.autograd.grad(table.sum(), [p for p in own.values() if p.requires_grad], allow_unused=True)
    names = [name for name, p in own.items() if p.requires_grad]
    return tuple(
        (name, tuple(own[name].shape)) for name, slope in zip(names, slopes, strict=True) if slope is not None
    )


def similarity(table: NDArray[Any], grid: tuple[int, int]) -> Floats:
    """The cosine between the vectors of each position and of all: (rows, columns, rows, columns).

    `table` is (rows * columns, numbers), without class tokens. Dosovitskiy et al. (2021), figure 7, middle. A vector
    of zeros is like none, not even itself.
    """
    vectors = table.astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    units = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return np.asarray((units @ units.T).reshape(*grid, *grid))


def beside(alike: Floats) -> float:
    """Share of positions whose most similar other position is one of the eight around them."""
    rows, columns = alike.shape[:2]
    flat = alike.reshape(rows * columns, -1).copy()
    np.fill_diagonal(flat, -np.inf)
    places = np.indices((rows, columns)).reshape(2, -1).T
    apart = np.abs(places - places[flat.argmax(axis=1)]).max(axis=1)
    return float((apart == 1).mean())


@dataclass(frozen=True)
class Alike:
    """The mean similarity of two positions, by how they lie to each other."""

    same_row: float
    same_column: float
    neither: float


def alike_by_place(alike: Floats) -> Alike:
    """No position is compared with itself; nan where a grid has no such two."""
    rows, columns = alike.shape[:2]
    row, column = (place.ravel() for place in np.indices((rows, columns)))
    flat = alike.reshape(rows * columns, -1)
    in_row, in_column = row[:, None] == row, column[:, None] == column

    def mean(chosen: NDArray[np.bool_]) -> float:
        return float(flat[chosen].mean()) if chosen.any() else float("nan")

    return Alike(mean(in_row & ~in_column), mean(in_column & ~in_row), mean(~in_row & ~in_column))
