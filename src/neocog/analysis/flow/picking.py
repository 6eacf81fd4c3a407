"""The receptive field through indices: exact where their values are constants, else any number may be picked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from neocog.analysis.call import Ref, replaced
from neocog.analysis.field import NOTHING, Array, Field, compact, mixed
from neocog.analysis.flow.given import Given, Rule, everything, made_global, union
from neocog.analysis.op import Op

SAME_PLACE = {"index_select", "gather", "take_along_dim"}
"""what keeps the sides of its first argument"""


def indexed(op: Op, given: Given) -> Field:
    """x[..., index], index_select, gather, take_along_dim: numbers of the first argument at places of an index."""
    source = given.of(op.args[0])
    indices = [ref for ref in op.tensors if ref is not op.args[0]]
    values = {id(ref): given.value(ref) for ref in indices}
    if source is None:
        return _looked_up(op, given)
    if any(value is None for value in values.values()):
        return _any_of(op, given, source, indices)
    bounds = tuple(_replayed(op, bound, values) for bound in source.bounds)
    return _placed(op, source, bounds)


def _replayed(op: Op, bound: Array, values: dict[int, Tensor | None]) -> Array:
    """The call itself, made on a bound with an index of these values."""
    shape = op.args[0].shape
    full = torch.from_numpy(np.array(np.broadcast_to(bound, shape)))
    args, kwargs = replaced((op.args, dict(op.kwargs)), lambda r: full if r is op.args[0] else values[id(r)])
    return compact(op.call(*args, **kwargs).numpy())


def _placed(op: Op, source: Field, bounds: tuple[Array, ...]) -> Field:
    """Where positions lie after an index. One that only picks among channels leaves them where they are."""
    side = _one_side(op)
    if side is None:
        everywhere = (frozenset(range(1, len(op.shape))),) * source.axes
        return replace(source, bounds=bounds, places=everywhere, affine=(None,) * source.axes)
    counts, affine = list(source.counts), list(source.affine)
    for axis, place in enumerate(source.places):
        if side in place:
            affine[axis] = None
            counts[axis] = op.shape[side] if place == {side} else counts[axis]
    return replace(source, bounds=bounds, counts=tuple(counts), affine=tuple(affine))


def _one_side(op: Op) -> int | None:
    """The side along which numbers are picked; None where there are several, or sides are lost or made."""
    rank = len(op.args[0].shape)
    if op.kind in SAME_PLACE:
        dim = op.arg(2 if op.kind == "take_along_dim" else 1, "dim")
        return int(dim) % rank if isinstance(dim, int) and len(op.shape) == rank else None
    items = op.args[1] if isinstance(op.args[1], tuple) else (op.args[1],)
    picked = [side for side, item in enumerate(items) if isinstance(item, Ref | list)]
    plain = all(item == slice(None) for side, item in enumerate(items) if side not in picked)
    return picked[0] if len(picked) == 1 and plain and len(op.shape) == rank else None


def _any_of(op: Op, given: Given, source: Field, indices: list[Ref]) -> Field:
    """An index of unknown values: each number may be any along the sides picked from, and sees what the index sees."""
    rank, side = len(op.shape), _one_side(op)
    chosen = [(ref, field) for ref in indices if (field := given.of(ref)) is not None]
    if side is None:
        return everything(op, given, exact=all(field.uniform and field.exact for _, field in given.seen))
    bounds = []
    for i in range(2 * source.axes):
        terms = [_cut_to(mixed(source.bounds[i], (side,)), op.shape)]
        for ref, field in chosen:
            own = field.bounds[i]
            along = len(ref.shape) != rank  # a plain list of places along the side
            terms.append(own.reshape([-1 if s == side else 1 for s in range(rank)]) if along else own)
        bounds.append(compact(union(terms, rank)))
    fixed = [ref for ref in indices if given.of(ref) is None]  # constants of which no value is known
    field = _placed(op, source, tuple(bounds))
    field = replace(field, exact=all(f.exact for f in (source, *(f for _, f in chosen))) and not fixed)
    return made_global(op, field)


def _cut_to(bound: Array, shape: Iterable[int]) -> Array:
    """The first `shape` numbers along each side."""
    return bound[tuple(slice(0, n) for n in shape)]


def _looked_up(op: Op, given: Given) -> Field:
    """Rows of a table that does not depend on the picture: each sees what its place of the index sees."""
    ref, field = given.first
    items = op.args[1] if op.kind == "getitem" else None
    whole = op.kind == "getitem" and items is ref and op.shape[: len(ref.shape)] == ref.shape
    return _rows(op, ref, field) if whole else everything(op, given, exact=field.uniform and field.exact)


def embedded(op: Op, given: Given) -> Field:
    """Rows of a table of weights, one for each number of the index."""
    return _rows(op, *given.first)


def _rows(op: Op, ref: Ref, field: Field) -> Field:
    behind = (1,) * (len(op.shape) - len(ref.shape))
    return replace(field, bounds=tuple(bound.reshape(bound.shape + behind) for bound in field.bounds))


def sampled(op: Op, given: Given) -> Field:
    """grid_sample: the pixels around the points of a grid; any where the picture moves the points."""
    source, grid = given.of(op.args[0]), given.of(op.args[1])
    points = given.value(op.args[1])
    rank = len(op.shape)
    if source is not None and points is not None and len(points) == op.shape[0] == 1:
        taps = grid_taps(op, op.args[0].shape[2:], points)
        bounds = tuple(_read(bound, op, taps) for bound in source.bounds)
        counts = op.shape[2:] if source.is_map(rank) else source.counts
        return replace(source, bounds=bounds, counts=counts, affine=(None,) * source.axes)
    both = [field for field in (source, grid) if field]
    seen: list[Array] = []
    for i in range(2 * both[0].axes):
        terms = [mixed(source.bounds[i], range(2, rank))] if source else []
        terms += [np.moveaxis(mixed(grid.bounds[i], (rank - 1,)), rank - 1, 1)] if grid else []
        seen.append(compact(union(terms, rank)))
    places = tuple(frozenset(range(2, rank)) for _ in range(both[0].axes))
    field = replace(
        both[0], bounds=tuple(seen), places=places, exact=all(f.exact for f in both) and bool(grid)
    )
    return made_global(op, field)


Taps = tuple[NDArray[np.int64], NDArray[np.bool_]]


def grid_taps(op: Op, sides: tuple[int, ...], points: Tensor) -> Taps:
    """Which pixels each point reads, asked of torch: (neighbours, *points) positions, and which have a weight.

    Neighbours never have the same place modulo 2 (4 for bicubic), so that pixels of one such place at a time show which
    one was read: the sample of their numbers over the sample of ones.
    """
    mode, padding, corners = (
        op.arg(2, "mode", "bilinear"),
        op.arg(3, "padding_mode", "zeros"),
        op.arg(4, "align_corners"),
    )
    period = 4 if mode == "bicubic" else 2
    place = np.indices(sides)
    kinds = np.ravel_multi_index(tuple(place % period), (period,) * len(sides))
    ones = torch.from_numpy(
        (kinds == np.arange(period ** len(sides)).reshape(-1, *(1,) * len(sides))).astype(float)
    )
    numbers = ones * torch.arange(kinds.size, dtype=torch.float64).reshape(sides)
    images = torch.cat([ones, numbers])[None]
    out = F.grid_sample(images, points.double(), mode, padding, align_corners=corners)[0]
    weight, weighted = out.chunk(2)
    read = weight.abs() > 1e-9
    which = torch.where(read, weighted / torch.where(read, weight, 1.0), 0.0).round().long()
    return which.numpy(), read.numpy()


def _read(bound: Array, op: Op, taps: Taps) -> Array:
    which, read = taps
    sides = op.args[0].shape[2:]
    flat = np.broadcast_to(bound, (*bound.shape[:2], *sides)).reshape(*bound.shape[:2], -1)
    seen = np.where(read, flat[:, :, which], NOTHING).min(axis=2)
    return compact(seen.astype(np.int32))


def affine_points(op: Op, given: Given) -> Field:
    """affine_grid: each coordinate of a point from its row of the matrix."""
    _, field = given.first
    bounds = tuple(_row(mixed(bound, (2,)), len(op.shape)) for bound in field.bounds)
    places = tuple(frozenset({len(op.shape) - 1}) for _ in range(field.axes))
    return made_global(op, replace(field, bounds=bounds, places=places))


def _row(bound: Array, rank: int) -> Array:
    return bound.reshape((bound.shape[0], *(1,) * (rank - 2), bound.shape[1]))


PICKED: dict[str, Rule] = {
    **dict.fromkeys(SAME_PLACE, indexed),
    "embedding": embedded,
    "grid_sample": sampled,
    "affine_grid": affine_points,
}
