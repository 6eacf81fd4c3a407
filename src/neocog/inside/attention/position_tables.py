"""What a network adds to its tokens to tell where they are, and how alike positions are by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import nn

from neocog.analysis.call import Ref
from neocog.analysis.field import Field
from neocog.analysis.kinds import CONSTANT
from neocog.analysis.op import Op, Trace
from neocog.analysis.receptive_field import receptive_fields
from neocog.analysis.trace import trace
from neocog.inside.sums.calls import Made, made_by, nothing
from neocog.inside.tokens import Patches, in_maps

Floats = NDArray[np.float64]
PICTURES = 2  # more than one, so that their side is told from that of the tokens
PLACES = ((0, "input"), (1, "other"))
"""of what a sum adds, among its arguments"""
RESIZING = ("interpolate", "upsample")


@dataclass(frozen=True, eq=False)
class Table:
    """A vector for each position."""

    values: Floats
    """(tokens, numbers), as they are added: interpolated where the network itself does that; maps row by row"""
    parameters: tuple[tuple[str, tuple[int, ...]], ...]
    """name and shape of those that it comes from; none where it is computed, as sines and cosines are"""
    resized: bool
    """whether the network interpolates on the way from them, to a grid of another size"""
    patches: Patches | None = None
    """where tokens lie that are the positions of maps; where they are in a row, `patches_of` tells"""


def position_table(net: nn.Module, size: Sequence[int]) -> Table | None:
    """What `net` adds to its tokens on a picture of `size` (channels, height, width), whatever it calls that.

    It is the first tensor with a vector for each token that does not depend on the picture; tokens are in a row, or
    are the positions of maps, channels first or last. None where there is none. UserError where the network cannot be
    traced.
    """
    plain = trace(net, size, batch=PICTURES)
    fields = receptive_fields(plain)
    for i, op in enumerate(plain.ops):
        found = _sum(plain, op)
        if found is None:
            continue
        order = _order(plain.ops[found.tokens].shape, found.table.shape, fields[found.tokens])
        if order is not None:
            made = made_by(net, nothing(net, size, PICTURES), plain, [i])[i]
            grid = [op.shape[side] for side in order[1:-1]]
            return Table(
                _values(made, found.place, order), *_sources(plain, found.table), in_maps(grid, size[1:])
            )
    return None


class _Sum(NamedTuple):
    """A sum of what depends on the picture and what does not."""

    tokens: int
    """the operation that gives what depends on it"""
    table: Ref
    place: tuple[int, str]
    """of the table among the arguments"""


def _sum(plain: Trace, op: Op) -> _Sum | None:
    if op.kind != "add":
        return None
    for tokens, table in (PLACES, PLACES[::-1]):
        one, other = op.arg(*tokens), op.arg(*table)
        both = isinstance(one, Ref) and isinstance(other, Ref)
        if both and _depends(plain, one) and not _depends(plain, other):
            return _Sum(one.op, other, table)
    return None


def _depends(plain: Trace, ref: Ref) -> bool:
    """Whether a tensor is made from the picture."""
    return ref.op is not None and plain.ops[ref.op].from_picture


def _order(tokens: tuple[int, ...], table: tuple[int, ...], seen: Field | None) -> tuple[int, ...] | None:
    """The sides of `tokens` in the order pictures, positions, numbers; None where `table` has no vector for each."""
    rank = len(tokens)
    if rank not in (3, 4) or len(table) > rank:
        return None
    table = (1,) * (rank - len(table)) + table
    for pictures in range(5 - rank):  # tokens in a row may come before the pictures
        others = [side for side in range(rank) if side != pictures]
        positions = _positions(seen, others)
        added = table[pictures] in (1, PICTURES) and all(table[side] == tokens[side] for side in others)
        if tokens[pictures] == PICTURES and added and prod(tokens[side] for side in positions) > 1:
            return (pictures, *positions, *(side for side in others if side not in positions))
    return None


def _positions(seen: Field | None, sides: Sequence[int]) -> list[int]:
    """Which of a picture's two or three sides are those of positions: all but one, the last where nothing tells."""
    places = sorted({side for some in seen.places for side in some}) if seen is not None else []
    known = len(places) == len(sides) - 1 and set(places) <= set(sides)
    return places if known else list(sides[:-1])


def _values(made: Made, place: tuple[int, str], order: tuple[int, ...]) -> Floats:
    added = made.arg(*place).broadcast_to(made.out.shape).permute(order)[0]
    scale = made.kwargs.get("alpha", 1) if place[0] == 1 else 1
    return np.asarray((scale * added.flatten(0, -2).double()).cpu().numpy())


def _sources(plain: Trace, table: Ref) -> tuple[tuple[tuple[str, tuple[int, ...]], ...], bool]:
    """Those of the parameters that the table depends on, and whether one is interpolated on the way."""
    found, resized = set[str](), False
    waiting, seen = [table], set[int | None]()
    while waiting:
        ref = waiting.pop()
        if ref.trained:
            found.add(ref.name)
        op = None if ref.op is None or ref.op in seen else plain.ops[ref.op]
        # of the picture, and by a call that makes constants, only the shape or the type was taken
        if op is not None and not op.from_picture and op.kind not in CONSTANT:
            seen.add(ref.op)
            waiting += op.tensors
            resized |= op.kind in RESIZING and op.shape != op.tensors[0].shape
    return tuple((name, ref.shape) for name, ref in plain.parameters.items() if name in found), resized


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
